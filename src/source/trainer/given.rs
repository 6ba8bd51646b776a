//! Which GPUs a job was given, as the environment of its trainers and the devices of its container
//! tell. What it works on is another matter: the driver's list of processes tells that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::model::inventory::{GivenGpus, GpuInfo};
use crate::model::{GpuId, Reading};

/// Variables that say which GPUs a process may use.
pub(super) const VARIABLES: &[&str] = &[
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
];

/// Entries of a list that are looked at.
const MOST: usize = 256;

/// What is known of one trainer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) env: &'a Reading<BTreeMap<&'static str, Box<str>>>,
    /// Numbers of the device files that it sees, where it sees other ones than mltop does.
    pub(super) devices: Option<&'a BTreeSet<u32>>,
}

impl Told<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.env.as_ref().ok()?.get(name).map(|value| &**value)
    }
}

/// The GPUs of a job, from the strongest word that there is. `None` where nothing limits it.
pub(super) fn given(trainers: &[Told<'_>], gpus: &[Arc<GpuInfo>]) -> Option<GivenGpus> {
    for name in ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"] {
        // The same for all ranks of a node, and numbered as the node numbers its cards.
        let list = trainers.iter().find_map(|told| told.variable(name));
        let cards = list.map(|list| numbers(list).into_iter().filter_map(|n| by_minor(n, gpus)));
        if let Some(found) = cards.and_then(|cards| found(cards.collect(), name, "")) {
            return Some(found);
        }
    }
    let containers = trainers.iter().filter_map(|told| told.devices);
    let minors: BTreeSet<u32> = containers.flatten().copied().collect();
    let cards = minors.iter().filter_map(|minor| by_minor(*minor, gpus)).collect();
    if let Some(found) = found(cards, "devices of its container", "") {
        return Some(found);
    }
    let listed = trainers.iter().filter_map(|told| told.variable("NVIDIA_VISIBLE_DEVICES"));
    let words = listed.flat_map(|list| list.split(',').take(MOST)).collect::<Vec<_>>();
    let cards = words.iter().filter_map(|word| by_word(word, gpus)).collect();
    if let Some(found) = found(cards, "NVIDIA_VISIBLE_DEVICES", "") {
        return Some(found);
    }
    let mut seen = BTreeSet::new();
    let mut doubts = BTreeSet::new();
    for told in trainers {
        let list = told.variable("CUDA_VISIBLE_DEVICES")?;
        seen.extend(visible(list, gpus));
        doubts.extend(doubt(list, told, gpus));
    }
    let doubt = doubts.first().copied().unwrap_or_default();
    found(seen, "CUDA_VISIBLE_DEVICES", doubt)
}

fn found(gpus: BTreeSet<GpuId>, by: &str, doubt: &str) -> Option<GivenGpus> {
    let gpus: Vec<GpuId> = gpus.into_iter().collect();
    (!gpus.is_empty()).then(|| GivenGpus { gpus, by: by.into(), doubt: doubt.into() })
}

/// The GPUs of a `CUDA_VISIBLE_DEVICES` list: numbers, or beginnings of identities that fit one GPU.
/// It ends at its first entry that names none.
pub(super) fn visible(list: &str, gpus: &[Arc<GpuInfo>]) -> Vec<GpuId> {
    list.split(',').take(MOST).map_while(|word| by_word(word, gpus)).collect()
}

