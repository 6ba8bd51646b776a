//! Where ticks are missing between two samples, and why, as far as the two tell.

use crate::model::{Event, EventKind, Sample};

/// A wall clock that differs from the monotonic one by more than this was set.
const CLOCK_JUMP_MS: i64 = 2_000;

/// The gap between two samples of one sampler, with its reason; `None` where they follow one another.
pub(super) fn between(before: &Sample, now: &Sample, interval_ms: u64) -> Option<Event> {
    let (from, to) = (before.stamp, now.stamp);
    let boots = (&before.inventory.host.boot_id, &now.inventory.host.boot_id);
    let wall = to.unix_ms.saturating_sub(from.unix_ms);
    let title = if boots.0 != boots.1 {
        "the box was booted anew".to_owned()
    } else if to.mono_ms < from.mono_ms {
        "the monotonic clock ran backwards".to_owned()
    } else {
        let span = to.mono_ms - from.mono_ms;
        let jump = wall.saturating_sub_unsigned(span);
        let missing = now.seq.saturating_sub(before.seq).saturating_sub(1);
        if jump.abs() > CLOCK_JUMP_MS {
            format!("the wall clock was set by {:+.1} s", jump as f64 / 1e3)
        } else if missing > 0 {
            format!("{missing} ticks are missing: mltop was too late to take or to keep them")
        } else if span > interval_ms.max(100).saturating_mul(3) {
            let seconds = span as f64 / 1e3;
            format!("no tick for {seconds:.1} s: the box slept, or mltop was stopped")
        } else {
            return None;
        }
    };
    Some(Event::of(EventKind::Gap, to.unix_ms, from.unix_ms.min(to.unix_ms), title))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::inventory::HostInfo;
    use crate::model::{Inventory, Stamp};

    fn sample(seq: u64, mono_ms: u64, unix_ms: i64, boot: &str) -> Sample {
        let host = Arc::new(HostInfo { boot_id: boot.into(), ..HostInfo::default() });
        let inventory = Arc::new(Inventory { host, ..Inventory::default() });
        Sample { seq, stamp: Stamp { unix_ms, mono_ms }, inventory, ..Sample::default() }
    }

    fn title(now: &Sample) -> Option<String> {
        between(&sample(4, 10_000, 500_000, "a"), now, 1000).map(|event| event.title)
    }

    #[test]
    fn two_ticks_that_follow_one_another_have_no_gap() {
        assert_eq!(title(&sample(5, 11_000, 501_003, "a")), None);
        assert_eq!(title(&sample(5, 12_900, 502_900, "a")), None, "late by less than three ticks");
    }

    #[test]
    fn a_gap_tells_its_reason() {
        let cases = [
            (sample(0, 3_000, 560_000, "b"), "booted anew"),
            (sample(5, 11_000, 3_501_000, "a"), "set by +3000.0 s"),
            (sample(5, 11_000, 401_000, "a"), "set by -100.0 s"),
            (sample(9, 15_000, 505_000, "a"), "4 ticks are missing"),
            (sample(5, 50_000, 540_000, "a"), "no tick for 40.0 s"),
            (sample(5, 9_000, 499_000, "a"), "ran backwards"),
        ];
        for (now, why) in cases {
            let title = title(&now).unwrap();
            assert!(title.contains(why), "{title}");
        }
    }
}
