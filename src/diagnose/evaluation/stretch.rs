//! A stretch of time in which one loop of a trainer runs: its length, and what it looks like.

use super::super::tick::{Counts, Gate, share};

/// A mean over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    seconds: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: Option<f64>, seconds: f64) {
        if let Some(value) = value {
            self.sum += value * seconds;
            self.seconds += seconds;
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.sum += other.sum;
        self.seconds += other.seconds;
    }

    /// `None` where less than this was seen.
    pub(super) fn over(self, seconds: f64) -> Option<f64> {
        (self.seconds >= seconds && self.seconds > 0.0).then(|| self.sum / self.seconds)
    }
}

/// What a stretch, or many of one loop, looked like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Profile {
    /// Seconds, and of these the ones that belong to the first steps, to compiling, to checkpoints.
    pub seconds: f64,
    pub warm_up: f64,
    pub compile: f64,
    pub checkpoint: f64,
    pub steps: f64,
    wait: f64,
    looks: f64,
    /// Looks at the main thread, and those that found it computing outputs, gradients or weights.
    main: f64,
    forward: f64,
    learning: f64,
    gpu: Mean,
    power: Mean,
}

impl Profile {
    pub(super) fn add(&mut self, span: f64, gate: Gate, counts: &Counts, look: (Mean, Mean)) {
        self.seconds += span;
        match gate {
            Gate::WarmUp => self.warm_up += span,
            Gate::Compile => self.compile += span,
            Gate::Checkpoint => self.checkpoint += span,
            Gate::Open | Gate::Boundary | Gate::Evaluation => {}
        }
        let some = |count: Option<f32>| f64::from(count.unwrap_or_default());
        self.steps += some(counts.steps);
        if let Some((wait, looks)) = counts.wait.zip(counts.looks) {
            self.wait += f64::from(wait);
            self.looks += f64::from(looks);
        }
        if let Some(((main, forward), learning)) =
            counts.main.zip(counts.main_forward).zip(counts.main_learning)
        {
            self.main += f64::from(main);
            self.forward += f64::from(forward);
            self.learning += f64::from(learning);
        }
        self.gpu.join(look.0);
        self.power.join(look.1);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.warm_up += other.warm_up;
        self.compile += other.compile;
        self.checkpoint += other.checkpoint;
        self.steps += other.steps;
        self.wait += other.wait;
        self.looks += other.looks;
        self.main += other.main;
        self.forward += other.forward;
        self.learning += other.learning;
        self.gpu.join(other.gpu);
        self.power.join(other.power);
    }

    /// Seconds that are the loop's own.
    pub(super) fn own(&self) -> f64 {
        (self.seconds - self.warm_up - self.compile - self.checkpoint).max(0.0)
    }

    /// Share of time in which the loop waits for data.
    pub(super) fn blocked(&self) -> Option<f64> {
        (self.looks > 0.0).then(|| (self.wait / self.looks).clamp(0.0, 1.0))
    }

    /// Share of time in which its GPUs were busy.
    pub(super) fn gpu(&self) -> Option<f64> {
        self.gpu.over(1.0)
    }

    /// Whether gradients were seen to be computed, or weights to be changed.
    pub(super) fn learns(&self) -> bool {
        self.learning > 0.0
    }

    /// Whether outputs were computed, again and again, and never a gradient, in a trainer whose
    /// training loop was seen at gradients.
    pub(super) fn without_gradients(&self, training: &Self) -> bool {
        /// Looks from which on never means something.
        const LOOKS: f64 = 20.0;
        /// Of the looks at training, gradients and weights take at least this share.
        const LEARNING: f64 = 0.10;
        self.forward >= LOOKS
            && self.learning == 0.0
            && training.main > LOOKS
            && training.learning >= LEARNING * training.main
    }

    /// Whether its steps are shorter and its GPUs draw less than in training, both clearly.
    pub(super) fn lighter(&self, training: &Self) -> bool {
        /// Seconds of both from which on they are compared.
        const SEEN: f64 = 5.0;
        /// A step of an evaluation has no backward pass, which is two thirds of the work of one.
        const STEP: f64 = 0.70;
        const POWER: f64 = 0.90;
        let step = |profile: &Self| (profile.steps > 0.0).then(|| profile.own() / profile.steps);
        let shorter =
            step(self).zip(step(training)).is_some_and(|(own, other)| own <= STEP * other);
        let power = self.power.over(SEEN).zip(training.power.over(SEEN));
        shorter && power.is_some_and(|(own, other)| own <= POWER * other)
    }
}

/// One stretch.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// Which loop, by its loader.
    pub group: usize,
    /// The main thread was seen in a validation.
    pub strong: bool,
    /// From the begin to the end, in milliseconds since the Unix epoch.
    pub span: (i64, i64),
    /// Seconds since its loader was last seen to move.
    pub standing: f64,
    pub profile: Profile,
}

/// Whether most looks of a tick found the main thread in a validation.
pub(super) fn validates(counts: &Counts) -> bool {
    share(counts.main_validation, counts.main).is_some_and(|share| share >= 0.50)
}
