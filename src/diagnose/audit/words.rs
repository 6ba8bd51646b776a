//! GPU time, money and the whole, as words.

use super::Audit;
use crate::diagnose::words::{duration, percent};

/// GPU time: `34 GPU-s`, `12 GPU-min`, `1.6 GPU-h`.
pub fn gpu_time(gpu_seconds: f64) -> String {
    let (value, unit) = match gpu_seconds {
        s if !s.is_finite() || s < 0.0 => return "–".to_owned(),
        s if s < 120.0 => (s, "GPU-s"),
        s if s < 7200.0 => (s / 60.0, "GPU-min"),
        s => (s / 3600.0, "GPU-h"),
    };
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// An amount of money, in the currency of the price: two digits after the point, or what is left of a
/// small amount.
pub fn money(amount: f64) -> String {
    match amount {
        a if !a.is_finite() => "–".to_owned(),
        a if a >= 1000.0 => format!("${a:.0}"),
        a if a == 0.0 || a >= 0.005 => format!("${a:.2}"),
        a => format!("${a:.4}"),
    }
}

/// The whole as one sentence.
pub(super) fn summary(audit: &Audit) -> String {
    let watched = duration(audit.seconds);
    let lost = &audit.lost;
    let cost = lost.money.map_or_else(String::new, |amount| format!(", {}", money(amount)));
    let counted: usize = audit.areas.iter().map(|part| part.findings.len()).sum();
    let findings = match counted {
        0 => return quiet(audit, &watched),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    match lost.ratio.filter(|_| lost.high_gpu_seconds > 0.0) {
        Some(ratio) => {
            let whole = gpu_time(audit.gpu_seconds);
            let (middle, low, high) =
                (lost.gpu_seconds, lost.low_gpu_seconds, lost.high_gpu_seconds);
            let range = if high - low < 0.05 * middle.max(1.0) {
                String::new()
            } else {
                format!(" ({} to {})", gpu_time(low), gpu_time(high))
            };
            format!(
                "{findings} in {watched}: {} of {whole} lost, {}{range}{cost}.",
                percent(ratio),
                gpu_time(middle)
            )
        }
        None => format!("{findings} in {watched}; no GPU time is known to be lost."),
    }
}

fn quiet(audit: &Audit, watched: &str) -> String {
    let judged = audit.areas.iter().filter(|part| part.grade.is_some()).count();
    match judged {
        0 => format!("{watched} watched: not enough evidence to judge any of the five areas yet."),
        5 => format!("Nothing found in {watched}, in any of the five areas."),
        judged => format!(
            "Nothing found in {watched} in the {judged} of 5 areas for which there is evidence enough."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_time_is_told_in_the_unit_that_one_would_say() {
        assert_eq!(gpu_time(0.0), "0.0 GPU-s");
        assert_eq!(gpu_time(34.2), "34 GPU-s");
        assert_eq!(gpu_time(150.0), "2.5 GPU-min");
        assert_eq!(gpu_time(5760.0 * 2.0), "3.2 GPU-h");
        assert_eq!(gpu_time(f64::NAN), "–");
    }

    #[test]
    fn a_small_amount_of_money_is_not_nothing() {
        assert_eq!(money(3.941), "$3.94");
        assert_eq!(money(0.0004), "$0.0004");
        assert_eq!(money(0.0), "$0.00");
        assert_eq!(money(12_345.6), "$12346");
    }
}