/// Why the numbers of a list may be other cards.
fn doubt(list: &str, told: &Told<'_>, gpus: &[Arc<GpuInfo>]) -> Option<&'static str> {
    let numbered = list.split(',').any(|word| word.trim().parse::<u32>().is_ok());
    let cards = || gpus.iter().filter(|info| info.mig.is_none());
    let alike = cards().zip(cards().skip(1)).all(|(a, b)| a.name == b.name);
    let by_bus = told.variable("CUDA_DEVICE_ORDER") == Some("PCI_BUS_ID");
    (numbered && !alike && !by_bus).then_some(
        "CUDA numbers unlike cards by their speed, unless CUDA_DEVICE_ORDER is PCI_BUS_ID",
    )
}

fn by_word(word: &str, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    let word = word.trim();
    if let Ok(number) = word.parse::<u32>() {
        return gpus
            .iter()
            .map(|info| info.gpu)
            .find(|gpu| gpu.0 == number && number < GpuId::CARDS);
    }
    // Container runtimes name a MIG instance by its card and its own index.
    if let Some((card, index)) = word.split_once(':') {
        let slice = GpuId(card.parse().ok()?).slice(index.parse().ok()?)?;
        return gpus.iter().map(|info| info.gpu).find(|gpu| *gpu == slice);
    }
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

/// The older name of a MIG instance: `MIG-GPU-<identity of the card>/<GPU instance>/<compute instance>`.
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

/// The card whose device file has this number; where numbers are not known, the one of this index.
fn by_minor(minor: u32, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    let mut cards = gpus.iter().filter(|info| info.mig.is_none());
    let known = cards.clone().any(|info| info.modes.minor.is_some());
    let card =
        cards.find(
            |info| {
                if known { info.modes.minor == Some(minor) } else { info.gpu == GpuId(minor) }
            },
        );
    card.map(|info| info.gpu)
}

/// Numbers of a list as Slurm writes it: `0,2,4-7`.
fn numbers(list: &str) -> Vec<u32> {
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

/// Numbers of NVIDIA's device files in a `dev` folder. May block.
pub(super) fn device_files(dev: &Path) -> Option<BTreeSet<u32>> {
    let entries = fs::read_dir(dev).ok()?;
    let names =
        entries.take(4096).flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Some(names.filter_map(|name| name.strip_prefix("nvidia")?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Gap;
    use crate::model::inventory::{GpuModes, MigInfo};
    use proptest::prelude::*;

    type Env = Reading<BTreeMap<&'static str, Box<str>>>;

    /// Four cards whose files are numbered the other way round, the last cut into two instances.
    fn cards() -> Vec<Arc<GpuInfo>> {
        let card = |at: u32| GpuInfo {
            gpu: GpuId(at),
            uuid: format!("GPU-{at}{at}-a").into(),
            name: "H100".into(),
            modes: GpuModes { minor: Some(3 - at), ..GpuModes::default() },
            ..GpuInfo::default()
        };
        let slice = |at: u32| GpuInfo {
            gpu: GpuId(3).slice(at).unwrap(),
            uuid: format!("MIG-{at}").into(),
            mig: Some(MigInfo {
                gpu_instance: Some(7 + at),
                compute_instance: Some(0),
                ..MigInfo::default()
            }),
            ..GpuInfo::default()
        };
        (0..4).map(card).chain((0..2).map(slice)).map(Arc::new).collect()
    }

    fn env(variables: &[(&'static str, &str)]) -> Env {
        Reading::Is(variables.iter().map(|(name, value)| (*name, (*value).into())).collect())
    }

    fn of(envs: &[Env]) -> Option<GivenGpus> {
        let told: Vec<Told<'_>> = envs.iter().map(|env| Told { env, devices: None }).collect();
        given(&told, &cards())
    }

    fn ids(given: Option<GivenGpus>) -> Vec<u32> {
        given.map(|given| given.gpus.iter().map(|gpu| gpu.0).collect()).unwrap_or_default()
    }

    #[test]
    fn a_list_ends_at_its_first_entry_that_names_no_gpu() {
        let seen = |list| visible(list, &cards()).iter().map(|gpu| gpu.0).collect::<Vec<_>>();
        assert_eq!(seen("0,2,-1,1"), [0, 2]);
        assert_eq!(seen("GPU-22, GPU-00-a"), [2, 0]);
        assert_eq!(seen("GPU-,1"), [0_u32; 0], "that fits several");
        assert_eq!(seen(""), [0_u32; 0]);
        let (first, second) = (GpuId(3).slice(0).unwrap().0, GpuId(3).slice(1).unwrap().0);
        assert_eq!(seen("MIG-1,MIG-GPU-33-a/7/0,3:1"), [second, first, second]);
    }

    #[test]
    fn ranks_that_see_one_card_each_were_given_all_of_these() {
        let ranks = [env(&[("CUDA_VISIBLE_DEVICES", "0")]), env(&[("CUDA_VISIBLE_DEVICES", "2")])];
        let given = of(&ranks).unwrap();
        assert_eq!((&*given.by, &*given.doubt), ("CUDA_VISIBLE_DEVICES", ""));
        assert_eq!(ids(Some(given)), [0, 2]);
        // One of them sees all: nothing limits the job.
        assert_eq!(of(&[ranks[0].clone(), env(&[])]), None);
        assert_eq!(of(&[Reading::Not(Gap::Denied)]), None);
    }

    #[test]
    fn what_slurm_gave_is_not_what_cuda_numbers_within_it() {
        let job = env(&[("SLURM_JOB_GPUS", "0,2-3"), ("CUDA_VISIBLE_DEVICES", "0,1,2")]);
        let given = of(&[job]).unwrap();
        assert_eq!(&*given.by, "SLURM_JOB_GPUS");
        // Slurm numbers by device files.
        assert_eq!(ids(Some(given)), [0, 1, 3]);
    }

    #[test]
    fn a_pod_is_given_what_its_container_has() {
        let pod = env(&[("NVIDIA_VISIBLE_DEVICES", "GPU-11-a,GPU-33-a")]);
        assert_eq!(ids(of(std::slice::from_ref(&pod))), [1, 3]);
        assert_eq!(ids(of(&[env(&[("NVIDIA_VISIBLE_DEVICES", "all")])])), [0_u32; 0]);
        let devices = BTreeSet::from([0, 1]);
        let told = Told { env: &pod, devices: Some(&devices) };
        let given = given(&[told], &cards()).unwrap();
        assert_eq!(&*given.by, "devices of its container");
        assert_eq!(ids(Some(given)), [2, 3]);
    }

    #[test]
    fn numbers_of_unlike_cards_are_doubted() {
        let mut cards = cards();
        cards[1] = Arc::new(GpuInfo { name: "T4".into(), ..GpuInfo::clone(&cards[1]) });
        let doubt = |variables: &[(&'static str, &str)]| {
            let env = env(variables);
            given(&[Told { env: &env, devices: None }], &cards).unwrap().doubt
        };
        assert!(doubt(&[("CUDA_VISIBLE_DEVICES", "0")]).contains("by their speed"));
        let by_bus = [("CUDA_VISIBLE_DEVICES", "0"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")];
        assert_eq!(&*doubt(&by_bus), "");
        assert_eq!(&*doubt(&[("CUDA_VISIBLE_DEVICES", "GPU-00")]), "");
    }

    proptest! {
        #[test]
        fn any_list_is_read(list in "[-0-9,:/GPUMIG. ]{0,60}") {
            let _ = (visible(&list, &cards()), numbers(&list));
        }
    }
}
