//! SATURATED: a server has more requests than it can serve.

use super::super::about::{About, Threshold};
use super::super::ledger::{Ledger, Said};
use super::super::rules::{Check, Scene};
use super::super::settings::Settings;
use super::super::words;
use super::judge::name_of;
use super::load::Load;
use super::recent::Recent;
use super::standing::Standing;
use crate::model::{Evidence, Rule, ServerId, Severity};

pub(in crate::diagnose) static ABOUT: About = About {
    code: Rule::Saturated.code(),
    area: Rule::Saturated.area(),
    what: "An inference server has more requests than it can serve.",
    when: "A warning where over {window} requests wait in {waiting} of the answers or more and more wait \
           in its second half than in its first, or 95 % of the answers tell a key-value cache used \
           {cache} or more, or requests are put back for want of cache. Cleared by a window without any \
           of these.",
    remedy: "Another replica; more room for the key-value cache (a higher gpu_memory_utilization, a \
             shorter --max-model-len, an fp8 cache); a lower --max-num-seqs where requests are put back.",
    source: "llm-d scales out from a key-value cache of 90 % on; the rest is a proposal",
    thresholds: &[&WINDOW, &WAITING, &CACHE],
};

static WINDOW: Threshold = Threshold {
    code: Rule::Saturated.code(),
    name: "window",
    default: 60.0,
    unit: "seconds",
    what: "Time that is looked at.",
};
static WAITING: Threshold = Threshold {
    code: Rule::Saturated.code(),
    name: "waiting",
    default: 0.5,
    unit: "share",
    what: "Share of the answers with requests waiting.",
};
static CACHE: Threshold = Threshold {
    code: Rule::Saturated.code(),
    name: "cache",
    default: 0.90,
    unit: "share",
    what: "Used share of the cache for keys and values.",
};

const MOST: usize = 64;
/// Answers without which a window says nothing.
const LEAST: u32 = 6;

/// The rule for all servers.
#[derive(Clone)]
pub(in crate::diagnose) struct Saturated {
    recent: Recent,
    open: Standing<ServerId>,
}

impl Default for Saturated {
    fn default() -> Self {
        Self { recent: Recent::over(WINDOW.default * 2.0, MOST), open: Standing::default() }
    }
}

impl Check for Saturated {
    fn step(&mut self, scene: &Scene<'_>, ledger: &mut Ledger) {
        let settings = scene.settings;
        let window = settings.of(&WINDOW);
        for server in self.recent.take(scene.frame) {
            let Some(load) = self.recent.load(server, window) else { continue };
            if load.seconds < window || load.reads < LEAST {
                continue;
            }
            let signs = signs(&load, settings);
            if signs.is_empty() {
                // It ended somewhere in the window without a sign.
                self.open.over(&server, Some(load.span.0), ledger);
            } else {
                self.open.holds(server, said(&load, signs), load.span, ledger);
            }
        }
        let recent = &self.recent;
        self.open.keep(|server| recent.has(*server), ledger);
    }

    fn end(&mut self, ledger: &mut Ledger) {
        self.open.keep(|_| false, ledger);
        *self = Self::default();
    }
}

/// One sign of saturation: the column, its value, its limit, the words.
struct Sign {
    series: &'static str,
    value: f64,
    limit: f64,
    text: String,
}

fn signs(load: &Load, settings: &Settings) -> Vec<Sign> {
    let mut signs = Vec::new();
    let (waiting, told) = load.waiting;
    let share = f64::from(waiting) / f64::from(told.max(1));
    if let Some((first, second)) = load.waiting_halves
        && share >= settings.of(&WAITING)
        && second > first
    {
        signs.push(Sign {
            series: "servers.waiting",
            value: second,
            limit: first,
            text: format!("its queue grew from {first:.1} to {second:.1} requests"),
        });
    }
    let cache = settings.of(&CACHE);
    if let Some(used) = load.kv_p95().filter(|used| *used >= cache) {
        signs.push(Sign {
            series: "servers.kv_used_ratio",
            value: used,
            limit: cache,
            text: format!("its key-value cache was {} used", words::percent(used)),
        });
    }
    if let Some(back) = load.preemptions.filter(|back| *back > 0) {
        signs.push(Sign {
            series: "servers.preemptions_total",
            value: back as f64,
            limit: 0.0,
            text: format!("{back} requests were put back for want of cache"),
        });
    }
    signs
}

fn said(load: &Load, signs: Vec<Sign>) -> Said {
    let entity = format!("server {}", load.server);
    let what: Vec<String> = signs.iter().map(|sign| sign.text.clone()).collect();
    let back = load.preemptions.is_some_and(|back| back > 0);
    let queue = signs.iter().any(|sign| sign.series == "servers.waiting");
    let evidence: Vec<Evidence> = signs
        .into_iter()
        .map(|sign| {
            let Sign { series, value, limit, text } = sign;
            words::evidence(load.span, series, &*entity, value, Some(limit), text)
        })
        .collect();
    let advice = if queue && !back {
        "Add a replica, or raise --max-num-seqs while the key-value cache has room; int8, fp8 or AWQ \
         weights serve more on the same GPU."
    } else {
        "Give the key-value cache room: a higher gpu_memory_utilization, a shorter --max-model-len, an fp8 \
         cache, or a lower --max-num-seqs; else add a replica."
    };
    Said {
        severity: Severity::Warn,
        pid: load.info.pid,
        title: format!(
            "{} is saturated: over {} {}",
            name_of(&load.info),
            words::duration(load.seconds),
            what.join(", and ")
        ),
        evidence,
        advice: advice.into(),
        ..Said::of(Rule::Saturated)
    }
}
