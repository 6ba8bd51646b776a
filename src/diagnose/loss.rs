//! What waiting costs a GPU, as bounds, and how severe that is.

use super::words;
use crate::model::{Bound, Severity};

/// Fewer steps than this in a window are no ground for the highest severity.
const CRITICAL_STEPS: f64 = 20.0;

/// What the GPU loses: utilization is averaged over a second, so that waiting and idling may not
/// coincide, and only bounds are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    pub low: f64,
    pub high: f64,
    /// Whether the GPU's share is known at all.
    pub gpu: Option<f64>,
}

impl Loss {
    /// Bounds from the blocked share and the GPU's busy share.
    pub(super) fn of(blocked: f64, gpu: Option<f64>) -> Self {
        match gpu {
            Some(busy) => Self {
                low: (blocked - busy).clamp(0.0, 1.0),
                high: blocked.min(1.0 - busy).clamp(0.0, 1.0),
                gpu,
            },
            None => Self { low: 0.0, high: blocked, gpu },
        }
    }

    /// The middle of the bounds; without a GPU, the loop's own wait.
    pub(super) fn middle(self) -> f64 {
        if self.gpu.is_some() { f64::midpoint(self.low, self.high) } else { self.high }
    }

    /// How much faster it could be, in words. Between bounds that lie apart the middle is no limit: a loop
    /// on an H200 that waited while its last kernels still ran came out at the upper bound.
    pub(super) fn faster(self) -> String {
        let of = |lost: f64| 1.0 / (1.0 - lost.min(0.9));
        let middle = format!("{:.1}× faster if fed", of(self.middle()));
        if self.middle() > 0.9 {
            format!("more than {middle}")
        } else if self.gpu.is_some() && self.high - self.low >= 0.10 {
            format!("about {middle} (between {:.1}× and {:.1}×)", of(self.low), of(self.high))
        } else {
            format!("up to {middle}")
        }
    }

    /// The severity of a loss.
    pub(super) fn severity(self, steps: f64, bound: Bound) -> Option<Severity> {
        // The highest needs enough steps and a measurement, as opposed to an upper bound.
        let measured = self.gpu.is_some() && bound != Bound::Upper;
        let most = match bound {
            Bound::Doubtful => Severity::Warn,
            _ if measured && steps >= CRITICAL_STEPS => Severity::Critical,
            _ => Severity::High,
        };
        words::severity(self.middle()).map(|severity| severity.min(most))
    }
}
