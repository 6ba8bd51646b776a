//! GPU time, money and the whole, as words.

use super::Audit;
use crate::diagnose::words::percent;
use crate::model::Finding;

/// GPU time: `34 GPU-s`, `12 GPU-min`, `1.6 GPU-h`.
pub fn gpu_time(gpu_seconds: f64) -> String {
    if !gpu_seconds.is_finite() || gpu_seconds < 0.0 {
        return "–".to_owned();
    }
    let (seconds, unit) = unit(gpu_seconds);
    format!("{} {unit}", number(gpu_seconds / seconds))
}

/// The unit that one would say a GPU time in, and its seconds.
const fn unit(gpu_seconds: f64) -> (f64, &'static str) {
    match gpu_seconds {
        s if s < 120.0 => (1.0, "GPU-s"),
        s if s < 7200.0 => (60.0, "GPU-min"),
        _ => (3600.0, "GPU-h"),
    }
}

fn number(value: f64) -> String {
    if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// GPU time with the range in which it lies, where that is wide enough to matter: `34 GPU-s (23 to 44)`.
fn ranged(low: f64, middle: f64, high: f64) -> String {
    let (seconds, _) = unit(middle);
    if high - low < 0.1 * middle {
        return gpu_time(middle);
    }
    format!("{} ({} to {})", gpu_time(middle), number(low / seconds), number(high / seconds))
}

/// A length of time: `110 s`, `12 min`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min", whole / 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
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

/// What a finding has cost, in GPU time and, where there is a price, in money; nothing where that is not
/// known.
pub fn cost(finding: &Finding) -> String {
    let Some(cost) = finding.cost.filter(|cost| cost.high_gpu_seconds > 0.0) else {
        return String::new();
    };
    let time = ranged(cost.low_gpu_seconds, cost.gpu_seconds, cost.high_gpu_seconds);
    let so_far = if finding.end_ms.is_none() { " so far" } else { "" };
    let Some([low, middle, high]) = cost.money() else { return format!("{time} lost{so_far}") };
    let range = if high - low < 0.1 * middle {
        String::new()
    } else {
        format!(" ({} to {})", money(low), money(high))
    };
    format!("{time} lost{so_far}, {}{range}", money(middle))
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
            let lost = ranged(lost.low_gpu_seconds, lost.gpu_seconds, lost.high_gpu_seconds);
            format!("{findings} in {watched}: {} of {whole} lost, {lost}{cost}.", percent(ratio))
        }
        None => format!("{findings} in {watched}; no GPU time is known to be lost."),
    }
}

fn quiet(audit: &Audit, watched: &str) -> String {
    let judged = audit.areas.iter().filter(|part| part.grade.is_some()).count();
    match judged {
        0 => format!("{watched} watched: not enough evidence to judge any of the five areas yet."),
        5 => format!("Nothing found in {watched}, in any of the five areas."),
        judged => {
            format!(
                "Nothing found in {watched}; {judged} of the five areas could be judged by then."
            )
        }
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
        assert_eq!(ranged(1400.0, 2000.0, 2600.0), "33 GPU-min (23 to 43)");
        assert_eq!(ranged(2000.0, 2000.0, 2000.0), "33 GPU-min");
    }

    #[test]
    fn a_small_amount_of_money_is_not_nothing() {
        assert_eq!(money(3.941), "$3.94");
        assert_eq!(money(0.0004), "$0.0004");
        assert_eq!(money(0.0), "$0.00");
        assert_eq!(money(12_345.6), "$12346");
    }
}
