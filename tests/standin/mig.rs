//! MIG: instances of a GPU as devices of their own.

use crate::abi::{
    Attributes, Dev, INVALID, InstanceProfile, InstanceProfileV2, NOT_FOUND, NOT_SUPPORTED,
    VERSION_MISMATCH, version,
};
use crate::figure::Figure;
use crate::world::{self, View};
use crate::{device_call, give, letters};

/// One instance.
#[derive(Clone)]
pub struct Instance {
    /// As `3g.40gb`.
    pub profile: String,
    pub id: u32,
    pub compute: u32,
    pub multiprocessors: u32,
    pub memory_mb: u64,
    pub slices: u32,
    /// Its own load.
    pub sets: Vec<(Figure, f64)>,
}

/// The instances that a list of profiles names, by slot.
pub fn layout(words: &str, profiles: &[(&str, u32, u64)]) -> Vec<Option<Instance>> {
    // As the driver numbers them: whole, halves, quarters, eighths.
    let mut next = [0, 1, 3, 7];
    let make = |word: &str| {
        let (name, multiprocessors, memory_mb) =
            *profiles.iter().find(|profile| profile.0 == word)?;
        let slices: u32 = word.split('g').next()?.parse().ok()?;
        let size = match slices {
            7.. => 0,
            3..7 => 1,
            2 => 2,
            _ => 3,
        };
        let id = next[size];
        next[size] += 1;
        Some(Instance {
            profile: name.to_owned(),
            id,
            compute: 0,
            multiprocessors,
            memory_mb,
            slices,
            sets: Vec::new(),
        })
    };
    words.split(',').filter(|word| !word.is_empty()).map(make).collect()
}

/// What an instance is, or the whole card.
fn attributes(view: &View) -> Attributes {
    let Some(instance) = &view.instance else {
        return Attributes {
            multiprocessors: view.whole(Figure::Sms),
            engines: [3, 7, 0, 7, 1],
            gpu_slices: 7,
            compute_slices: 7,
            memory_mb: (view.get(Figure::MemTotal) / 1_048_576.0) as u64,
        };
    };
    Attributes {
        multiprocessors: instance.multiprocessors,
        engines: [1, u32::from(instance.slices > 2), 0, 0, 0],
        gpu_slices: instance.slices,
        compute_slices: instance.slices,
        memory_mb: instance.memory_mb,
    }
}

/// A profile by its number in nvml.h: 0 for one slice, 1 for two, 2 for three, 3 for four, 4 for seven.
fn profile(view: &View, number: u32) -> Option<(&'static str, InstanceProfile)> {
    let slices = *[1, 2, 3, 4, 7].get(number as usize)?;
    let of = |word: &str| word.split('g').next().and_then(|count| count.parse::<u32>().ok());
    let found = view.gpu.model?.profiles.iter().find(|profile| of(profile.0) == Some(slices))?;
    let info = InstanceProfile {
        id: number,
        p2p: 0,
        slices,
        instances: 7 / slices,
        multiprocessors: found.1,
        engines: [1, 0, 0, 0, 0],
        memory_mb: found.2,
    };
    Some((found.0, info))
}

device_call! {
    nvmlDeviceGetMigMode(now: *mut u32, pending: *mut u32) |view| {
        if view.get(Figure::MigMost) <= 0.0 {
            return NOT_SUPPORTED;
        }
        let on = u32::from(view.gpu.mig_mode);
        give(now, on);
        give(pending, on)
    };
    nvmlDeviceGetMaxMigDeviceCount(out: *mut u32) |view| give(out, view.whole(Figure::MigMost));
    nvmlDeviceGetMigDeviceHandleByIndex(slot: u32, out: *mut Dev) |view| {
        if view.instance.is_some() || view.get(Figure::MigMost) <= 0.0 {
            return NOT_SUPPORTED;
        }
        if f64::from(slot) >= view.get(Figure::MigMost) {
            return INVALID;
        }
        match view.gpu.mig.get(slot as usize) {
            Some(Some(_)) => give(out, world::handle_of(view.index, Some(slot))),
            _ => NOT_FOUND,
        }
    };
    nvmlDeviceGetGpuInstanceProfileInfo(number: u32, out: *mut InstanceProfile) |view| {
        match profile(view, number) {
            Some((_, profile)) => give(out, profile),
            None => NOT_SUPPORTED,
        }
    };
    nvmlDeviceGetGpuInstanceProfileInfoV(number: u32, out: *mut InstanceProfileV2) |view| {
        if out.is_null() || (*out).version != version::<InstanceProfileV2>(2) {
            return VERSION_MISMATCH;
        }
        let Some((name, profile)) = profile(view, number) else { return NOT_SUPPORTED };
        let (version, name) = ((*out).version, letters(&format!("MIG {name}")));
        give(out, InstanceProfileV2 {
            version,
            id: profile.id,
            p2p: profile.p2p,
            slices: profile.slices,
            instances: profile.instances,
            multiprocessors: profile.multiprocessors,
            engines: profile.engines,
            memory_mb: profile.memory_mb,
            name,
        })
    };
}

// Calls on an instance, or on either.
crate::any_device_call! {
    nvmlDeviceGetAttributes_v2(out: *mut Attributes) |view| {
        if view.get(Figure::NoAttributes) > 0.0 { NOT_SUPPORTED } else { give(out, attributes(view)) }
    };
    nvmlDeviceIsMigDeviceHandle(out: *mut u32) |view| give(out, u32::from(view.instance.is_some()));
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle(out: *mut Dev) |view| {
        match view.instance {
            Some(_) => give(out, world::handle_of(view.index, None)),
            None => INVALID,
        }
    };
    nvmlDeviceGetGpuInstanceId(out: *mut u32) |view| {
        match &view.instance {
            Some(instance) => give(out, instance.id),
            None => NOT_SUPPORTED,
        }
    };
    nvmlDeviceGetComputeInstanceId(out: *mut u32) |view| {
        match &view.instance {
            Some(instance) => give(out, instance.compute),
            None => NOT_SUPPORTED,
        }
    };
}

/// The part of an instance's total memory that is in use, and the total.
pub fn memory(view: &View, instance: &Instance) -> (u64, u64) {
    let set = instance.sets.iter().rev().find(|set| set.0 == Figure::MemUsed);
    let held: u64 = view
        .gpu
        .procs
        .iter()
        .filter(|held| held.instance == instance.id && held.memory != u64::MAX)
        .map(|held| held.memory)
        .sum();
    (instance.memory_mb << 20, set.map_or(held, |set| set.1 as u64))
}
