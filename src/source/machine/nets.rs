//! Network interfaces (`/proc/net/dev`).
//!
//! Parsed here: procfs drops every interface for one odd line, and takes `eth0:123`, as kernels
//! print it without a blank once the number is long, for a name.

use super::file::whole_lines;
use crate::model::reading::{Gap, Reading};
use crate::model::sample::NetSample;
use crate::source::text::clean;

/// Rows beyond this are not kept: a box with many containers has a `veth` for each.
const MOST: usize = 256;

/// The interfaces, by name, without loopback: batches never leave the box through it.
pub(super) fn parse(text: &str) -> Vec<NetSample> {
    let mut rows: Vec<NetSample> = whole_lines(text)
        .filter_map(row)
        .filter(|row| &*row.interface != "lo")
        .take(MOST)
        .collect();
    rows.sort_by(|a, b| a.interface.cmp(&b.interface));
    rows.dedup_by(|a, b| a.interface == b.interface);
    rows
}

fn row(line: &str) -> Option<NetSample> {
    // The name itself may hold a colon (`eth0:1`); the counters never do.
    let (name, counters) = line.rsplit_once(':')?;
    let words: Vec<&str> = counters.split_ascii_whitespace().collect();
    if words.len() < 16 {
        return None;
    }
    let count = |index: usize| Reading::from_option(words[index].parse().ok(), Gap::Failed);
    Some(NetSample {
        interface: clean(name.trim().as_bytes(), 32),
        rx_bytes_total: count(0),
        tx_bytes_total: count(8),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_right_after_the_colon_is_no_part_of_the_name() {
        let rows = parse("  eth0:123 1 0 0 0 0 0 0 456 2 0 0 0 0 0 0\n");
        assert_eq!(&*rows[0].interface, "eth0");
        assert_eq!(rows[0].rx_bytes_total, Reading::Is(123));
        assert_eq!(rows[0].tx_bytes_total, Reading::Is(456));
    }

    #[test]
    fn headers_and_loopback_are_no_interfaces() {
        let head = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n";
        assert!(parse(&format!("{head}    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n")).is_empty());
    }

    proptest! {
        #[test]
        fn any_interfaces_are_read_without_panic(text in "([0-9]{1,22} |eth0:|:|\n|Ω| ){0,60}") {
            parse(&text);
        }
    }
}
