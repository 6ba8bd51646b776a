//! What can be wrong with a call.
//!
//! `fault fn=NAME* …`: which calls, by name; `gpu=`: of one GPU. When: `after`, `until` (seconds),
//! `every` with `for` (again and again), `after_calls` (of that function on that GPU), `sticky` (once
//! it struck, it strikes for ever). What: `rc`, `delay` and `spin` (milliseconds, asleep or awake),
//! `hang` (for ever, or until `until`), `hang_for` (seconds), `hangfile` (writes into that file),
//! `garbage` (`u64max`, `over100`, `x1000`, `zero`).

use std::time::Duration;

use crate::abi::Rc;
use crate::scenario::{Pairs, number};

#[derive(Clone, Default)]
pub struct Fault {
    function: String,
    gpu: Option<u32>,
    after: f64,
    until: f64,
    every: Option<(f64, f64)>,
    after_calls: u64,
    pub sticky: bool,
    rc: Option<Rc>,
    delay: Duration,
    spin: Duration,
    hang: Option<f64>,
    hangfile: Option<String>,
    garbage: Option<String>,
}

/// What all faults together do to a call.
#[derive(Default)]
pub struct Effect {
    pub rc: Option<Rc>,
    pub delay: Duration,
    pub spin: Duration,
    /// World's seconds until which it hangs.
    pub hang: Option<f64>,
    pub hangfile: Option<String>,
    pub garbage: Option<String>,
}

impl Fault {
    pub fn parse(pairs: &Pairs<'_>) -> Self {
        let text = |key| pairs.get(key).map(|value| (*value).to_owned());
        let millis = |key| Duration::from_secs_f64(number(pairs, key).unwrap_or(0.0) / 1e3);
        let until = number(pairs, "until").unwrap_or(f64::INFINITY);
        let hang = pairs.contains_key("hang").then_some(until);
        Self {
            function: text("fn").unwrap_or_default(),
            gpu: number(pairs, "gpu").map(|gpu| gpu as u32),
            after: number(pairs, "after").unwrap_or(0.0),
            until,
            every: number(pairs, "every").zip(number(pairs, "for")),
            after_calls: number(pairs, "after_calls").unwrap_or(0.0) as u64,
            sticky: pairs.contains_key("sticky"),
            rc: number(pairs, "rc").map(|rc| rc as Rc),
            delay: millis("delay"),
            spin: millis("spin"),
            // Relative to the moment of the call: made absolute there.
            hang: hang.or_else(|| number(pairs, "hang_for").map(|seconds| -seconds)),
            hangfile: text("hangfile"),
            garbage: text("garbage"),
        }
    }

    pub fn names(&self, function: &str, gpu: Option<u32>) -> bool {
        let named = match self.function.strip_suffix('*') {
            Some(start) => function.starts_with(start),
            None => function == self.function,
        };
        named && (self.gpu.is_none() || self.gpu == gpu)
    }

    /// Whether it strikes a call that it names.
    pub fn strikes(&self, t: f64, calls: u64) -> bool {
        let inside = match self.every {
            Some((every, span)) => (t - self.after).rem_euclid(every) < span,
            None => true,
        };
        t >= self.after && t < self.until && inside && calls > self.after_calls
    }

    pub fn add_to(&self, effect: &mut Effect, t: f64) {
        effect.rc = self.rc.or(effect.rc);
        effect.delay += self.delay;
        effect.spin += self.spin;
        let hang = self.hang.map(|until| if until < 0.0 { t - until } else { until });
        effect.hang = hang.or(effect.hang);
        effect.hangfile = self.hangfile.clone().or(effect.hangfile.take());
        effect.garbage = self.garbage.clone().or(effect.garbage.take());
    }
}
