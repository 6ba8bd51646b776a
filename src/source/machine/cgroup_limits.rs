//! The texts in which the kernel gives the limits of a control group.

use super::file::whole_lines;
use crate::model::reading::{Gap, Reading};

/// The number of CPUs in a list as `0-3,8,10-11`.
pub(super) fn cpus_in(text: &str) -> Option<u64> {
    let mut count = 0u64;
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count += u64::from(last.checked_sub(first)?) + 1;
    }
    Some(count)
}

/// The lowest read limit of `8:0 rbps=1048576 wbps=max …` (v2) or `8:0 1048576` (v1) lines.
pub(super) fn lowest_read_limit(text: &str, v2: bool) -> Reading<u64> {
    let mut lowest: Option<u64> = None;
    for line in whole_lines(text) {
        let mut words = line.split_ascii_whitespace().skip(1);
        let word =
            if v2 { words.find_map(|word| word.strip_prefix("rbps=")) } else { words.next() };
        match word.map(|word| (word, word.parse::<u64>())) {
            Some((_, Ok(limit))) => lowest = Some(lowest.map_or(limit, |low| low.min(limit))),
            Some(("max", _)) => {}
            None if v2 && line.contains('=') => {}
            Some(_) | None => return Reading::Not(Gap::Failed),
        }
    }
    Reading::from_option(lowest, Gap::NotApplicable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_read_limit_of_any_device_counts() {
        let v2 = "8:0 rbps=2000 wbps=max riops=max wiops=max\n8:16 rbps=1000 wbps=5\n";
        assert_eq!(lowest_read_limit(v2, true), Reading::Is(1000));
        assert_eq!(lowest_read_limit("8:0 300\n8:16 200\n", false), Reading::Is(200));
        assert_eq!(
            lowest_read_limit("8:0 rbps=max wbps=1\n", true),
            Reading::Not(Gap::NotApplicable)
        );
        assert_eq!(lowest_read_limit("", true), Reading::Not(Gap::NotApplicable));
    }

    #[test]
    fn cpus_are_counted_from_ranges() {
        assert_eq!(cpus_in("0-3,8,10-11\n"), Some(7));
        assert_eq!(cpus_in("3-0"), None);
        assert_eq!(cpus_in(""), None);
    }

    proptest! {
        #[test]
        fn any_list_of_cpus_is_read_without_panic(text in "[0-9,\\-a ]{0,40}") {
            cpus_in(&text);
        }

        #[test]
        fn any_io_limit_is_read_without_panic(text in "([0-9]{1,22}| |:|rbps=|max|\n){0,30}", v2: bool) {
            lowest_read_limit(&text, v2);
        }
    }
}
