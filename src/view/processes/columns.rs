//! The columns of the list, and what stands in them.

use crate::app::procs::Seen;
use crate::fmt;
use crate::model::GpuId;
use crate::model::sample::ProcState;
use crate::view::lane::gpu_list;
use crate::view::screen::Role;
use crate::view::text::safe;

/// A column, in the order of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Pid,
    User,
    State,
    Gpu,
    GpuMemory,
    Cpu,
    Memory,
    Read,
    Write,
    Threads,
    Group,
}

/// Columns between two columns.
const GAP: usize = 1;
/// The fewest that are kept for names.
const NAME: usize = 28;

impl Column {
    const ALL: [Self; 11] = [
        Self::Pid,
        Self::User,
        Self::State,
        Self::Gpu,
        Self::GpuMemory,
        Self::Cpu,
        Self::Memory,
        Self::Read,
        Self::Write,
        Self::Threads,
        Self::Group,
    ];

    /// The order in which columns are taken in while there is room.
    const WORTH: [Self; 11] = [
        Self::Cpu,
        Self::Pid,
        Self::Memory,
        Self::State,
        Self::GpuMemory,
        Self::Read,
        Self::Gpu,
        Self::User,
        Self::Write,
        Self::Threads,
        Self::Group,
    ];

    /// Its heading.
    pub(super) const fn head(self) -> &'static str {
        match self {
            Self::Pid => "PID",
            Self::User => "USER",
            Self::State => "S",
            Self::Gpu => "GPU",
            Self::GpuMemory => "GPU MEM",
            Self::Cpu => "CPU%",
            Self::Memory => "RSS",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Threads => "THR",
            Self::Group => "CONTAINER / GROUP",
        }
    }

    /// Its width.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::State => 1,
            Self::Threads => 4,
            Self::Gpu => 5,
            Self::Cpu => 6,
            Self::Pid | Self::User | Self::GpuMemory | Self::Memory => 8,
            Self::Read | Self::Write => 9,
            Self::Group => 22,
        }
    }

    /// Whether it holds words, which begin at its left.
    pub(super) const fn is_words(self) -> bool {
        matches!(self, Self::User | Self::Group)
    }

    /// What stands in it.
    pub(super) fn cell(self, seen: &Seen<'_>) -> (String, Role) {
        let none = || (fmt::NONE.to_owned(), Role::Gap);
        let plain = |text: Option<String>, role| text.map_or_else(none, |text| (text, role));
        let bytes = |bytes: u64| fmt::bytes(bytes as f64);
        let row = seen.row;
        match self {
            Self::Pid => (seen.pid.to_string(), Role::Dim),
            Self::User => {
                let user = seen.info.map(|info| safe(&info.user));
                plain(user.filter(|user| !user.is_empty()), Role::Text)
            }
            Self::State => state(row.and_then(|row| row.state.ok())),
            Self::Gpu => {
                let gpus: Vec<GpuId> = seen.gpus.iter().copied().collect();
                (gpu_list(&gpus), Role::Text)
            }
            // Most processes are on no GPU, which is no gap.
            Self::GpuMemory if seen.gpus.is_empty() => (String::new(), Role::Dim),
            Self::GpuMemory => plain(seen.gpu_bytes.ok().map(bytes), Role::GpuMemory),
            Self::Cpu => {
                let cores = seen.rate(|rates| rates.cpu_cores);
                let role =
                    if cores.is_some_and(|cores| cores < 0.005) { Role::Dim } else { Role::Text };
                plain(cores.map(|cores| fmt::wide_percent(cores, 6)), role)
            }
            Self::Memory => plain(seen.rss().map(bytes), Role::Text),
            Self::Read => {
                let rate = seen.rate(|rates| rates.read_bytes_per_second);
                plain(rate.map(fmt::rate), of_rate(rate, Role::DiskRead))
            }
            Self::Write => {
                let rate = seen.rate(|rates| rates.write_bytes_per_second);
                plain(rate.map(fmt::rate), of_rate(rate, Role::DiskRead))
            }
            Self::Threads => {
                plain(row.and_then(|row| row.threads.ok()).map(|n| n.to_string()), Role::Dim)
            }
            Self::Group => (group(seen), Role::Dim),
        }
    }
}

/// Nothing at all is dim, so that what moves is seen.
fn of_rate(rate: Option<f64>, role: Role) -> Role {
    if rate.is_some_and(|rate| rate < 0.5) { Role::Dim } else { role }
}

fn state(state: Option<ProcState>) -> (String, Role) {
    let Some(state) = state else { return (fmt::NONE.to_owned(), Role::Gap) };
    let role = match state {
        ProcState::Running => Role::WorkerRun,
        ProcState::Disk => Role::WorkerDisk,
        ProcState::Stopped | ProcState::Traced => Role::Paused,
        ProcState::Zombie | ProcState::Dead => Role::WorkerDead,
        ProcState::Sleeping | ProcState::Idle => Role::Dim,
    };
    (state.code().to_owned(), role)
}

/// The container; where there is none the end of the control group's path.
fn group(seen: &Seen<'_>) -> String {
    let Some(info) = seen.info else { return String::new() };
    if let Some(container) = &info.container {
        return safe(container);
    }
    let path = info.cgroup.as_deref().map(safe).unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    // The first of all groups tells nothing.
    last.to_owned()
}

/// What a width has room for; GPUs have columns where there are any.
pub(super) fn columns_in(width: usize, gpus: bool) -> Vec<Column> {
    let mut room = width.saturating_sub(NAME);
    let mut chosen = Vec::new();
    let wanted = |column: &Column| gpus || !matches!(column, Column::Gpu | Column::GpuMemory);
    for column in Column::WORTH.into_iter().filter(wanted) {
        let needed = column.width() + GAP;
        if needed > room {
            break;
        }
        room -= needed;
        chosen.push(column);
    }
    Column::ALL.into_iter().filter(|column| chosen.contains(column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_room_and_what_is_used_stays_longest() {
        for width in 0..300 {
            let used: usize =
                columns_in(width, true).iter().map(|column| column.width() + GAP).sum();
            assert!(used == 0 || used + NAME <= width, "{width}");
        }
        let narrow = columns_in(60, true);
        assert_eq!(narrow, [Column::Pid, Column::State, Column::Cpu, Column::Memory]);
        assert!(!columns_in(200, false).contains(&Column::GpuMemory));
        assert_eq!(columns_in(200, true).len(), Column::ALL.len());
    }
}
