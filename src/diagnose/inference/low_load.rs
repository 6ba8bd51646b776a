//! LOW-LOAD: a server holds a GPU for hardly any requests.

use std::collections::BTreeMap;

use super::super::about::{About, Threshold};
use super::super::ledger::{Ledger, Said};
use super::super::rules::{Check, Scene};
use super::super::settings::Settings;
use super::super::words;
use super::judge::name_of;
use super::load::Load;
use super::recent::{Recent, gpus};
use super::standing::Standing;
use crate::model::{GpuId, Rule, ServerId, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::LowLoad.code(),
    area: Rule::LowLoad.area(),
    what: "An inference server holds a GPU of its own and never serves more than one request at a time.",
    when: "Raised where over {window} at most {running} requests run at once, none waits, some are served, \
           and the key-value cache, where it is told, is used less than {cache} in 95 % of the answers, \
           while a GPU is held. Cleared when one of these ends. A server without any request is \
           IDLE-HELD.",
    remedy: "Serve several models from one GPU (MIG, MPS, one server with several models), a smaller GPU \
             or slice, or int8, fp8 or AWQ weights; batch requests where they come together.",
    source: "a proposal",
    thresholds: &[&WINDOW, &RUNNING, &CACHE],
};

static WINDOW: Threshold = Threshold {
    code: Rule::LowLoad.code(),
    name: "window",
    default: 1800.0,
    unit: "seconds",
    what: "Time that is looked at.",
};
static RUNNING: Threshold = Threshold {
    code: Rule::LowLoad.code(),
    name: "running",
    default: 1.0,
    unit: "count",
    what: "Requests at once that are few.",
};
static CACHE: Threshold = Threshold {
    code: Rule::LowLoad.code(),
    name: "cache",
    default: 0.10,
    unit: "share",
    what: "Used share of the cache for keys and values that is little.",
};

/// Answers that are kept: half an hour of them and some more.
const MOST: usize = 400;
/// Between two looks at so long a window, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// The rule for all servers.
#[derive(Clone)]
pub(in crate::diagnose) struct LowLoad {
    recent: Recent,
    open: Standing<ServerId>,
    looked: BTreeMap<ServerId, u64>,
}

impl Default for LowLoad {
    fn default() -> Self {
        let recent = Recent::over(WINDOW.default * 1.1, MOST);
        Self { recent, open: Standing::default(), looked: BTreeMap::new() }
    }
}

impl Check for LowLoad {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let now_ms = scene.frame.sample.stamp.mono_ms;
        for server in self.recent.take(scene.frame) {
            let due = self.looked.get(&server).is_none_or(|looked| now_ms >= looked + EVERY_MS);
            if due {
                self.looked.insert(server, now_ms);
                self.look(server, scene, ledger);
            }
        }
        let recent = &self.recent;
        self.looked.retain(|server, _| recent.has(*server));
        self.open.keep(|server| recent.has(*server), ledger);
    }

    fn end(&mut self, ledger: &mut Ledger) {
        self.open.keep(|_| false, ledger);
        *self = Self::default();
    }
}

impl LowLoad {
    fn look(&mut self, server: ServerId, scene: &Scene<'_>, ledger: &mut Ledger) {
        let window = scene.settings.of(&WINDOW);
        let Some(load) = self.recent.load(server, window) else { return };
        if load.seconds < window {
            return;
        }
        let held = gpus(&scene.frame.sample, load.info.pid);
        // A process that holds a GPU idle is said to, and not twice.
        let idle = ledger.lasting().iter().any(|finding| {
            finding.rule == Rule::IdleHeld && finding.pid.is_some() && finding.pid == load.info.pid
        });
        let low = !held.is_empty() && !idle && is_low(&load, scene.settings);
        if low {
            let said = said(&load, &held, scene.settings);
            self.open.holds(server, said, load.span, ledger);
        } else {
            self.open.over(&server, None, ledger);
        }
    }
}

fn is_low(load: &Load, settings: &Settings) -> bool {
    let few = load.running_most.is_some_and(|most| most as f64 <= settings.of(&RUNNING));
    let served = load.requests.is_some_and(|requests| requests > 0);
    let room = load.kv_p95().is_none_or(|used| used < settings.of(&CACHE));
    few && served && room && load.waiting.0 == 0
}

fn said(load: &Load, held: &[GpuId], settings: &Settings) -> Said {
    let (entity, window) = (format!("server {}", load.server), words::duration(load.seconds));
    let requests = load.requests.unwrap_or_default();
    let most = load.running_most.unwrap_or_default();
    let gpus: Vec<String> = held.iter().map(ToString::to_string).collect();
    let gpus = gpus.join(", ");
    let line = |series: &str, value: f64, limit: Option<f64>, text: String| {
        words::evidence(load.span, series, &*entity, value, limit, text)
    };
    let mut evidence = vec![
        line(
            "servers.running",
            most as f64,
            Some(settings.of(&RUNNING)),
            format!("at most {most} requests ran at once in {window}"),
        ),
        line(
            "servers.requests_total",
            requests as f64,
            None,
            format!("{requests} requests were served"),
        ),
    ];
    if let Some(used) = load.kv_p95() {
        let text = format!(
            "the key-value cache was {} used at most, 95 % of the time",
            words::percent(used)
        );
        evidence.push(line("servers.kv_used_ratio", used, Some(settings.of(&CACHE)), text));
    }
    Said {
        severity: Severity::Info,
        pid: load.info.pid,
        title: format!(
            "{} holds GPU {gpus} and served {requests} requests in {window}, at most {most} at a time",
            name_of(&load.info)
        ),
        evidence,
        advice: "Serve it beside another model on one GPU, from a MIG slice or a smaller GPU, or quantize \
                 it to int8, fp8 or AWQ weights; where requests come together, batch them \
                 (max_queue_delay_microseconds, --max-num-seqs)."
            .into(),
        gain: format!("frees up to GPU {gpus}"),
        ..Said::of(Rule::LowLoad)
    }
}
