//! Which card is `cuda:0` of a process. CUDA and HIP count the cards that a process can see from 0 on,
//! in an order of their own, and its environment narrows them and puts them in another order.
//!
//! | what | as told by |
//! |---|---|
//! | `CUDA_VISIBLE_DEVICES`: numbers or identities; the list ends at its first wrong entry | CUDA programming guide, environment variables |
//! | `CUDA_DEVICE_ORDER`: by speed, and beyond the fastest in no order that is told; `PCI_BUS_ID` | the same |
//! | `ROCR_VISIBLE_DEVICES`, and within what it leaves `HIP_VISIBLE_DEVICES`, else `CUDA_VISIBLE_DEVICES` | ROCm documentation, GPU isolation techniques |
//! | AMD's cards: in the order of the compute driver's nodes, which is that of the bus | taken to be so |
//!
//! The environment is that of the start: a program may have changed it since, before it opened the
//! first card. What the driver says that a process holds stands over it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::inventory::{GpuInfo, Maker};
use crate::model::sample::{GpuProcKind, GpuProcSample, IndexSource};
use crate::model::{Gap, GpuId, Pid, Reading};

/// Entries of a list that are looked at.
pub(super) const MOST: usize = 256;
/// What Slurm says it gave, the step before the job.
pub(super) const BY_SLURM_GIVEN: [&str; 2] = ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"];

const BY_SPEED: &str =
    "CUDA numbers unlike cards by their speed, unless CUDA_DEVICE_ORDER is PCI_BUS_ID";
const IN_PARTS: &str = "a card that is cut into parts is counted by its parts";
const UNSEEN: &str = "what its container has of GPUs cannot be told";
const BY_ORDINAL: &str = "GPU_DEVICE_ORDINAL may narrow them too";
const BY_SLURM: &str = "its numbers may be those within the job or those of the box";

/// The device files of GPUs that a process can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Devices {
    /// Those that mltop sees.
    Ours,
    /// Others: the numbers of NVIDIA's, and of the render nodes that AMD's have.
    These { nvidia: BTreeSet<u32>, render: BTreeSet<u32> },
    /// It was not read, or may not be.
    #[default]
    Unknown,
}

/// What is known of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) env: &'a Reading<BTreeMap<&'static str, Box<str>>>,
    pub(super) devices: &'a Devices,
}

impl<'a> Told<'a> {
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        self.env.as_ref().ok()?.get(name).map(|value| &**value)
    }

    /// Whose cards it uses, where a box has those of several makers.
    pub(super) fn maker(&self, gpus: &[Arc<GpuInfo>]) -> Option<Maker> {
        let has = |maker| gpus.iter().any(|info| info.maker() == maker);
        let hip = ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"];
        if has(Maker::Amd) && hip.iter().any(|name| self.variable(name).is_some()) {
            return Some(Maker::Amd);
        }
        [Maker::Nvidia, Maker::Amd].into_iter().find(|maker| has(*maker))
    }

    /// The lists that narrow the cards of a maker, in the order in which they do.
    fn lists(&self, maker: Maker) -> Vec<(&'static str, &'a str)> {
        let of = |name: &'static str| self.variable(name).map(|list| (name, list));
        let cuda = of("CUDA_VISIBLE_DEVICES");
        if maker == Maker::Nvidia {
            return cuda.into_iter().collect();
        }
        // HIP takes an empty list of its own for none at all.
        let hip = of("HIP_VISIBLE_DEVICES").filter(|(_, list)| !list.is_empty()).or(cuda);
        of("ROCR_VISIBLE_DEVICES").into_iter().chain(hip).collect()
    }
}

/// The cards of a process as it counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The card or MIG instance behind 0, 1 and so on.
    pub(super) gpus: Vec<GpuId>,
    /// The variable that narrows them last; empty where none does.
    pub(super) by: &'static str,
    /// Whether the runtime is only taken to keep the order of the bus.
    pub(super) inferred: bool,
    /// Why it may be others; empty where nothing is in doubt.
    pub(super) doubt: &'static str,
}

/// How a process counts the cards of a maker; `None` where its environment may not be read, and for
/// Intel's, which have other variables.
pub(super) fn order(told: &Told<'_>, maker: Maker, gpus: &[Arc<GpuInfo>]) -> Option<Order> {
    if maker == Maker::Intel || !told.env.is() {
        return None;
    }
    let mut order = base(told, maker, gpus);
    for (name, list) in told.lists(maker) {
        order = narrowed(&order, told, (name, list), maker, gpus);
    }
    Some(order)
}

