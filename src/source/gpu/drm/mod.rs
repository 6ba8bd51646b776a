//! The collector of cards that the kernel alone tells of: AMD's by amdgpu, Intel's by xe and i915.
//!
//! No library is linked. All is read from small files, each in a thread of its card, in a process that
//! mltop can leave behind as any other collector: a driver in trouble can hold a read for ever. A card
//! that the kernel put to sleep is left asleep, because most of these files wake it.

mod amd;
mod card;
mod census;
mod clients;
mod engines;
mod fdinfo;
mod intel;
mod load;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::collector::Out;
use super::wire::{self, Line, MOST_PROCS, PROTOCOL};
use crate::model::inventory::GpuInfo;
use crate::model::sample::{GpuSample, UsageSource};
use crate::model::{Gap, GpuId, Reading};
use crate::source::grid::Grid;
use crate::source::root::Roots;
pub(super) use card::present;
use card::{Card, State, Trouble, Watched};
use census::Census;

/// The variable that names a folder with `sys` and `proc` in it, to be read in place of the machine.
pub(super) const ROOT: &str = "MLTOP_GPU_ROOT";
/// How often a card that was not there before is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often who a card is, is read anew.
const RARE: Duration = Duration::from_secs(30);
/// How often processes are read.
const SLOW: Duration = Duration::from_secs(3);
/// Looks at a figure of a moment between two rows.
const LOOKS: u32 = 10;
/// Closest spacing of such looks.
const CLOSEST: Duration = Duration::from_millis(50);

/// Whether processes on the cards of a driver of this name are found by looking through them all.
pub(super) fn by_clients(driver: &str) -> bool {
    [card::Driver::Xe, card::Driver::I915].iter().any(|one| one.name() == driver)
}

/// Where the machine is, for mltop and its collector alike.
pub(super) fn roots(root: Option<PathBuf>) -> Roots {
    root.map_or_else(Roots::default, Roots::below)
}

