//! UNUSED-GPU: a run may use more GPUs than it does.

use std::collections::{BTreeMap, BTreeSet};

use super::about::{About, Threshold};
use super::alarm::{LONG, in_force};
use super::charge::Lost;
use super::idle_held::HELD_BYTES;
use super::ledger::{Ledger, Said};
use super::parts::{Window, fresh};
use super::rules::{Check, Scene};
use super::starved::name_of;
use super::tick::Gate;
use super::trainer::Trainer;
use super::words;
use crate::model::inventory::RunInfo;
use crate::model::{Evidence, Frame, GpuId, Pid, Rule, RunId, Severity};

pub(super) static ABOUT: About = About {
    code: Rule::UnusedGpu.code(),
    area: Rule::UnusedGpu.area(),
    what: "A GPU that a run may use has no work and no process, or nothing but a context of the run, while \
           others of the run are busy.",
    when: "Raised where, for 5 min after the warm-up, no kernel runs on the GPU in any look, and nobody but \
           the run holds memory of it, each process less than IDLE-HELD asks for, while another GPU of the run is busy {sibling} of the time or more. High where \
           the run was given the GPU by name (CUDA_VISIBLE_DEVICES, a devices control group), a warning where \
           nothing that can be read keeps it from the run. Cleared by the first use.",
    remedy: "torchrun --nproc_per_node= the number of GPUs, CUDA_VISIBLE_DEVICES; or give the GPU back.",
    source: "a proposal",
    thresholds: &[&SIBLING],
};

static SIBLING: Threshold = Threshold {
    code: Rule::UnusedGpu.code(),
    name: "sibling",
    default: 0.30,
    unit: "share",
    what: "Share of the time for which another GPU of the run is busy.",
};
/// A utilization below this in every look is no use.
const USED: f64 = 0.01;

/// The rule for all runs.
#[derive(Clone, Default)]
pub(super) struct UnusedGpu {
    runs: BTreeMap<RunId, Watch>,
}

#[derive(Clone, Default)]
struct Watch {
    /// The busiest GPU of the run.
    window: Window,
    /// Since when each GPU has been unused, on both clocks.
    unused: BTreeMap<GpuId, (u64, i64)>,
    id: Option<u64>,
    last_unix_ms: i64,
}

/// Which GPUs a run may use.
#[derive(Clone, Debug, PartialEq)]
enum Visible {
    /// These, and what says so.
    Listed(BTreeSet<GpuId>, Box<str>),
    /// All: nothing limits it, or what does cannot be read.
    All,
    /// It cannot be told.
    Unknown,
}

impl Check for UnusedGpu {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        self.runs.retain(|run, watch| {
            let stays = scene.trainers.iter().any(|trainer| trainer.run == *run);
            if !stays {
                watch.close(ledger);
            }
            stays
        });
        // A GPU that two runs may use is told of once, and of the run that was given it by name, where
        // there is one.
        let mut told = BTreeSet::new();
        let given =
            |info: &RunInfo| info.given.as_ref().is_some_and(|given| given.doubt.is_empty());
        let mut runs: Vec<&RunInfo> =
            scene.frame.sample.inventory.runs.iter().map(|info| &**info).collect();
        runs.sort_by_key(|info| !given(info));
        for info in runs {
            let of_run = scene.trainers.iter().copied().filter(|t| t.run == info.run);
            let trainers: Vec<&Trainer> = of_run.collect();
            if !trainers.is_empty() {
                let watch = self.runs.entry(info.run).or_default();
                watch.step(scene, info.run, &trainers, &mut told, ledger);
            }
        }
    }

    fn end(&mut self, ledger: &mut Ledger) {
        for (_, mut watch) in std::mem::take(&mut self.runs) {
            watch.close(ledger);
        }
    }
}

