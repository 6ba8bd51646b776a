//! What holds an AMD card's clocks down, in the words that mltop has for it.

use super::metrics::{Residency, Table};
use crate::model::{Gap, Reading, throttle};

/// Bits of `indep_throttle_status`, by their number in the kernel's amdgpu_smu.h
/// (`SMU_THROTTLER_*_BIT`): from, to, and what they are to us.
const BITS: [(u32, u32, u64); 6] = [
    // PPT0..PPT3, SPL, FPPT, SPPT, SPPT_APU.
    (0, 7, throttle::POWER_CAP),
    // TDC_GFX..TDC_CVIP, EDC_CPU, EDC_GFX, APCC.
    (16, 23, throttle::CURRENT),
    // TEMP_GPU..TEMP_LIQUID1, VRHOT0, VRHOT1.
    (32, 45, throttle::HEAT),
    // PROCHOT_CPU, PROCHOT_GFX.
    (46, 47, throttle::HARDWARE),
    // PPM, FIT.
    (56, 57, throttle::OTHER),
    // Whatever comes.
    (58, 62, throttle::OTHER),
];

/// The counts of the row before: a cause is in force where its count grew.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    before: Option<Residency>,
}

impl Throttle {
    /// Why the clocks are where they are.
    pub(super) fn reasons(&mut self, table: &Table) -> Reading<u64> {
        if let Some(bits) = table.throttle {
            return Reading::Is(of_bits(bits));
        }
        let Some(now) = table.residency else { return Reading::Not(Gap::Unsupported) };
        let Some(before) = self.before.replace(now) else { return Reading::Not(Gap::NotYet) };
        let mut reasons = 0;
        if now.prochot != before.prochot {
            reasons |= throttle::HARDWARE;
        }
        if now.power != before.power {
            reasons |= throttle::POWER_CAP;
        }
        if now.heat != before.heat {
            reasons |= throttle::HEAT;
        }
        Reading::Is(reasons)
    }
}

fn of_bits(bits: u64) -> u64 {
    let set = |from: u32, to: u32| (from..=to).any(|bit| bits & (1 << bit) != 0);
    let reasons = BITS.iter().filter(|(from, to, _)| set(*from, *to));
    reasons.fold(0, |reasons, (_, _, reason)| reasons | reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_throttler_has_its_word() {
        assert_eq!(of_bits(0), 0);
        assert_eq!(of_bits(1 | 1 << 36), throttle::POWER_CAP | throttle::HEAT);
        assert_eq!(of_bits(1 << 16 | 1 << 47), throttle::CURRENT | throttle::HARDWARE);
        assert_eq!(of_bits(1 << 57), throttle::OTHER);
    }

    #[test]
    fn a_cause_whose_count_stands_still_is_over() {
        let counted = |power| Table {
            residency: Some(Residency { power, ..Residency::default() }),
            ..Table::default()
        };
        let mut throttle = Throttle::default();
        assert_eq!(throttle.reasons(&counted(5)), Reading::Not(Gap::NotYet));
        assert_eq!(throttle.reasons(&counted(9)), Reading::Is(throttle::POWER_CAP));
        assert_eq!(throttle.reasons(&counted(9)), Reading::Is(0));
        assert_eq!(throttle.reasons(&Table::default()), Reading::Not(Gap::Unsupported));
    }
}
