//! Which GPUs a job was given, as the environment of its trainers and the devices of its container
//! tell. What it works on is another matter: the driver's list of processes tells that.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::order::{
    BY_SLURM_GIVEN, Devices, MOST, Told, by_file, by_identity, by_slurm, numbers, order,
};
use crate::model::GpuId;
use crate::model::inventory::{GivenGpus, GpuInfo, Maker};

/// Variables that say which GPUs a process may use.
pub(super) const VARIABLES: &[&str] = &[
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
];

/// The GPUs of a job, from the strongest word that there is. `None` where nothing limits it.
pub(super) fn given(trainers: &[Told<'_>], gpus: &[Arc<GpuInfo>]) -> Option<GivenGpus> {
    let maker = trainers.iter().find_map(|told| told.maker(gpus))?;
    for name in BY_SLURM_GIVEN {
        // The same for all ranks of a node, and numbered as the node numbers its cards.
        let list = trainers.iter().find_map(|told| told.variable(name));
        let cards =
            list.map(|list| numbers(list).into_iter().filter_map(|n| by_slurm(n, maker, gpus)));
        if let Some(found) = cards.and_then(|cards| found(cards.collect(), name, "")) {
            return Some(found);
        }
    }
    if let Some(found) = found(of_containers(trainers, maker, gpus), "devices of its container", "")
    {
        return Some(found);
    }
    let listed = trainers.iter().filter_map(|told| told.variable("NVIDIA_VISIBLE_DEVICES"));
    let words = listed.flat_map(|list| list.split(',').take(MOST)).collect::<Vec<_>>();
    let cards = words.iter().filter_map(|word| by_runtime(word, gpus)).collect();
    if let Some(found) = found(cards, "NVIDIA_VISIBLE_DEVICES", "") {
        return Some(found);
    }
    let (mut seen, mut doubts, mut by) = (BTreeSet::new(), BTreeSet::new(), "");
    for told in trainers {
        let order = order(told, maker, gpus).filter(|order| !order.by.is_empty())?;
        seen.extend(order.gpus);
        doubts.extend(Some(order.doubt).filter(|doubt| !doubt.is_empty()));
        by = order.by;
    }
    found(seen, by, doubts.first().copied().unwrap_or_default())
}

fn found(gpus: BTreeSet<GpuId>, by: &str, doubt: &str) -> Option<GivenGpus> {
    let gpus: Vec<GpuId> = gpus.into_iter().collect();
    (!gpus.is_empty()).then(|| GivenGpus { gpus, by: by.into(), doubt: doubt.into() })
}

/// The cards whose device files the trainers' containers have.
fn of_containers(trainers: &[Told<'_>], maker: Maker, gpus: &[Arc<GpuInfo>]) -> BTreeSet<GpuId> {
    let files = trainers.iter().filter_map(|told| match (told.devices, maker) {
        (Devices::These { nvidia, .. }, Maker::Nvidia) => Some(nvidia),
        (Devices::These { render, .. }, Maker::Amd) => Some(render),
        _ => None,
    });
    files.flatten().filter_map(|number| by_file(*number, maker, gpus)).collect()
}

/// The GPU that a container runtime is asked for: by NVIDIA's own number, by an identity, or a MIG
/// instance by its card and its own index.
fn by_runtime(word: &str, gpus: &[Arc<GpuInfo>]) -> Option<GpuId> {
    let word = word.trim();
    let of_nvidia =
        |gpu: GpuId| gpus.iter().any(|info| info.gpu == gpu && info.maker() == Maker::Nvidia);
    if let Ok(number) = word.parse::<u32>() {
        return Some(GpuId(number)).filter(|gpu| number < GpuId::CARDS && of_nvidia(*gpu));
    }
    if let Some((card, index)) = word.split_once(':') {
        let slice = GpuId(card.parse().ok()?).slice(index.parse().ok()?);
        return slice.filter(|gpu| of_nvidia(*gpu));
    }
    by_identity(word, gpus)
}

/// The device files of GPUs in a `dev` folder. May block.
pub(super) fn device_files(dev: &Path) -> Devices {
    let numbers = |folder: &Path, prefix: &str| -> BTreeSet<u32> {
        let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
        let names =
            entries.take(4096).flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect()
    };
    let (nvidia, render) = (numbers(dev, "nvidia"), numbers(&dev.join("dri"), "renderD"));
    if nvidia.is_empty() && render.is_empty() {
        return Devices::Unknown;
    }
    Devices::These { nvidia, render }
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{Env, cards, env};
    use super::*;
    use crate::model::{Gap, Reading};
    use proptest::prelude::*;

    fn of(envs: &[Env]) -> Option<GivenGpus> {
        let told: Vec<Told<'_>> =
            envs.iter().map(|env| Told { env, devices: &Devices::Ours }).collect();
        given(&told, &cards())
    }

    fn ids(given: Option<GivenGpus>) -> Vec<u32> {
        given.map(|given| given.gpus.iter().map(|gpu| gpu.0).collect()).unwrap_or_default()
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
        let runtime = env(&[("NVIDIA_VISIBLE_DEVICES", "MIG-GPU-33-a/7/0,3:1")]);
        assert_eq!(ids(of(&[runtime])), [0, 1].map(|at| GpuId(3).slice(at).unwrap().0));
        let devices = Devices::These { nvidia: [0, 1].into(), render: [128].into() };
        let told = Told { env: &pod, devices: &devices };
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
            given(&[Told { env: &env, devices: &Devices::Ours }], &cards).unwrap().doubt
        };
        assert!(doubt(&[("CUDA_VISIBLE_DEVICES", "0")]).contains("by their speed"));
        let by_bus = [("CUDA_VISIBLE_DEVICES", "0"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")];
        assert_eq!(&*doubt(&by_bus), "");
        assert_eq!(&*doubt(&[("CUDA_VISIBLE_DEVICES", "GPU-00")]), "");
    }

    proptest! {
        #[test]
        fn any_list_is_read(list in "[-0-9,:/GPUMIG. ]{0,60}") {
            let all = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"];
            let _ = (numbers(&list), all.map(|name| of(&[env(&[(name, &list)])])));
        }
    }
}
