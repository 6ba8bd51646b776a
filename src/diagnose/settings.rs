//! How long is looked before something is said, and from which values on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::about::Threshold;
use super::inference::Budgets;

/// Seconds of one rule's window and of its hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Over how long the shares are taken.
    pub window: f64,
    /// How long the condition must hold before a finding is raised.
    pub raise: f64,
    /// How long the lower condition must hold before it is cleared.
    pub clear: f64,
}

/// Windows and waiting times, in seconds, and the thresholds that are not at their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where looks come at 10 Hz or more and the window holds enough steps.
    pub fast: Timing,
    /// Elsewhere.
    pub standard: Timing,
    /// The most that the standard window is stretched to, to hold enough steps.
    pub stretch: f64,
    /// Steps that end the warm-up of a trainer.
    pub warm_up_steps: u64,
    /// Time that ends it where the steps do not come.
    pub warm_up: f64,
    /// The same where the workers had been at work for long when they were found.
    pub warm_up_attached: f64,
    /// The least time that is left out after an epoch boundary.
    pub boundary: f64,
    /// One point of a sizing window; 15 make a window, and two windows must agree.
    pub sizing_point: f64,
    /// Steps without which a sizing window says nothing.
    pub sizing_steps: u64,
    /// Windows are shortened for a demonstration, which says so on screen.
    pub short_windows: bool,
    /// What an hour of one GPU costs, where the user has told it.
    pub price_per_gpu_hour: Option<f64>,
    /// What inference servers are held against.
    pub budgets: Arc<Budgets>,
    /// Thresholds that were set, by rule and name.
    set: Arc<BTreeMap<(&'static str, &'static str), f64>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fast: Timing { window: 10.0, raise: 5.0, clear: 10.0 },
            standard: Timing { window: 30.0, raise: 10.0, clear: 20.0 },
            stretch: 120.0,
            warm_up_steps: 20,
            warm_up: 60.0,
            warm_up_attached: 5.0,
            boundary: 5.0,
            sizing_point: 60.0,
            sizing_steps: 500,
            short_windows: false,
            price_per_gpu_hour: None,
            budgets: Arc::default(),
            set: Arc::default(),
        }
    }
}

impl Settings {
    /// For a demonstration that shows in minutes what takes a training run hours.
    pub fn demo() -> Self {
        Self::default().shortened()
    }

    /// The same thresholds with the windows of a demonstration.
    #[must_use]
    pub fn shortened(self) -> Self {
        Self {
            fast: Timing { window: 6.0, raise: 2.0, clear: 3.0 },
            standard: Timing { window: 8.0, raise: 2.0, clear: 3.0 },
            stretch: 12.0,
            warm_up: 5.0,
            sizing_point: 1.0,
            sizing_steps: 100,
            short_windows: true,
            ..self
        }
    }

    /// The value of a threshold that is in force, in its unit.
    pub fn of(&self, threshold: &Threshold) -> f64 {
        if self.set.is_empty() {
            return threshold.default;
        }
        let set = self.set.get(&(threshold.code, threshold.name));
        set.copied().unwrap_or(threshold.default)
    }

    /// Sets a threshold to another value than its default.
    pub fn set(&mut self, threshold: &'static Threshold, value: f64) {
        Arc::make_mut(&mut self.set).insert((threshold.code, threshold.name), value);
    }
}