impl Order {
    /// The index by which a process that holds these cards counts one of them, where that is sure.
    pub(super) fn index(&self, gpu: GpuId, held: &BTreeSet<GpuId>) -> Option<(u64, IndexSource)> {
        let seen: BTreeSet<GpuId> = self.gpus.iter().copied().collect();
        // Where only its number is in doubt, the one that it can see is the one that it holds.
        let same = match self.doubt {
            "" => *held == seen,
            doubt => doubt != UNSEEN,
        };
        if self.gpus.len() == 1 && held.len() == 1 && same {
            return held.contains(&gpu).then_some((0, IndexSource::Only));
        }
        // A card that is listed twice, or held and not listed, shows that the list is not what counts.
        let fits = seen.len() == self.gpus.len() && held.is_subset(&seen);
        if !self.doubt.is_empty() || !fits {
            return None;
        }
        let index = self.gpus.iter().position(|of| *of == gpu)?;
        let source = if self.inferred { IndexSource::Inferred } else { IndexSource::Listed };
        Some((index as u64, source))
    }
}

/// Fills in by which index each process counts the GPUs that it holds.
pub(super) fn count<'a>(
    rows: &mut [GpuProcSample],
    gpus: &[Arc<GpuInfo>],
    told: impl Fn(Pid) -> Option<Told<'a>>,
) {
    let maker = |gpu| gpus.iter().find(|info| info.gpu == gpu).map(|info| info.maker());
    let mut held: BTreeMap<(Pid, Maker), BTreeSet<GpuId>> = BTreeMap::new();
    for row in rows.iter() {
        if let Some(maker) = maker(row.gpu) {
            held.entry((row.pid, maker)).or_default().insert(row.gpu);
        }
    }
    for ((pid, maker), cards) in held {
        let told = told(pid);
        let order = told.and_then(|told| order(&told, maker, gpus));
        let why = told.and_then(|told| told.env.gap()).unwrap_or(Gap::Unsupported);
        for row in rows.iter_mut().filter(|row| row.pid == pid && cards.contains(&row.gpu)) {
            // The server of MPS counts for its clients, and graphics are counted otherwise.
            let own = row.kind.ok().is_none_or(|kind| kind == GpuProcKind::Compute);
            let order = order.as_ref().filter(|_| own);
            let index = order.and_then(|order| order.index(row.gpu, &cards));
            let index = Reading::from_option(index, why);
            row.device_index = index.map(|(index, _)| index);
            row.device_index_source = index.map(|(_, source)| source);
        }
    }
}

/// The cards that a process can see before any list, in the order of the bus, which is that of their
/// numbers.
fn base(told: &Told<'_>, maker: Maker, gpus: &[Arc<GpuInfo>]) -> Order {
    let cards = gpus.iter().filter(|info| info.mig.is_none() && info.maker() == maker);
    let all: Vec<GpuId> = cards.map(|info| info.gpu).collect();
    let (own, unseen) = match told.devices {
        Devices::Ours => (all, false),
        Devices::Unknown => (all, true),
        Devices::These { nvidia, render } => {
            let files = if maker == Maker::Nvidia { nvidia } else { render };
            let found = files.iter().map(|minor| by_file(*minor, maker, gpus));
            let found: Option<BTreeSet<GpuId>> = found.collect();
            // Render nodes are those of every maker.
            let strange = maker == Maker::Nvidia && found.is_none();
            let seen = found.unwrap_or_else(|| {
                files.iter().filter_map(|minor| by_file(*minor, maker, gpus)).collect()
            });
            let nothing = seen.is_empty();
            (all.into_iter().filter(|gpu| seen.contains(gpu)).collect(), strange || nothing)
        }
    };
    let (inferred, doubt) = numbering(told, maker, &own, gpus);
    Order { gpus: own, by: "", inferred, doubt: if unseen { UNSEEN } else { doubt } }
}

/// Whether the numbers of cards are sure to be in the order of the bus, and what is in doubt.
fn numbering(
    told: &Told<'_>,
    maker: Maker,
    cards: &[GpuId],
    gpus: &[Arc<GpuInfo>],
) -> (bool, &'static str) {
    let infos = || gpus.iter().filter(|info| cards.contains(&info.gpu));
    let cut = |info: &Arc<GpuInfo>| {
        // So the collector says it of AMD's.
        info.modes.mig == Some(true) || info.name.ends_with(" partitions)")
    };
    let alike = infos().zip(infos().skip(1)).all(|(a, b)| a.name == b.name);
    let by_bus = told.variable("CUDA_DEVICE_ORDER") == Some("PCI_BUS_ID");
    if infos().any(cut) {
        (true, IN_PARTS)
    } else if maker == Maker::Amd && told.variable("GPU_DEVICE_ORDINAL").is_some() {
        (true, BY_ORDINAL)
    } else if cards.len() <= 1 || maker == Maker::Nvidia && by_bus {
        (false, "")
    } else {
        (true, if maker == Maker::Nvidia && !alike { BY_SPEED } else { "" })
    }
}

