//! What an answer of the driver must look like to be believed. Drivers are known to answer
//! utilization 255, `u64::MAX` bytes, 593 W on a laptop and PCIe rates a thousand times too large.

use crate::model::{Gap, Reading};

/// How far a rate may exceed what the link can carry: clocks and rounding, no more.
const LINK_SLACK: f64 = 1.05;
/// How far a draw may exceed the limit in force: short peaks are real, doubles are not.
const POWER_SLACK: f64 = 1.3;
/// No GPU draws this much; the bound where no limit is known.
const POWER_MOST_WATTS: f64 = 5_000.0;

/// A share of 0 to 1 from a percentage.
pub(super) fn percent(value: f64) -> Reading<f64> {
    if (0.0..=100.0).contains(&value) {
        Reading::Is(value / 100.0)
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// Bytes of device memory. The driver says `u64::MAX` for "cannot tell".
pub(super) fn memory(bytes: u64) -> Reading<u64> {
    match bytes {
        u64::MAX => Reading::Not(Gap::Unsupported),
        // A pebibyte is far beyond any device, and so is a value that no column can hold.
        _ if bytes > 1 << 50 => Reading::Not(Gap::Failed),
        _ => Reading::Is(bytes),
    }
}

/// Used memory, which must fit into all there is.
pub(super) fn memory_used(used: u64, total: u64) -> Reading<u64> {
    memory(used).and_then(|used| match memory(total) {
        Reading::Is(total) if used > total => Reading::Not(Gap::Failed),
        _ => Reading::Is(used),
    })
}

/// A count of things of `bytes` each. The driver says `u64::MAX` for "cannot tell", and what no column
/// can hold is no count.
pub(super) fn counter(count: u64, bytes: u64) -> Reading<u64> {
    match (count, count.checked_mul(bytes)) {
        (u64::MAX, _) => Reading::Not(Gap::Unsupported),
        (_, Some(all)) if all < 1 << 53 => Reading::Is(all),
        _ => Reading::Not(Gap::Failed),
    }
}

/// A power draw in watts, against the limit where one is known.
pub(super) fn power(watts: f64, limit: Reading<f64>) -> Reading<f64> {
    let most = limit.ok().map_or(POWER_MOST_WATTS, |limit| limit * POWER_SLACK);
    if (0.0..=most).contains(&watts) { Reading::Is(watts) } else { Reading::Not(Gap::Failed) }
}

/// A power limit in watts.
pub(super) fn power_limit(watts: f64) -> Reading<f64> {
    if watts > 0.0 && watts <= POWER_MOST_WATTS {
        Reading::Is(watts)
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// A temperature in degrees Celsius.
pub(super) fn temperature(celsius: u32) -> Reading<f64> {
    if celsius <= 150 { Reading::Is(f64::from(celsius)) } else { Reading::Not(Gap::Failed) }
}

/// A clock in hertz from the driver's megahertz.
pub(super) fn clock(megahertz: u32) -> Reading<u64> {
    if megahertz <= 20_000 {
        Reading::Is(u64::from(megahertz) * 1_000_000)
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// A PCIe generation.
pub(super) fn link_gen(generation: u32) -> Reading<u64> {
    if (1..=7).contains(&generation) {
        Reading::Is(u64::from(generation))
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// A number of PCIe lanes.
pub(super) fn link_width(lanes: u32) -> Reading<u64> {
    if (1..=32).contains(&lanes) {
        Reading::Is(u64::from(lanes))
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// What a PCIe link can carry one way, in bytes per second after line coding.
pub(super) fn link_bytes_per_second(generation: u64, lanes: u64) -> f64 {
    let lane = match generation {
        0 | 1 => 0.25e9,
        2 => 0.5e9,
        3 => 0.985e9,
        4 => 1.969e9,
        5 => 3.938e9,
        6 => 7.877e9,
        _ => 15.754e9,
    };
    lane * lanes.max(1) as f64
}

/// The most that any link we know of carries: the bound where the link is not known.
pub(super) const LINK_MOST: f64 = 15.754e9 * 16.0;

/// A PCIe rate in bytes per second, which must fit through the link at its widest.
pub(super) fn pcie_rate(bytes_per_second: f64, link_max: f64) -> Reading<f64> {
    if (0.0..=link_max * LINK_SLACK).contains(&bytes_per_second) {
        Reading::Is(bytes_per_second)
    } else {
        Reading::Not(Gap::Failed)
    }
}

/// Bytes in one unit of a rate as the driver words it; `None` for words that we do not know.
pub(super) fn rate_unit(unit: &str) -> Option<f64> {
    let unit = unit.trim().to_ascii_lowercase();
    let base = unit.strip_suffix("/s").or_else(|| unit.strip_suffix("/sec"))?;
    match base {
        "b" | "byte" | "bytes" => Some(1.0),
        "kb" => Some(1e3),
        "mb" => Some(1e6),
        "gb" => Some(1e9),
        "kib" => Some(1024.0),
        "mib" => Some(1_048_576.0),
        "gib" => Some(1_073_741_824.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_above_a_hundred_is_no_percentage() {
        assert_eq!(percent(37.0), Reading::Is(0.37));
        assert_eq!(percent(255.0), Reading::Not(Gap::Failed));
        assert_eq!(percent(f64::NAN), Reading::Not(Gap::Failed));
    }

    #[test]
    fn all_ones_means_that_the_driver_cannot_tell() {
        assert_eq!(memory(u64::MAX), Reading::Not(Gap::Unsupported));
        assert_eq!(memory(u64::MAX - 1), Reading::Not(Gap::Failed));
        assert_eq!(memory_used(2, 1), Reading::Not(Gap::Failed));
        assert_eq!(memory_used(1, u64::MAX), Reading::Is(1));
    }

    #[test]
    fn a_count_that_no_column_holds_is_none() {
        assert_eq!(counter(3, 1024), Reading::Is(3072));
        assert_eq!(counter(u64::MAX, 1), Reading::Not(Gap::Unsupported));
        assert_eq!(counter(1 << 50, 1024), Reading::Not(Gap::Failed));
    }

    #[test]
    fn a_draw_far_above_the_limit_is_garbage() {
        assert_eq!(power(110.0, Reading::Is(100.0)), Reading::Is(110.0));
        assert_eq!(power(593.0, Reading::Is(100.0)), Reading::Not(Gap::Failed));
        assert_eq!(power(9e9, Reading::Not(Gap::Unsupported)), Reading::Not(Gap::Failed));
    }

    #[test]
    fn a_rate_above_the_link_is_garbage() {
        let link = link_bytes_per_second(4, 16);
        assert!(pcie_rate(31e9, link).is());
        assert_eq!(pcie_rate(1.2e12, link), Reading::Not(Gap::Failed));
    }

    #[test]
    fn a_rate_is_read_by_its_unit_and_not_without() {
        assert_eq!(rate_unit("MiB/s"), Some(1_048_576.0));
        assert_eq!(rate_unit("bytes/sec"), Some(1.0));
        assert_eq!(rate_unit("%"), None);
        assert_eq!(rate_unit(""), None);
    }
}
