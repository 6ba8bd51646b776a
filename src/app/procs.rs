//! The fourth screen: which processes stand on it, in which order, and what the user chose there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::frame::ProcRates;
use crate::model::inventory::{ProcInfo, Role};
use crate::model::process::ProcessLook;
use crate::model::sample::ProcSample;
use crate::model::{Frame, Gap, GpuId, Pid, Reading};

use super::state::{Feed, Overlay, State};
use super::stepped;
use super::tree::{Branch, tree};
use super::update::Effect;

/// By what the processes are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// CPU time used.
    #[default]
    Cpu,
    /// Resident memory.
    Memory,
    /// Memory held of GPUs.
    GpuMemory,
    /// Bytes read from storage.
    Read,
    /// Bytes written to storage.
    Write,
    /// Process id.
    Pid,
    /// Owner.
    User,
    /// Name.
    Name,
}

impl Order {
    /// Every order, in the order in which a key goes through them.
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::Memory,
        Self::GpuMemory,
        Self::Read,
        Self::Write,
        Self::Pid,
        Self::User,
        Self::Name,
    ];

    /// Its word, as in the column's heading.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "CPU%",
            Self::Memory => "RSS",
            Self::GpuMemory => "GPU MEM",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Pid => "PID",
            Self::User => "USER",
            Self::Name => "NAME",
        }
    }

    /// Whether the largest comes first unless it is asked otherwise.
    const fn is_of_use(self) -> bool {
        !matches!(self, Self::Pid | Self::User | Self::Name)
    }
}

/// What the user chose on the screen of the processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    /// The process; `None` before one is chosen.
    pub chosen: Option<Pid>,
    /// Only those are shown that have this in their names; empty shows all.
    pub filter: String,
    /// By what they are sorted.
    pub order: Order,
    /// The other way round.
    pub reversed: bool,
    /// One below the other, instead of children below their parents.
    pub flat: bool,
    /// Processes whose children are not shown.
    pub folded: BTreeSet<Pid>,
    /// The process that was asked about last, and what came of it.
    pub look: Option<(Pid, Looked)>,
}

/// What came of a question about a process.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// Nothing yet.
    Asked,
    /// The answer.
    Is(Arc<ProcessLook>),
    /// Why there is none.
    Not(Gap),
}

/// A process as far as a frame tells.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// Process id.
    pub pid: Pid,
    /// Its names.
    pub info: Option<&'a ProcInfo>,
    /// What was read.
    pub row: Option<&'a ProcSample>,
    /// What follows from it.
    pub rates: Option<&'a ProcRates>,
    /// GPUs that it holds memory of.
    pub gpus: BTreeSet<GpuId>,
    /// Memory that it holds of all of them; not applicable to one that is on none.
    pub gpu_bytes: Reading<u64>,
}

impl<'a> Seen<'a> {
    const fn new(pid: Pid) -> Self {
        let gpu_bytes = Reading::Not(Gap::NotApplicable);
        Self { pid, info: None, row: None, rates: None, gpus: BTreeSet::new(), gpu_bytes }
    }

    /// A rate, where there is one.
    pub fn rate(&self, of: impl Fn(&ProcRates) -> Reading<f64>) -> Option<f64> {
        of(self.rates?).ok().filter(|value| value.is_finite())
    }

    /// Resident memory, where it is known.
    pub fn rss(&self) -> Option<u64> {
        self.row?.rss_bytes.ok()
    }

    /// Its parent, where that is known.
    pub fn parent(&self) -> Option<Pid> {
        self.info.map(|info| info.parent).filter(|parent| *parent != self.pid)
    }

    /// Its name and the rest of what it is looked for by.
    fn matches(&self, filter: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(filter);
        self.pid.to_string().contains(filter)
            || self.info.is_some_and(|info| {
                has(&info.name)
                    || has(&info.command)
                    || has(&info.user)
                    || has(info.role.code())
                    || info.cgroup.as_deref().is_some_and(has)
                    || info.container.as_deref().is_some_and(has)
            })
    }

    /// How much it uses of what the processes are sorted by; `None` where they go by words.
    fn use_of(&self, order: Order) -> Option<f64> {
        Some(match order {
            // In steps of a tenth of a core, so that rows do not change places over nothing.
            Order::Cpu => (self.rate(|rates| rates.cpu_cores).unwrap_or(0.0) * 10.0).round(),
            Order::Memory => self.rss().unwrap_or(0) as f64,
            Order::GpuMemory => self.gpu_bytes.ok().unwrap_or(0) as f64,
            Order::Read => self.rate(|rates| rates.read_bytes_per_second).unwrap_or(0.0),
            Order::Write => self.rate(|rates| rates.write_bytes_per_second).unwrap_or(0.0),
            Order::Pid | Order::User | Order::Name => return None,
        })
    }

    fn word_of(&self, order: Order) -> &'a str {
        match (order, self.info) {
            (Order::User, Some(info)) => &info.user,
            (Order::Name, Some(info)) => &info.name,
            _ => "",
        }
    }
}

/// The processes of a frame, by number.
pub fn seen(frame: &Frame) -> BTreeMap<Pid, Seen<'_>> {
    let sample = &*frame.sample;
    let mut all: BTreeMap<Pid, Seen<'_>> = BTreeMap::new();
    for (pid, info) in &sample.inventory.procs {
        all.entry(*pid).or_insert_with(|| Seen::new(*pid)).info = Some(info);
    }
    for row in &sample.procs {
        all.entry(row.pid).or_insert_with(|| Seen::new(row.pid)).row = Some(row);
    }
    for rates in &frame.procs {
        if let Some(seen) = all.get_mut(&rates.pid) {
            seen.rates = Some(rates);
        }
    }
    for held in &sample.gpu_procs {
        let Some(seen) = all.get_mut(&held.pid) else { continue };
        let before = if seen.gpus.is_empty() { Reading::Is(0) } else { seen.gpu_bytes };
        seen.gpus.insert(held.gpu);
        let sum = before.zip(held.memory_used_bytes);
        seen.gpu_bytes = sum.map(|(sum, more)| sum.saturating_add(more));
    }
    all
}