impl Watch {
    fn step(
        &mut self,
        scene: &Scene<'_>,
        run: RunId,
        trainers: &[&Trainer],
        told: &mut BTreeSet<GpuId>,
        ledger: &mut Ledger,
    ) {
        let stamp = scene.frame.sample.stamp;
        self.last_unix_ms = stamp.unix_ms;
        let timing = in_force(LONG, scene.settings);
        let warm = trainers.iter().all(|t| t.newest().is_none_or(|t| t.gate != Gate::WarmUp));
        let own = Own::of(scene, trainers);
        let used: BTreeSet<GpuId> = trainers
            .iter()
            .flat_map(|trainer| trainer.gpus.iter().copied())
            .filter(|gpu| !self.unused.contains_key(gpu))
            .collect();
        let busiest = used.iter().filter_map(|gpu| fresh(scene.frame, *gpu)).max_by(|a, b| {
            let util =
                |gpu: &crate::model::sample::GpuSample| gpu.utilization_ratio.ok().unwrap_or(0.0);
            util(a).total_cmp(&util(b))
        });
        if let Some(row) = busiest.filter(|_| warm) {
            self.window.now().look(row, scene.frame.span_seconds.unwrap_or_default());
        }
        let visible = visible(scene.frame, run);
        for row in &scene.frame.sample.gpus {
            let may = match &visible {
                Visible::Listed(gpus, _) => gpus.contains(&row.gpu),
                Visible::All | Visible::Unknown => true,
            };
            let idles = warm && may && own.leaves(row.gpu) && told.insert(row.gpu);
            if idles {
                self.unused.entry(row.gpu).or_insert((stamp.mono_ms, stamp.unix_ms));
            } else {
                self.unused.remove(&row.gpu);
            }
        }
        self.unused.retain(|gpu, _| scene.frame.sample.gpus.iter().any(|row| row.gpu == *gpu));
        if self.unused.is_empty() {
            self.close(ledger);
        }
        if !self.window.turn(scene.frame, timing.window) {
            return;
        }
        let long = timing.window * 1e3;
        let lasting = self
            .unused
            .iter()
            .filter(|(_, (since, _))| (stamp.mono_ms.saturating_sub(*since) as f64) >= long);
        let lasting: Vec<(GpuId, i64)> = lasting.map(|(gpu, (_, unix))| (*gpu, *unix)).collect();
        let busy = self.window.sum(timing.window).and_then(|sum| sum.util.get());
        let Some(busy) = busy.filter(|busy| *busy >= scene.settings.of(&SIBLING)) else { return };
        if lasting.is_empty() {
            return;
        }
        let from = lasting.iter().map(|(_, unix)| *unix).min().unwrap_or(stamp.unix_ms);
        let lasts = |gpu: &GpuId| lasting.iter().any(|(of, _)| of == gpu);
        let used = used.iter().filter(|gpu| !lasts(gpu)).count();
        let found = Found { unused: &lasting, contexts: own.contexts(&lasting), busy, used, from };
        let said = said(scene, run, trainers, &found, &visible);
        let Some(id) = self.id else {
            self.id = ledger.open(said, from);
            return;
        };
        let part = (Window::part(timing.window) * 1e3) as i64;
        let lost = Lost::of(lasting.iter().map(|(gpu, _)| *gpu), 1.0, 1.0);
        if let Some(lost) = lost {
            ledger.charge(id, &lost, stamp.unix_ms - part, stamp.unix_ms);
        }
        ledger.renew(id, Said { lost: None, ..said }, false);
    }

    fn close(&mut self, ledger: &mut Ledger) {
        if let Some(id) = self.id.take() {
            ledger.close(id, self.last_unix_ms);
        }
    }
}

/// What a run holds of GPUs.
struct Own<'a> {
    frame: &'a Frame,
    pids: BTreeSet<Pid>,
    /// Bytes below which holding is no more than a context.
    context: f64,
}

impl<'a> Own<'a> {
    fn of(scene: &Scene<'a>, trainers: &[&Trainer]) -> Self {
        let inventory = &scene.frame.sample.inventory;
        let pids = trainers.iter().flat_map(|trainer| inventory.rank_pids(trainer.pid)).collect();
        Self { frame: scene.frame, pids, context: scene.settings.of(&HELD_BYTES) }
    }

    /// Whether a GPU is not in use: no kernel runs on it, and nothing is held of it but contexts of
    /// the run.
    fn leaves(&self, gpu: GpuId) -> bool {
        let mut held = self.frame.sample.gpu_procs.iter().filter(|held| held.gpu == gpu);
        let contexts = held.all(|held| {
            let bytes = held.memory_used_bytes.ok();
            self.pids.contains(&held.pid)
                && bytes.is_some_and(|bytes| (bytes as f64) < self.context)
        });
        let util = fresh(self.frame, gpu).and_then(|row| row.utilization_ratio.ok());
        contexts && util.is_some_and(|util| util < USED)
    }

