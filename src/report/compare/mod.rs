//! Two sessions of the same training, before and after a change: what differs by more than noise.
//!
//! Both are cut into windows of ten seconds. Each figure is a ratio of two sums over the windows, as
//! seconds over steps. How far it could be off follows from how the windows differ, with what lasts
//! longer than a window counted as the one event that it is (see `spread`). A difference is more than
//! noise where its interval of 99 % lies on one side of zero. That noise is what each session shows
//! within itself: two starts of one training may differ by more, which no single pair can tell.

mod spread;
mod text;
mod windows;

use serde::Serialize;

pub use text::text;
pub use windows::{Window, Windows};

use crate::fmt::counted;

use spread::{Interval, Ratio, compare};

/// Fewer windows than this on either side tell nothing.
pub const LEAST_WINDOWS: usize = 8;

/// One session, as it is compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// Name of its file.
    pub file: String,
    /// The run that took most steps.
    pub run: String,
    /// Its ranks.
    pub ranks: usize,
    /// Versions of Python that its ranks run; empty where that is not known.
    pub python: String,
    /// The same of PyTorch.
    pub torch: String,
    /// Its GPUs by product.
    pub gpus: String,
    /// How many GPUs that are, on average.
    pub gpu_count: f64,
    /// Windows of ten seconds with steps in them.
    pub windows: usize,
}

/// One figure of both sessions.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is, its unit at the end.
    pub name: &'static str,
    /// Before the change; `None` where it is not known.
    pub before: Option<Interval>,
    /// After it.
    pub after: Option<Interval>,
    /// After less before.
    pub difference: Option<Interval>,
    /// That difference of what was before.
    pub relative: Option<f64>,
    /// Whether the difference is more than noise; `None` where there is too little to tell.
    pub more_than_noise: Option<bool>,
    /// Whether less of it is better.
    pub less_is_better: bool,
}

/// Two sessions side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Before the change.
    pub before: Side,
    /// After it.
    pub after: Side,
    /// What an hour of one GPU costs, where told.
    pub price_per_gpu_hour: Option<f64>,
    /// What makes the two hard to compare, in words.
    pub doubts: Vec<String>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// How the intervals were found.
    pub method: &'static str,
}

const METHOD: &str = "windows of 10 s, cosine-weighted variance, intervals of 99 % by Student's t; noise \
                      is what each session shows within itself: two starts may differ by more";

/// Compares two sessions.
pub fn comparison(before: &Windows, after: &Windows, price: Option<f64>) -> Comparison {
    type Of = fn(&Window) -> (f64, f64);
    let step: Of = |window| (window.seconds, window.steps);
    let rate: Of = |window| (window.steps, window.seconds);
    let wait: Of = |window| (window.wait_seconds, window.waited_of);
    let busy: Of = |window| (window.busy_seconds, window.busy_of);
    let cost: Of = |window| (window.gpu_seconds * 1000.0, window.steps);
    let scale = price.map_or(1.0, |price| price / 3600.0);
    let cost_name =
        if price.is_some() { "cost_of_1000_steps" } else { "gpu_seconds_of_1000_steps" };
    let (a, b) = (before.windows(), after.windows());
    let figure = |name, of: Of, scale: f64, less_is_better| {
        let ratios = |windows: &[Window]| -> Vec<Ratio> {
            windows.iter().map(|window| (of(window).0 * scale, of(window).1)).collect()
        };
        let (before, after, difference) = compare(&ratios(a), &ratios(b));
        let enough = a.len() >= LEAST_WINDOWS && b.len() >= LEAST_WINDOWS;
        Figure {
            name,
            before,
            after,
            difference,
            relative: difference
                .zip(before)
                .and_then(|(by, of)| (of.value > 0.0).then(|| by.value / of.value)),
            more_than_noise: difference.filter(|_| enough).map(Interval::excludes_zero),
            less_is_better,
        }
    };
    Comparison {
        before: before.side(),
        after: after.side(),
        price_per_gpu_hour: price,
        doubts: doubts(&before.side(), &after.side()),
        figures: vec![
            figure("step_seconds", step, 1.0, true),
            figure("steps_per_second", rate, 1.0, false),
            figure("blocked_ratio", wait, 1.0, true),
            figure("gpu_utilization_ratio", busy, 1.0, false),
            figure(cost_name, cost, scale, true),
        ],
        method: METHOD,
    }
}

/// The GPUs of one side in words.
fn gpus(side: &Side) -> &str {
    if side.gpus.is_empty() { "no GPU" } else { &side.gpus }
}

fn doubts(before: &Side, after: &Side) -> Vec<String> {
    let mut doubts = Vec::new();
    if before.run != after.run {
        doubts.push(format!("the runs have other names: {} and {}", before.run, after.run));
    }
    if before.ranks != after.ranks {
        doubts.push(format!("{} before, {} after", counted(before.ranks, "rank"), after.ranks));
    }
    for (name, before, after) in
        [("Python", &before.python, &after.python), ("PyTorch", &before.torch, &after.torch)]
    {
        // What an older mltop recorded tells no versions: that is no difference.
        if !before.is_empty() && !after.is_empty() && before != after {
            doubts.push(format!("another {name}: {before} and {after}"));
        }
    }
    if before.gpus != after.gpus {
        doubts.push(format!("other GPUs: {} and {}", gpus(before), gpus(after)));
    }
    for (side, name) in [(before, "before"), (after, "after")] {
        if side.windows < LEAST_WINDOWS {
            doubts.push(format!(
                "only {} of 10 s with steps {name}: at least {LEAST_WINDOWS} are needed",
                counted(side.windows, "window")
            ));
        }
    }
    doubts
}