/// One row of the screen.
pub type ProcRow = Branch;

/// The rows that there are: children below their parents, or one below the other.
pub fn proc_rows(state: &State) -> Vec<ProcRow> {
    let Some(frame) = state.shown() else { return Vec::new() };
    rows_of(&seen(frame), &state.processes)
}

/// The same, of processes that were looked up already.
pub fn rows_of(all: &BTreeMap<Pid, Seen<'_>>, wanted: &Processes) -> Vec<ProcRow> {
    let filter = wanted.filter.trim().to_lowercase();
    let parent = |pid: &Pid| all.get(pid)?.parent().filter(|parent| all.contains_key(parent));
    let mut shown: BTreeSet<Pid> =
        all.values().filter(|seen| seen.matches(&filter)).map(|seen| seen.pid).collect();
    if !filter.is_empty() && !wanted.flat {
        // Whose child it is belongs to what is looked for.
        for pid in shown.clone() {
            let mut above = parent(&pid);
            while let Some(next) = above.filter(|next| shown.insert(*next)) {
                above = parent(&next);
            }
        }
    }
    let parents: BTreeMap<Pid, Option<Pid>> = shown
        .iter()
        .map(|pid| (*pid, parent(pid).filter(|parent| !wanted.flat && shown.contains(parent))))
        .collect();
    let order = wanted.order;
    let weights = super::tree::sums(&parents, |pid| {
        all.get(&pid).and_then(|seen| seen.use_of(order)).unwrap_or(0.0)
    });
    let word = |pid: &Pid| all.get(pid).map_or("", |seen| seen.word_of(order));
    let largest_first = order.is_of_use() != wanted.reversed;
    let compare = |a: &Pid, b: &Pid| {
        let weight = |pid: &Pid| weights.get(pid).copied().unwrap_or(0.0);
        let by = weight(a).total_cmp(&weight(b)).then_with(|| word(a).cmp(word(b)));
        let by = if order == Order::Pid { a.cmp(b) } else { by };
        (if largest_first { by.reverse() } else { by }).then(a.cmp(b))
    };
    tree(&parents, &wanted.folded, compare)
}

impl State {
    /// The process that the user chose, where it is still there.
    pub fn chosen_process(&self) -> Option<&ProcInfo> {
        let frame = self.shown()?;
        frame.sample.inventory.proc(self.processes.chosen?)
    }

    /// Whether this machine is looked at, now: only then can a process be asked or signalled.
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self.feed, Feed::Live { .. })
    }

    /// Moves the choice among the processes.
    pub(super) fn move_among_processes(&mut self, by: isize) {
        let rows = proc_rows(self);
        let at = rows.iter().position(|row| Some(row.pid) == self.processes.chosen);
        let next = stepped(at, by, rows.len()).and_then(|at| rows.get(at));
        self.processes.chosen = next.map(|row| row.pid);
    }

    /// Folds the children of the chosen process away, or shows them again.
    pub(super) fn fold(&mut self) {
        let rows = proc_rows(self);
        let chosen = self.processes.chosen;
        let row = rows.iter().find(|row| Some(row.pid) == chosen);
        match row {
            None => self.say("choose a process first".to_owned()),
            Some(row) if row.folded.is_none() => self.say("nothing below it to fold".to_owned()),
            Some(row) => {
                if !self.processes.folded.remove(&row.pid) {
                    self.processes.folded.insert(row.pid);
                }
            }
        }
    }

    /// Sorts by the next column.
    pub(super) fn sort_by_next(&mut self) {
        let at = Order::ALL.iter().position(|order| *order == self.processes.order).unwrap_or(0);
        self.sort_by(Order::ALL[(at + 1) % Order::ALL.len()]);
    }

    /// Sorts by a column; again, the other way round.
    pub(super) fn sort_by(&mut self, order: Order) {
        let again = self.processes.order == order;
        self.processes.reversed = again && !self.processes.reversed;
        self.processes.order = order;
    }

    /// Shows the chosen process in full, and asks this machine for what is not recorded.
    pub(super) fn enter_process(&mut self) -> Vec<Effect> {
        let Some(pid) = self.processes.chosen else {
            self.say("choose a process first".to_owned());
            return Vec::new();
        };
        self.overlay = Some(Overlay::Process { pid, scroll: 0 });
        self.processes.look = None;
        let start_ticks = self.chosen_process().map(|info| info.start_ticks);
        match start_ticks.filter(|_| self.is_of_this_machine()) {
            Some(start_ticks) => {
                self.processes.look = Some((pid, Looked::Asked));
                vec![Effect::LookAt { pid, start_ticks }]
            }
            None => Vec::new(),
        }
    }

    /// Takes the answer in, unless another process is asked about by now.
    pub(super) fn looked(&mut self, pid: Pid, looked: Looked) {
        if let Some((asked, before)) = &mut self.processes.look
            && *asked == pid
        {
            *before = looked;
        }
    }
}

/// What a process is to the training, in a word; empty for one that has nothing to do with it.
pub const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Trainer => "trainer",
        Role::Worker => "worker",
        Role::Launcher => "launcher",
        Role::Other => "",
    }
}
