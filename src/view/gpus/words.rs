//! What there is to say of the chosen GPU: its health, its MIG layout, the job's other GPUs, how it
//! is set up, how its figures are known.

use std::collections::BTreeSet;

use crate::fmt;
use crate::model::inventory::{GpuInfo, RunInfo};
use crate::model::sample::{Bound, GpuProcKind, GpuSample, UsageSource};
use crate::model::{Frame, Gap, GpuId, Reading};
use crate::view::focus::Look;
use crate::view::gpu_lanes::no_gpu;
use crate::view::lane::gpu_list;
use crate::view::text::safe;
use crate::view::told::Told;

use super::card::{Card, users};
use super::health;

/// What is to be said, the most wanted first.
pub(super) fn words(look: &Look<'_>, gpu: Option<GpuId>) -> Vec<Told> {
    let Some(gpu) = gpu else {
        return vec![Told { head: "", text: nothing(look) }];
    };
    let card = Card::of(look, gpu);
    let mut told = Vec::new();
    let mut say = |head: &'static str, text: Option<String>| {
        told.extend(text.filter(|text| !text.is_empty()).map(|text| Told { head, text }));
    };
    // A MIG instance fares as its card does.
    let whole = Card::of(look, gpu.card());
    for (at, text) in health::sentences(&whole).into_iter().enumerate() {
        say(if at == 0 { "Health" } else { "" }, Some(text));
    }
    say("Job", look.frame.and_then(|frame| given(look, frame, gpu)));
    say("MIG", mig(look, &card));
    say("Processes", look.frame.and_then(|frame| processes(frame, gpu)));
    say("Set up", card.info.and_then(set_up));
    say("Known", known(&card));
    told
}

fn nothing(look: &Look<'_>) -> String {
    if look.state.latest.is_none() {
        return "Waiting for the first sample.".to_owned();
    }
    if look.frame.is_none() {
        return "Nothing is kept of this moment; End goes back to now.".to_owned();
    }
    let why = no_gpu(look).unwrap_or_else(|| "no GPU found".to_owned());
    format!("{why}. Workers, disks and queues are watched all the same: key 1.")
}

/// The GPUs that the job of this GPU was given, against those that it works on.
fn given(look: &Look<'_>, frame: &Frame, gpu: GpuId) -> Option<String> {
    let inventory = &frame.sample.inventory;
    let of = |run: &&std::sync::Arc<RunInfo>| {
        let works = worked_on(frame, run).contains(&gpu);
        works || run.given.as_ref().is_some_and(|given| given.gpus.contains(&gpu))
    };
    let run = inventory.runs.iter().find(|run| Some(run.run) == look.run && of(run));
    let run = run.or_else(|| inventory.runs.iter().find(of))?;
    let works = worked_on(frame, run);
    let name = safe(&run.name);
    let on = if works.is_empty() {
        "works on none that is known".to_owned()
    } else {
        format!("works on GPU {}", gpu_list(&works.iter().copied().collect::<Vec<_>>()))
    };
    let Some(given) = &run.given else {
        return Some(format!("{name} {on}; nothing says that it was given particular GPUs."));
    };
    let unused: Vec<GpuId> =
        given.gpus.iter().copied().filter(|gpu| !works.contains(gpu)).collect();
    let doubt =
        if given.doubt.is_empty() { String::new() } else { format!(" ({})", safe(&given.doubt)) };
    let rest = if unused.is_empty() {
        "none stands unused".to_owned()
    } else {
        format!("GPU {} without work of it", gpu_list(&unused))
    };
    let (all, by) = (gpu_list(&given.gpus), safe(&given.by));
    Some(format!("{name} was given GPU {all} by {by}{doubt} and {on}: {rest}."))
}

fn worked_on(frame: &Frame, run: &RunInfo) -> BTreeSet<GpuId> {
    run.trainers.iter().flat_map(|pid| frame.sample.rank_gpus(*pid)).collect()
}