/// Watches every card for ever. Returns only where there is none.
pub(super) fn start(out: &Arc<Out>, reads: Grid) {
    let roots = roots(std::env::var_os(ROOT).map(PathBuf::from));
    let census = Census::new(&roots.proc, reads.interval());
    let first = card::first_index(&roots.sys);
    let mut known: Vec<Card> = Vec::new();
    let mut said = false;
    loop {
        let cards = card::discover(&roots.sys);
        if cards.is_empty() && known.is_empty() {
            out.give_up(true, "no AMD or Intel GPU", "");
        }
        if !said {
            let gpus = cards.len() as u32;
            out.say(&Line::Hello { protocol: PROTOCOL, first, gpus });
            said = true;
        }
        for card in cards {
            let index = first + known.len() as u32;
            if index >= GpuId::CARDS || known.iter().any(|before| before.pci == card.pci) {
                continue;
            }
            let watched = card.watched(&roots, &census);
            known.push(card.clone());
            let out = Arc::clone(out);
            let started = thread::Builder::new()
                .name(format!("gpu{index}"))
                .spawn(move || Reader::new(index, card, watched, reads).run(&out));
            if started.is_err() {
                super::collector::leave();
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The thread of one card.
struct Reader {
    index: u32,
    card: Card,
    watched: Box<dyn Watched>,
    reads: Grid,
    info: Option<GpuInfo>,
    rare: Instant,
    slow: Instant,
}

impl Reader {
    fn new(index: u32, card: Card, watched: Box<dyn Watched>, reads: Grid) -> Self {
        let now = Instant::now();
        Self { index, card, watched, reads, info: None, rare: now, slow: now }
    }

    fn run(&mut self, out: &Out) {
        // Nobody tells errors of these cards as they come.
        out.say(&Line::Watched { gpu: self.index, told: false });
        self.name(self.card.plain_info(), out);
        loop {
            let begun = Instant::now();
            let row = self.look(begun, out);
            self.say(row, out);
            let until = self.reads.next(Instant::now());
            let apart = (self.reads.interval() / LOOKS).max(CLOSEST);
            loop {
                let left = until.saturating_duration_since(Instant::now());
                if left <= apart {
                    thread::sleep(left);
                    break;
                }
                thread::sleep(apart);
                if self.watched.wants_looks() && self.card.state() == State::Awake {
                    self.watched.look();
                }
            }
        }
    }

    /// The figures of this moment, or why there are none.
    fn look(&mut self, now: Instant, out: &Out) -> Result<GpuSample, Trouble> {
        self.awake(out)?;
        let row = match self.watched.sample(now) {
            Ok(row) => row,
            // A read of a card that fell asleep meanwhile is refused as one in a reset is.
            Err(trouble) => return Err(self.awake(out).err().unwrap_or(trouble)),
        };
        if now >= self.rare {
            self.rare = now + RARE;
            let info = self.watched.info(self.card.plain_info());
            self.name(info, out);
        }
        if now >= self.slow {
            self.slow = now + SLOW;
            if let Some(held) = self.watched.held(now) {
                self.held(held, out);
            }
        }
        Ok(row)
    }

    /// Why it cannot be asked; nobody holds it then.
    fn awake(&mut self, out: &Out) -> Result<(), Trouble> {
        match self.card.state() {
            State::Awake => Ok(()),
            State::Asleep => {
                self.held(Vec::new(), out);
                Err(Trouble::asleep())
            }
            State::Gone => {
                self.held(Vec::new(), out);
                self.watched.forget();
                Err(Trouble::gone())
            }
        }
    }

    fn name(&mut self, mut info: GpuInfo, out: &Out) {
        info.gpu = GpuId(self.index);
        if self.info.as_ref() != Some(&info) {
            out.say(&Line::Info { info: info.clone() });
            self.info = Some(info);
        }
    }

    fn held(&self, mut held: Vec<wire::Held>, out: &Out) {
        held.truncate(MOST_PROCS);
        out.say(&Line::Procs { gpu: self.index, held });
    }

    fn say(&self, row: Result<GpuSample, Trouble>, out: &Out) {
        let (row, trouble) = match row {
            Ok(row) => (row, String::new()),
            Err(trouble) => (GpuSample::blank(GpuId(self.index), trouble.gap), trouble.words),
        };
        out.say(&Line::Row {
            gpu: self.index,
            t: out.micros(Instant::now()),
            cells: wire::cells(&row),
            trouble,
        });
    }
}

/// A row in which every figure is missing because these drivers do not have it, to be filled.
fn empty_row() -> GpuSample {
    GpuSample {
        usage_source: Reading::Is(UsageSource::Driver),
        ..GpuSample::blank(GpuId(0), Gap::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use card::Driver;

    /// A card that the kernel suspends while it is read: newer kernels refuse the read then.
    struct Drowsy(PathBuf);

    impl Watched for Drowsy {
        fn info(&mut self, plain: GpuInfo) -> GpuInfo {
            plain
        }

        fn sample(&mut self, _now: Instant) -> Result<GpuSample, Trouble> {
            fs::write(&self.0, "suspended\n").unwrap();
            Err(Trouble::reset())
        }

        fn held(&mut self, _now: Instant) -> Option<Vec<wire::Held>> {
            None
        }
    }

    #[test]
    fn a_card_that_falls_asleep_while_it_is_read_is_not_said_to_be_reset() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("0000:03:00.0");
        fs::create_dir_all(folder.join("power")).unwrap();
        fs::create_dir(root.path().join("amdgpu")).unwrap();
        symlink(root.path().join("amdgpu"), folder.join("driver")).unwrap();
        let status = folder.join("power/runtime_status");
        fs::write(&status, "active\n").unwrap();
        let card = Card {
            folder,
            pci: "0000:03:00.0".into(),
            vendor: 0x1002,
            device: 0x744c,
            revision: 0,
            driver: Driver::Amdgpu,
        };
        let watched = Box::new(Drowsy(status));
        let mut reader = Reader::new(0, card, watched, Grid::from_now(Duration::from_secs(1)));
        let out = Out::to(tempfile::tempfile().unwrap());
        assert_eq!(reader.look(Instant::now(), &out), Err(Trouble::asleep()));
    }
}