    /// Bytes of its contexts on these; `None` where it has none.
    fn contexts(&self, unused: &[(GpuId, i64)]) -> Option<u64> {
        let of = |gpu| unused.iter().any(|(one, _)| *one == gpu);
        let held = self.frame.sample.gpu_procs.iter().filter(|held| of(held.gpu));
        held.filter_map(|held| held.memory_used_bytes.ok()).reduce(u64::saturating_add)
    }
}

/// What was found.
struct Found<'a> {
    /// GPUs without work, and since when.
    unused: &'a [(GpuId, i64)],
    /// Bytes of the run's contexts on them.
    contexts: Option<u64>,
    /// Utilization of the busiest GPU of the run.
    busy: f64,
    /// GPUs that it works on.
    used: usize,
    from: i64,
}

/// The GPUs that a run was given.
fn visible(frame: &Frame, run: RunId) -> Visible {
    let given = frame.sample.inventory.run(run).and_then(|info| info.given.as_ref());
    match given {
        Some(given) if given.doubt.is_empty() => {
            Visible::Listed(given.gpus.iter().copied().collect(), given.by.clone())
        }
        Some(_) => Visible::Unknown,
        None => Visible::All,
    }
}

fn said(
    scene: &Scene<'_>,
    run: RunId,
    trainers: &[&Trainer],
    found: &Found<'_>,
    visible: &Visible,
) -> Said {
    let Found { unused, used, from, .. } = *found;
    let pid = trainers.first().map(|trainer| trainer.pid).unwrap_or_default();
    let info = scene.frame.sample.inventory.run(run);
    let name = info.map(|info| words::name(&info.name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| name_of(&scene.frame.sample, run, pid));
    let ids: Vec<String> = unused.iter().map(|(gpu, _)| gpu.to_string()).collect();
    let gpus =
        if ids.len() == 1 { format!("GPU {}", ids[0]) } else { format!("GPUs {}", ids.join(", ")) };
    let seconds = (scene.frame.sample.stamp.unix_ms - from) as f64 / 1e3;
    let (listed, may) = match visible {
        Visible::Listed(_, by) => (true, format!("which its {} gives it", words::name(by))),
        Visible::All => (false, "which nothing that can be read keeps from it".into()),
        Visible::Unknown => (false, "which it may or may not be allowed to use".into()),
    };
    let all = used + unused.len();
    let had = if found.contexts.is_some() { "nothing but a context" } else { "no process" };
    Said {
        severity: if listed { Severity::High } else { Severity::Warn },
        run: Some(run),
        title: format!(
            "{name} keeps {used} of {all} GPUs at work: {gpus}, {may}, had {had} and no work for {}",
            words::duration(seconds)
        ),
        evidence: evidence(scene, &ids, found),
        advice: format!(
            "Start a rank for each GPU (torchrun --nproc_per_node={all}), or limit the job to those it uses \
             (CUDA_VISIBLE_DEVICES) and give the others back."
        ),
        gain: format!("frees {gpus}, or up to {:.1}× the ranks", all as f64 / used.max(1) as f64),
        lost: Lost::of(unused.iter().map(|(gpu, _)| *gpu), 1.0, 1.0),
        ..Said::of(Rule::UnusedGpu)
    }
}

fn evidence(scene: &Scene<'_>, ids: &[String], found: &Found<'_>) -> Vec<Evidence> {
    let busy = found.busy;
    let span = (found.from, scene.frame.sample.stamp.unix_ms);
    let who = format!("gpu {}", ids.join(", "));
    let limit = Some(scene.settings.of(&SIBLING));
    let sibling =
        format!("the busiest GPU of the run is at work {} of the time", words::percent(busy));
    let ids = ids.join(", ");
    let held = match found.contexts {
        Some(bytes) => format!("contexts of {} are all that is held", words::memory(bytes as f64)),
        None => "0 processes hold memory".to_owned(),
    };
    vec![
        words::evidence(
            span,
            "gpus.utilization_ratio",
            who,
            0.0,
            Some(USED),
            format!("{held} of GPU {ids}, and a kernel ran in 0 % of the looks"),
        ),
        words::evidence(span, "gpus.utilization_ratio", "run", busy, limit, sibling),
    ]
}
