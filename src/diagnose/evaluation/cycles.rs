//! Rounds of training and evaluation, one after the other.

use super::stretch::{Profile, Stretch};

/// Evaluations that are no further apart than this are one, with several loaders.
const APART_SECONDS: f64 = 5.0;

/// One round: training, then the evaluation that ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cycle {
    /// When the evaluation began and ended, in milliseconds since the Unix epoch.
    pub span: (i64, i64),
    /// Seconds from the end of the evaluation before to the begin of this one: training, and what else
    /// there was.
    pub before_seconds: f64,
    /// Seconds that the evaluation took, checkpoints left out.
    pub seconds: f64,
    /// Of those, seconds after its last batch: what is computed of all its outputs, most likely.
    pub tail_seconds: f64,
    /// Steps of training before it.
    pub steps_before: f64,
    /// Steps of it.
    pub steps: f64,
    /// Share of it in which it waited for data.
    pub blocked: Option<f64>,
    /// Share of it in which the GPUs were busy.
    pub gpu: Option<f64>,
    /// Training went on after it, so that its end is known.
    pub complete: bool,
}

/// The rounds in a row of stretches, oldest first. `evaluates` tells which stretches are of an
/// evaluation.
pub(super) fn cycles(stretches: &[Stretch], evaluates: impl Fn(&Stretch) -> bool) -> Vec<Cycle> {
    let mut all = Vec::new();
    let mut current: Option<(Cycle, Profile)> = None;
    // Since the evaluation that is open, or the one before: seconds and steps of everything else.
    let (mut other_seconds, mut other_steps) = (0.0, 0.0);
    for stretch in stretches {
        let profile = &stretch.profile;
        if !evaluates(stretch) {
            other_seconds += profile.seconds;
            other_steps += profile.steps;
            if other_seconds > APART_SECONDS && profile.steps > 0.0 {
                all.extend(current.take().map(|(cycle, profile)| ended(cycle, &profile, true)));
            }
            continue;
        }
        let tail = (stretch.standing - profile.checkpoint).max(0.0);
        if let Some((cycle, sum)) = current.as_mut() {
            cycle.span.1 = stretch.span.1;
            cycle.tail_seconds += tail;
            sum.join(profile);
        } else {
            let begun = Cycle {
                span: stretch.span,
                before_seconds: other_seconds,
                steps_before: other_steps,
                tail_seconds: tail,
                ..Cycle::default()
            };
            current = Some((begun, *profile));
        }
        (other_seconds, other_steps) = (0.0, 0.0);
    }
    all.extend(current.map(|(cycle, profile)| ended(cycle, &profile, false)));
    all
}

fn ended(cycle: Cycle, profile: &Profile, complete: bool) -> Cycle {
    Cycle {
        seconds: profile.own(),
        steps: profile.steps,
        blocked: profile.blocked(),
        gpu: profile.gpu(),
        complete,
        ..cycle
    }
}

/// Standard deviation of the mean: how regular numbers are. `None` of fewer than two.
pub(super) fn variation(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    if count < 2.0 || mean <= 0.0 {
        return None;
    }
    let square = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some(square.sqrt() / mean)
}
