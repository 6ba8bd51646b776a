//! The grade of an area.

use serde::Serialize;

use crate::model::Severity;

/// How an area does, from best to worst.
///
/// What its findings lost of the time of the GPUs in use decides; of a finding that costs no GPU time,
/// its severity does. The worse of the two stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Grade {
    /// Nothing was found.
    A,
    /// Below 5 % lost, or a finding of severity info.
    B,
    /// 5 to 10 % lost, or a warning.
    C,
    /// 10 to 20 % lost, or a finding of severity high.
    D,
    /// 20 % or more lost, or a critical finding.
    F,
}

/// The least share lost of each grade below A: 5 and 20 % as in xprof, 10 and 20 % as in TraceML.
const BANDS: [(f64, Grade); 3] = [(0.20, Grade::F), (0.10, Grade::D), (0.05, Grade::C)];

impl Grade {
    /// The rule in words, for whoever reads a grade.
    pub const RULE: &'static str = "A: nothing found. B: less than 5 % of the time of the GPUs in use \
        is lost. C: 5 to 10 %. D: 10 to 20 %. F: 20 % or more. A finding that costs no GPU time counts \
        by its severity: info B, warn C, high D, critical F. No grade: the evidence is not enough.";

    /// The letter.
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
            Self::F => 'F',
        }
    }

    /// The grade of an area: from the share that its findings lost, where any of them costs GPU time,
    /// and from the severities of those that do not.
    pub(super) fn of(lost: Option<f64>, free: impl Iterator<Item = Severity>) -> Self {
        // In whole percents, as it is shown: 20 % on screen is 20 % here.
        let by_share = lost.map(|lost| (lost * 100.0).round() / 100.0).map(|lost| {
            let band = BANDS.iter().find(|(least, _)| lost >= *least);
            band.map_or(Self::B, |(_, grade)| *grade)
        });
        let by_severity = free.map(|severity| match severity {
            Severity::Info => Self::B,
            Severity::Warn => Self::C,
            Severity::High => Self::D,
            Severity::Critical => Self::F,
        });
        by_share.into_iter().chain(by_severity).max().unwrap_or(Self::A)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_lost_decides_and_the_severity_of_what_costs_no_gpu_time() {
        let of = |lost, free: &[Severity]| Grade::of(lost, free.iter().copied());
        assert_eq!(of(None, &[]), Grade::A);
        let shares = [0.0, 0.044, 0.046, 0.10, 0.198, 1.0].map(|lost| of(Some(lost), &[]));
        assert_eq!(shares, [Grade::B, Grade::B, Grade::C, Grade::D, Grade::F, Grade::F]);
        let severities = [Severity::Info, Severity::Warn, Severity::High, Severity::Critical];
        let grades = severities.map(|severity| of(None, &[severity]));
        assert_eq!(grades, [Grade::B, Grade::C, Grade::D, Grade::F]);
        assert_eq!(of(Some(0.12), &[Severity::Info]), Grade::D, "the worse stands");
        assert_eq!(of(Some(0.01), &[Severity::Warn]), Grade::C);
    }

    #[test]
    fn the_rule_in_words_names_every_grade_with_its_share() {
        for grade in [Grade::A, Grade::B, Grade::C, Grade::D, Grade::F] {
            assert!(Grade::RULE.contains(&format!("{}: ", grade.letter())), "{grade:?}");
        }
        for (least, _) in BANDS {
            assert!(Grade::RULE.contains(&format!("{:.0} ", least * 100.0)), "{least}");
        }
    }
}