/// What a list leaves of the cards before it.
fn narrowed(
    before: &Order,
    told: &Told<'_>,
    (by, list): (&'static str, &str),
    maker: Maker,
    infos: &[Arc<GpuInfo>],
) -> Order {
    let words: Vec<&str> = list.split(',').map(str::trim).take(MOST).collect();
    let pick = |cards: &[GpuId]| -> Vec<GpuId> {
        let one = |word: &&str| match word.parse::<usize>() {
            Ok(number) => cards.get(number).copied(),
            Err(_) => by_identity(word, infos),
        };
        words.iter().map_while(one).collect()
    };
    let gpus = pick(&before.gpus);
    if words.iter().all(|word| word.parse::<usize>().is_err()) {
        return Order { gpus, by, inferred: false, doubt: "" };
    }
    let first = before.by.is_empty() && *told.devices == Devices::Ours;
    let job = if first { of_job(told, maker, infos) } else { Vec::new() };
    // Slurm hides the cards of others where it is set up to, and then numbers begin anew.
    let within = pick(&job);
    let both = (
        gpus.len() == words.len() && gpus.iter().all(|gpu| job.contains(gpu)),
        within.len() == words.len(),
    );
    let (gpus, doubt) = match both {
        (true, true) if within != gpus => (gpus, BY_SLURM),
        (false, true) if !job.is_empty() => (within, before.doubt),
        _ => (gpus, before.doubt),
    };
    Order { gpus, by, inferred: before.inferred, doubt }
}

/// The cards that Slurm says it gave, in the order of the bus; none where it says nothing.
fn of_job(told: &Told<'_>, maker: Maker, gpus: &[Arc<GpuInfo>]) -> Vec<GpuId> {
    let list = BY_SLURM_GIVEN.iter().find_map(|name| told.variable(name));
    let cards: BTreeSet<GpuId> = list
        .map(numbers)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|n| by_slurm(n, maker, gpus))
        .collect();
    cards.into_iter().collect()
}

/// The GPU that an identity names: the beginning of one that fits no other, or the older name of a
/// MIG instance.
pub(super) fn by_identity(word: &str, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    if !word.starts_with("GPU-") && !word.starts_with("MIG-") {
        return None;
    }
    if let Some(slice) = by_instance(word, gpus) {
        return Some(slice);
    }
    let mut fit = gpus.iter().filter(|info| info.uuid.starts_with(word));
    match (fit.next(), fit.next()) {
        (Some(info), None) => Some(info.gpu),
        _ => None,
    }
}

/// `MIG-GPU-<identity of the card>/<GPU instance>/<compute instance>`.
fn by_instance(word: &str, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    let mut parts = word.strip_prefix("MIG-")?.split('/');
    let (card, gpu, compute) = (parts.next()?, parts.next()?, parts.next()?);
    let card = gpus.iter().find(|info| &*info.uuid == card)?.gpu;
    let (gpu, compute) = (gpu.parse().ok()?, compute.parse().ok()?);
    let is = |info: &&Arc<GpuInfo>| {
        info.gpu.card() == card
            && info.mig.as_ref().is_some_and(|mig| {
                (mig.gpu_instance, mig.compute_instance) == (Some(gpu), Some(compute))
            })
    };
    gpus.iter().find(is).map(|info| info.gpu)
}

/// The card whose device file has this number; where NVIDIA's numbers are not known, the one of this
/// index.
pub(super) fn by_file(number: u32, maker: Maker, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    let mut cards = gpus.iter().filter(|info| info.mig.is_none() && info.maker() == maker);
    let known = maker == Maker::Amd || cards.clone().any(|info| info.modes.minor.is_some());
    let is = |info: &&Arc<GpuInfo>| {
        if known { info.modes.minor == Some(number) } else { info.gpu == GpuId(number) }
    };
    cards.find(is).map(|info| info.gpu)
}

/// The card that Slurm numbers so: by the device files of NVIDIA's, and in the order of AMD's.
pub(super) fn by_slurm(number: u32, maker: Maker, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    if maker == Maker::Nvidia {
        return by_file(number, maker, gpus);
    }
    let mut cards = gpus.iter().filter(|info| info.mig.is_none() && info.maker() == maker);
    cards.nth(number as usize).map(|info| info.gpu)
}

/// Numbers of a list as Slurm writes it: `0,2,4-7`.
pub(super) fn numbers(list: &str) -> Vec<u32> {
    let mut all = Vec::new();
    for part in list.split(',').take(MOST) {
        let word = part.trim();
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { continue };
        all.extend((first..=last.min(first.saturating_add(MOST as u32))).take(MOST));
    }
    all.truncate(MOST);
    all
}

#[cfg(test)]
#[path = "order_tests.rs"]
pub(super) mod tests;