/// How a card is cut, from the card and from each instance.
fn mig(look: &Look<'_>, card: &Card<'_>) -> Option<String> {
    let inventory = look.inventory()?;
    let whole = inventory.gpu(card.gpu.card())?;
    if whole.modes.mig != Some(true) {
        return None;
    }
    let instances: Vec<&GpuInfo> = inventory
        .gpus
        .iter()
        .map(|info| &**info)
        .filter(|info| info.mig.is_some() && info.gpu.card() == card.gpu.card())
        .collect();
    if instances.is_empty() {
        return Some(format!(
            "GPU {} is in MIG mode and has no instance: nothing can run on it (nvidia-smi mig -cgi).",
            whole.gpu
        ));
    }
    let slices = |info: &GpuInfo| info.mig.as_ref().and_then(|mig| mig.slices);
    let used: Option<u32> = instances.iter().map(|info| slices(info)).sum();
    let used = used.map_or_else(String::new, |used| format!("{used} compute slices in "));
    let each: Vec<String> = instances
        .iter()
        .map(|info| {
            let name = info.mig.as_ref().map(|mig| safe(&mig.profile)).unwrap_or_default();
            let memory = info.memory_bytes.map(|bytes| fmt::bytes(bytes as f64).trim().to_owned());
            match (name.is_empty(), memory) {
                (false, _) => format!("{} {name}", info.gpu),
                (true, Some(memory)) => format!("{} {memory}", info.gpu),
                (true, None) => info.gpu.to_string(),
            }
        })
        .collect();
    let note = if card.gpu.slice_index().is_some() {
        " Power, clocks, links and health are the whole card's."
    } else {
        ""
    };
    Some(format!(
        "{used}{} instances: {}. The driver tells no utilization of an instance; SM activity needs \
         Hopper.{note}",
        instances.len(),
        each.join(", ")
    ))
}

/// What is odd about the list of processes.
fn processes(frame: &Frame, gpu: GpuId) -> Option<String> {
    let users = users(frame, gpu);
    let mut said = Vec::new();
    let hidden = users.iter().filter(|user| !user.seen).count();
    if hidden > 0 {
        said.push(format!(
            "{hidden} of {} are not seen from here: of another container, or told with the host's \
             numbers (run mltop on the host, or with --pid=host).",
            users.len()
        ));
    }
    if users.iter().any(|user| user.kind == Some(GpuProcKind::Mps)) {
        said.push(
            "Clients share the GPU through MPS: memory of all of them may stand at its server."
                .to_owned(),
        );
    }
    if !users.is_empty() && users.iter().all(|user| user.bytes.is_none()) {
        said.push("The driver does not tell what each holds (WSL2, a vGPU, or rights).".to_owned());
    }
    (!said.is_empty()).then(|| said.join(" "))
}

/// How a card is set up, where that is not as usual.
fn set_up(info: &GpuInfo) -> Option<String> {
    let modes = &info.modes;
    let mut said = Vec::new();
    if modes.persistence == Some(false) {
        said.push(
            "persistence mode is off: the driver starts the card anew for each job (nvidia-smi -pm 1)"
                .to_owned(),
        );
    }
    if !modes.compute.is_empty() && &*modes.compute != "default" {
        said.push(format!("compute mode is {}", safe(&modes.compute)));
    }
    if !modes.virtualization.is_empty() {
        said.push(safe(&modes.virtualization));
    }
    if modes.confidential == Some(true) {
        said.push("confidential computing is on: every copy over PCIe is encrypted".to_owned());
    }
    if modes.ecc == Some(false) {
        said.push("ECC is off".to_owned());
    }
    let text = said.join("; ");
    let mut chars = text.chars();
    let first = chars.next()?.to_uppercase();
    Some(format!("{first}{}.", chars.as_str()))
}

/// What is said of figures that the driver does not tell of the card as a whole.
fn inferred(row: &GpuSample) -> Option<&'static str> {
    if row.usage_source != Reading::Is(UsageSource::Processes) {
        return None;
    }
    Some(match (row.utilization_ratio, row.usage_bound) {
        (Reading::Not(Gap::Denied), _) => {
            "The driver tells utilization and memory of each process only, and those of others may not \
             be looked at: run mltop as root, and on the host."
        }
        (_, Reading::Is(Bound::Exact)) => {
            "Utilization and memory in use are inferred: the sum over the processes that have the card \
             open."
        }
        _ => {
            "Utilization and memory in use are inferred, and the least that there is: the sum over the \
             processes that were looked at."
        }
    })
}

/// How the figures are known, and what reading them costs.
fn known(card: &Card<'_>) -> Option<String> {
    let row = card.row?;
    let activity = inferred(row).unwrap_or_else(|| match row.sm_active_ratio.gap() {
        None => "SM activity is measured by the hardware (GPM).",
        Some(Gap::Denied) => "SM activity may not be read: ask an administrator.",
        Some(Gap::NotYet | Gap::Late | Gap::Lost) => "",
        Some(_) => {
            "Utilization is the share of time with any kernel, however small: a card that waits for \
             others in a collective shows 100 %. Power tells more."
        }
    });
    let calls = card.rate(|rates| rates.driver_calls_per_second);
    let cost = calls.zip(card.rate(|rates| rates.driver_ratio)).map(|(calls, share)| {
        format!(
            " mltop asks the driver {calls:.0} times a second, {} of the time.",
            fmt::fine_percent(share).trim()
        )
    });
    let text = format!("{activity}{}", cost.unwrap_or_default());
    Some(text.trim().to_owned())
}
