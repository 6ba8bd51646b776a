//! STARVED and its causes: what raises each, and what nearly does.

use mltop::model::Finding;

use super::{eight, played};
use crate::scenario::{Load, Scenario};

/// Workers on the CPU, cores left, half the supply that is wanted: STARVED, and TOO-FEW-WORKERS.
pub(crate) fn raises() -> Vec<Finding> {
    played(eight(Load::cpu(0.4)), 40, |scenario| scenario.load_mut(0).service = 1.3)
}

/// The hand-over takes 6 % of the time.
pub(crate) fn misses() -> Vec<Finding> {
    let load = Load { delivery: 0.02, ..Load::cpu(0.8) };
    played(Scenario::new(8, load, 0.3), 300, |_| {})
}

/// Reads take twenty times the least that was seen.
pub(crate) fn disk() -> Vec<Finding> {
    played(eight(Load::disk(0.4)), 40, |scenario| {
        scenario.load_mut(0).service = 1.4;
        scenario.disk = (0.008, 14.0, 30e6);
    })
}

/// As many reads, from a disk that answers as fast as ever.
pub(crate) fn disk_with_room() -> Vec<Finding> {
    played(eight(Load::disk(0.4)), 40, |scenario| scenario.load_mut(0).service = 1.4)
}

/// Files on NFS.
pub(crate) fn remote() -> Vec<Finding> {
    let mut scenario = eight(Load { parts: [0.0, 0.9, 0.0], ..Load::cpu(0.4) });
    let storage = &mut scenario.ranks[0].loaders[0].info.storage[0];
    (storage.disk, storage.remote, storage.filesystem) = (None, true, "nfs4".into());
    played(scenario, 40, |scenario| scenario.load_mut(0).service = 1.6)
}

/// The same wait, for a local disk with room.
pub(crate) fn local() -> Vec<Finding> {
    let scenario = eight(Load { parts: [0.9, 0.0, 0.0], ..Load::cpu(0.4) });
    played(scenario, 40, |scenario| scenario.load_mut(0).service = 1.6)
}

/// Eight busy workers on nine cores.
pub(crate) fn full_box() -> Vec<Finding> {
    played(eight(Load::cpu(0.4)), 40, |scenario| {
        scenario.load_mut(0).service = 1.3;
        scenario.cpus = 9.0;
    })
}

/// Eight busy workers on fourteen cores.
pub(crate) fn free_cores() -> Vec<Finding> {
    played(eight(Load::cpu(0.4)), 40, |scenario| {
        scenario.load_mut(0).service = 1.3;
        scenario.cpus = 14.0;
    })
}

/// One batch in ten takes ten times as long.
pub(crate) fn tail() -> Vec<Finding> {
    played(eight(Load::cpu(0.3)), 40, |scenario| scenario.load_mut(0).tail = true)
}

/// The same tail of batches that are quick enough for it.
pub(crate) fn short_tail() -> Vec<Finding> {
    played(eight(Load::cpu(0.05)), 300, |scenario| scenario.load_mut(0).tail = true)
}

/// Batches are ready, and handing one over takes longer than a step.
pub(crate) fn delivery() -> Vec<Finding> {
    played(eight(Load::cpu(0.4)), 40, |scenario| scenario.load_mut(0).delivery = 0.12)
}

/// Handing one over takes a twentieth of it.
pub(crate) fn quick_delivery() -> Vec<Finding> {
    let scenario = Scenario::new(8, Load::cpu(0.4), 0.2);
    played(scenario, 300, |scenario| scenario.load_mut(0).delivery = 0.01)
}

/// Half of a batch's time is reading, half of it is decoding.
pub(crate) fn half_and_half() -> Vec<Finding> {
    let scenario = eight(Load { parts: [0.5, 0.0, 0.0], ..Load::cpu(0.4) });
    played(scenario, 40, |scenario| scenario.load_mut(0).service = 1.4)
}

/// Workers wait for something that is no disk, no network and no CPU.
pub(crate) fn lock() -> Vec<Finding> {
    let scenario = eight(Load { parts: [0.0, 0.0, 0.95], ..Load::cpu(0.4) });
    played(scenario, 40, |scenario| scenario.load_mut(0).service = 1.4)
}
