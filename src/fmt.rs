//! Numbers as text of a fixed width, so that they do not dance on screen. Pure.
//!
//! What is not a number of its kind (not finite, below zero) is shown as [`NONE`]: a wrong number is
//! worse than none. Why there is none stands elsewhere, beside the gap.

/// Stands where there is no number.
pub const NONE: &str = "–";

/// The dash, right-aligned in `width` columns.
pub fn none(width: usize) -> String {
    format!("{NONE:>width$}")
}

/// Three significant digits in four columns and the unit's position; `None` where `value` is no
/// plausible number. Units step by `base`, and a value that would round up to the next step takes it.
fn scaled(value: f64, base: f64, units: usize) -> Option<(String, usize)> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let mut value = value;
    let mut at = 0;
    while at + 1 < units && value >= base - 0.5 {
        value /= base;
        at += 1;
    }
    let text = if at == 0 || value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    // Beyond the last unit there is no name; four columns are all that there is.
    let text = if text.len() > 4 { ">999".to_owned() } else { text };
    Some((format!("{text:>4}"), at))
}

/// Memory in binary units, eight columns: `31.2 GiB`, ` 512 MiB`, `   0 B  `.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    scaled(value, 1024.0, UNITS.len())
        .map_or_else(|| none(8), |(text, at)| format!("{text} {:<3}", UNITS[at]))
}

/// A rate in decimal units, nine columns: `1.90 GB/s`, ` 480 MB/s`, `   0 B/s `.
pub fn rate(bytes_per_second: f64) -> String {
    const UNITS: [&str; 6] = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"];
    scaled(bytes_per_second, 1000.0, UNITS.len())
        .map_or_else(|| none(9), |(text, at)| format!("{text} {:<4}", UNITS[at]))
}

/// The size of a file or a record in decimal units, seven columns: `3.10 MB`.
pub fn size(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    scaled(value, 1000.0, UNITS.len())
        .map_or_else(|| none(7), |(text, at)| format!("{text} {:<2}", UNITS[at]))
}

/// A share as a percentage, four columns: ` 58%`, `100%`.
pub fn percent(ratio: f64) -> String {
    wide_percent(ratio, 4)
}

/// A percentage in `width` columns, for shares of more than one core: ` 812%`.
pub fn wide_percent(ratio: f64, width: usize) -> String {
    if !ratio.is_finite() || ratio < 0.0 {
        return none(width);
    }
    let text = format!("{:.0}%", ratio * 100.0);
    if text.len() > width {
        format!("{:>width$}", ">".to_owned() + &"9".repeat(width.saturating_sub(2)) + "%")
    } else {
        format!("{text:>width$}")
    }
}

/// A small share with one digit after the point, five columns: ` 0.6%`, `12.5%`, ` 100%`.
pub fn fine_percent(ratio: f64) -> String {
    if !ratio.is_finite() || ratio < 0.0 {
        return none(5);
    }
    if ratio >= 0.9995 {
        return wide_percent(ratio, 5);
    }
    format!("{:>5}", format!("{:.1}%", ratio * 100.0))
}

/// Power, six columns: ` 412 W`.
pub fn watts(value: f64) -> String {
    whole(value, 4, " W")
}

/// Temperature, five columns: ` 64°C`. Below zero is a fault of the sensor.
pub fn celsius(value: f64) -> String {
    whole(value, 3, "°C")
}

fn whole(value: f64, digits: usize, unit: &str) -> String {
    let width = digits + unit.chars().count();
    if !value.is_finite() || value < 0.0 {
        return none(width);
    }
    let text = format!("{value:.0}");
    if text.len() > digits { none(width) } else { format!("{text:>digits$}{unit}") }
}

/// A short time, seven columns: ` 412 ms`, `1.20 s `, `  80 µs`; from 100 minutes on hours.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return none(7);
    }
    let (number, unit) = if value < 0.000_999_5 {
        (value * 1e6, "µs")
    } else if value < 0.9995 {
        (value * 1e3, "ms")
    } else if value < 99.5 {
        (value, "s ")
    } else if value < 99.5 * 60.0 {
        (value / 60.0, "m ")
    } else {
        (value / 3600.0, "h ")
    };
    let text = if unit == "µs" || number >= 99.95 {
        format!("{number:.0}")
    } else if number >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    };
    if text.len() > 4 { none(7) } else { format!("{text:>4} {unit}") }
}

