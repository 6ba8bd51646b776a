//! `/proc/PID/stat`, parsed without allocation but for the name.
//!
//! procfs parses all 52 fields into an owned row; on a box with hundreds of processes that is most
//! of what mltop may cost.

use super::file::decimal;
use crate::model::id::Pid;
use crate::model::sample::ProcState;
use crate::source::text::clean;

/// What the scan knows of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcStat {
    /// Process id.
    pub pid: Pid,
    /// Its parent; 0 for the first process and for one whose parent is outside the namespace.
    pub parent: Pid,
    /// Name as the kernel has it (`comm`), escapes stripped.
    pub name: Box<str>,
    /// State of the main thread.
    pub state: ProcState,
    /// When it started, in clock ticks since boot: with the pid, its identity.
    pub start_ticks: u64,
    /// CPU time in user mode and kernel of all its threads, in clock ticks.
    pub cpu_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Resident memory in pages.
    pub rss_pages: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// When this was read, on the caller's monotonic clock: quiet processes are read less often.
    pub read_ms: u64,
}

/// Parses one `stat` line; `None` where it makes no sense.
pub(super) fn parse(bytes: &[u8], before: Option<&ProcStat>, read_ms: u64) -> Option<ProcStat> {
    let (front, mut fields) = split(bytes)?;
    let open = front.iter().position(|byte| *byte == b'(')?;
    let pid = Pid(number(front.get(..open)?.trim_ascii())?);
    let comm = front.get(open + 1..)?;
    let state = state(fields.next()?)?;
    let parent = Pid(number(fields.next()?)?);
    // Fields are counted as in proc(5), where the state is the third.
    let mut at = 4;
    let mut field = |wanted: usize| {
        let found = fields.nth(wanted - at - 1)?;
        at = wanted;
        decimal(found)
    };
    let major_faults = field(12)?;
    let user = field(14)?;
    let system = field(15)?;
    let threads = field(20)?;
    let start_ticks = field(22)?;
    let rss_pages = field(24)?;
    // The last field that is wanted must be whole: one more follows it on every kernel.
    field(25)?;
    Some(ProcStat {
        pid,
        parent,
        name: name(comm, before),
        state,
        start_ticks,
        cpu_ticks: user.checked_add(system)?,
        threads,
        rss_pages,
        major_faults,
        read_ms,
    })
}

/// State of the main thread and start in clock ticks since boot: all that a look at a loader needs.
pub(in crate::source) fn state_and_start(bytes: &[u8]) -> Option<(ProcState, u64)> {
    let (_, mut fields) = split(bytes)?;
    let state = state(fields.next()?)?;
    let start_ticks = decimal(fields.nth(18)?)?;
    // A last field may be cut.
    fields.next()?;
    Some((state, start_ticks))
}

/// What stands before the end of the name, and the fields after it. The name may hold blanks and
/// parentheses of its own: it ends at the last one.
fn split(bytes: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]>)> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let fields = bytes.get(close + 1..)?.split(u8::is_ascii_whitespace);
    Some((bytes.get(..close)?, fields.filter(|field| !field.is_empty())))
}

/// The name, taken over where it is the same as before.
fn name(comm: &[u8], before: Option<&ProcStat>) -> Box<str> {
    match before {
        Some(before) if before.name.as_bytes() == comm => before.name.clone(),
        _ => clean(comm, 64),
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    decimal(bytes).and_then(|value| u32::try_from(value).ok())
}

fn state(field: &[u8]) -> Option<ProcState> {
    Some(match field {
        b"R" => ProcState::Running,
        // W and K are states of old kernels, P of parked threads: none of them runs.
        b"S" | b"W" | b"K" | b"P" => ProcState::Sleeping,
        b"D" => ProcState::Disk,
        b"T" => ProcState::Stopped,
        b"t" => ProcState::Traced,
        b"Z" => ProcState::Zombie,
        b"X" | b"x" => ProcState::Dead,
        b"I" => ProcState::Idle,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &[u8] = b"42 (pt_main_thread) D 7 42 42 0 -1 4194304 100 0 3 0 250 50 0 0 20 0 9 0 7700 900000 1234 18446744073709551615 1 1 0 0";

    #[test]
    fn the_fields_are_those_of_the_manual() {
        let stat = parse(LINE, None, 5).unwrap();
        assert_eq!((stat.pid, stat.parent), (Pid(42), Pid(7)));
        assert_eq!(&*stat.name, "pt_main_thread");
        assert_eq!(stat.state, ProcState::Disk);
        assert_eq!((stat.major_faults, stat.cpu_ticks, stat.threads), (3, 300, 9));
        assert_eq!((stat.start_ticks, stat.rss_pages, stat.read_ms), (7700, 1234, 5));
        assert_eq!(state_and_start(LINE), Some((ProcState::Disk, 7700)));
    }

    #[test]
    fn a_name_with_parentheses_and_escapes_does_not_shift_the_fields() {
        let line = String::from_utf8_lossy(LINE).replace("pt_main_thread", "a) R 1 (\u{1b}[31mb");
        let stat = parse(line.as_bytes(), None, 0).unwrap();
        assert_eq!(&*stat.name, "a) R 1 (b");
        assert_eq!(stat.parent, Pid(7));
    }

    #[test]
    fn a_line_that_is_cut_before_the_memory_is_refused() {
        for end in 0..LINE.len() {
            if let Some(stat) = parse(&LINE[..end], None, 0) {
                assert_eq!(stat.rss_pages, 1234, "cut at {end}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes, None, 0);
            state_and_start(&bytes);
        }

        #[test]
        fn a_line_with_a_hole_is_a_row_or_none(at in 0usize..LINE.len(), byte: u8) {
            let mut line = LINE.to_vec();
            line[at] = byte;
            parse(&line, None, 0);
        }
    }
}