/// A count, six columns: `   812`, `1.00 k`, `31.2 M`.
pub fn count(value: f64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    match scaled(value, 1000.0, UNITS.len()) {
        None => none(6),
        Some((text, 0)) => format!("{:>6}", text.trim_start()),
        Some((text, at)) => format!("{text} {}", UNITS[at]),
    }
}

/// A number of things that are named by one of them: `1 rank`, `8 ranks`.
pub fn counted(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A span as `HH:MM:SS`, eight columns below 100 hours.
pub fn span(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A span in words of one or two units: `12 s`, `4 min`, `1 h 05 min`.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The time of day, `HH:MM:SS`, `utc_offset_seconds` east of Greenwich.
pub fn clock(unix_ms: i64, utc_offset_seconds: i32) -> String {
    let local = unix_ms.div_euclid(1000).saturating_add(i64::from(utc_offset_seconds));
    let of_day = local.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_would_round_up_to_the_next_unit_takes_it() {
        assert_eq!(count(999.4), "   999");
        assert_eq!(count(999.95), "1.00 k");
        assert_eq!(rate(999_499.0), " 999 kB/s");
        assert_eq!(rate(999_950.0), "1.00 MB/s");
        assert_eq!(bytes(1023.4 * 1024.0), "1023 KiB");
        assert_eq!(bytes(1023.6 * 1024.0), "1.00 MiB");
        assert_eq!(seconds(0.9996), "1.00 s ");
        assert_eq!(seconds(0.000_999_6), "1.00 ms");
        assert_eq!(fine_percent(0.9996), " 100%");
    }

    #[test]
    fn three_digits_are_kept_at_every_size() {
        assert_eq!(rate(1.9e9), "1.90 GB/s");
        assert_eq!(rate(9.996e9), "10.0 GB/s");
        assert_eq!(rate(99.96e9), " 100 GB/s");
        assert_eq!(bytes(31.2 * 1024.0 * 1024.0 * 1024.0), "31.2 GiB");
        assert_eq!(seconds(0.412), " 412 ms");
        assert_eq!(seconds(0.000_08), "  80 µs");
        assert_eq!(watts(411.6), " 412 W");
        assert_eq!(celsius(64.0), " 64°C");
    }

    #[test]
    fn zero_is_a_number_and_nonsense_is_a_dash() {
        assert_eq!(rate(0.0), "   0 B/s ");
        assert_eq!(percent(0.0), "  0%");
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            for text in [
                bytes(wrong),
                rate(wrong),
                percent(wrong),
                seconds(wrong),
                count(wrong),
                watts(wrong),
            ] {
                assert_eq!(text.trim(), NONE);
            }
        }
    }

    #[test]
    fn every_kind_keeps_its_width_from_nothing_to_absurd() {
        let mut value = 1e-9;
        while value < 1e30 {
            for (text, width) in [
                (bytes(value), 8),
                (rate(value), 9),
                (size(value), 7),
                (percent(value), 4),
                (wide_percent(value, 6), 6),
                (fine_percent(value), 5),
                (watts(value), 6),
                (celsius(value), 5),
                (seconds(value), 7),
                (count(value), 6),
            ] {
                assert_eq!(text.chars().count(), width, "{value}: {text:?}");
            }
            value *= 1.37;
        }
    }

    #[test]
    fn the_clock_follows_the_offset_and_survives_times_before_the_epoch() {
        assert_eq!(clock(0, 0), "00:00:00");
        assert_eq!(clock(1000, 3600), "01:00:01");
        assert_eq!(clock(-1000, 0), "23:59:59");
        assert_eq!(clock(i64::MIN, i32::MIN).len(), 8);
        assert_eq!(span(2530), "00:42:10");
        assert_eq!(ago(3900), "65 min");
        assert_eq!(ago(7500), "2 h 05 min");
    }
}
