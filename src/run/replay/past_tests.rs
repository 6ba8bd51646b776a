//! What is read of a session in slices is what is read of it at once, also where devices and loaders
//! come and go in the middle.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::diagnose::{Engine, Settings};
use crate::history::Track;
use crate::model::inventory::HostInfo;
use crate::model::sample::{DiskSample, GpuSample, LoaderSample};
use crate::model::{GpuId, LoaderId, Reading, Stamp};
use crate::record::{Options, SessionInfo, Sync, Writer};

use super::super::way::Way;
use super::*;

const TICKS: u64 = 120;
/// A card is there in these seconds, and a loader in the second half of them.
const THERE: std::ops::Range<u64> = 40..80;
const LOADS: std::ops::Range<u64> = 60..80;

const fn mono_ms(tick: u64) -> u64 {
    10_000 + tick * 1000
}

/// Two minutes in which a card, and then a loader, are there for a while, beside a disk that stays.
fn session(folder: &Path) -> SessionFile {
    let path = folder.join("s.mltop.jsonl.zst");
    let info = SessionInfo::new("s", HostInfo::default(), 1000, Stamp::default());
    let options = Options { sync: Sync::Never, ..Options::default() };
    let mut writer = Writer::start(&path, info, options).unwrap();
    let mut before: Option<Arc<Sample>> = None;
    for tick in 0..TICKS {
        let stamp = Stamp { unix_ms: mono_ms(tick) as i64, mono_ms: mono_ms(tick) };
        let mut sample = Sample { seq: tick, stamp, ..Sample::default() };
        sample.disks.push(DiskSample {
            disk: "sda".into(),
            read_bytes_total: Reading::Is(tick * tick * 4096),
            ..DiskSample::default()
        });
        if THERE.contains(&tick) {
            let utilization_ratio = Reading::Is(tick as f64 / 1000.0);
            sample.gpus.push(GpuSample {
                gpu: GpuId(0),
                utilization_ratio,
                ..GpuSample::default()
            });
        }
        if LOADS.contains(&tick) {
            let ready = Reading::Is(tick % 7);
            sample.loaders.push(LoaderSample {
                loader: LoaderId(1),
                ready,
                ready_min: ready,
                ready_max: ready,
                ..LoaderSample::default()
            });
        }
        let frame = frame((before.replace(Arc::new(sample.clone())), Arc::new(sample)));
        writer.tick_waiting(frame, Vec::new());
    }
    writer.end(0, "over").unwrap();
    SessionFile::open(&path).unwrap().0
}

/// Every value of every plot, and why the newest is missing where it is.
fn plots(history: &History) -> BTreeMap<Track, (Vec<Option<f32>>, Option<crate::model::Gap>)> {
    let values = |track: &Track| {
        (0..TICKS).map(|tick| history.value_at(track, mono_ms(tick))).collect::<Vec<_>>()
    };
    let tracks = history.tracks();
    tracks.map(|track| (track.clone(), (values(track), history.gap_reason(track)))).collect()
}

fn far() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

#[test]
fn a_stretch_read_in_slices_is_the_stretch_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = session(folder.path());
    for (from, to) in [(0, TICKS), (30, 50), (70, 100), (45, 55)] {
        let mut whole = Past::around(&file, mono_ms(from), mono_ms(to));
        whole.read(&file, far());
        assert!(whole.is_whole());
        let mut sliced = Past::around(&file, mono_ms(from), mono_ms(to));
        let mut slices = 0;
        while !sliced.is_whole() {
            // The time is over at once: a slice is one tick.
            sliced.read(&file, Instant::now());
            slices += 1;
        }
        assert!(slices > to - from, "{slices} slices of {from} to {to}");
        assert_eq!(plots(&whole.history), plots(&sliced.history), "{from} to {to}");
    }
}

#[test]
fn what_came_and_went_is_plotted_where_it_was_and_is_a_gap_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = session(folder.path());
    let mut past = Past::around(&file, mono_ms(0), mono_ms(TICKS));
    past.read(&file, far());
    let plots = plots(&past.history);
    for (track, there) in
        [(Track::GpuUtil(GpuId(0)), THERE), (Track::LoaderReady(LoaderId(1)), LOADS)]
    {
        let (values, gap) = &plots[&track];
        // Where the last one stood is a gap like any other, and it says that it is lost.
        assert!(gap.is_some(), "{track:?}");
        for (tick, value) in (0..TICKS).zip(values) {
            assert!(there.contains(&tick) || value.is_none(), "{track:?} at {tick}: {value:?}");
        }
        let known = values.iter().flatten().count() as u64;
        assert!(known + 1 >= there.end - there.start, "{track:?}: {known}");
    }
    let utilization = &plots[&Track::GpuUtil(GpuId(0))].0;
    assert_eq!(utilization[50], Some(0.05));
    // Far from all of it there is nothing to plot of what is not there.
    let mut early = Past::around(&file, mono_ms(5), mono_ms(15));
    early.read(&file, far());
    assert!(!early.history.tracks().any(|track| *track == Track::GpuUtil(GpuId(0))));
}

#[test]
fn the_way_to_a_moment_in_slices_ends_where_the_way_at_once_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = session(folder.path());
    for at in [20, 50, 79, 80, 110] {
        let set_out = || {
            let (_, target) = file.at(mono_ms(at)).unwrap();
            Way::new(&file, Engine::new(Settings::default()), None, target)
        };
        let (mut whole, mut sliced) = (set_out(), set_out());
        assert!(whole.go_on(&file, far()));
        let mut slices = 0;
        while !sliced.go_on(&file, Instant::now()) {
            slices += 1;
        }
        assert!(slices >= at, "{slices} slices to {at}");
        assert_eq!(plots(&whole.drawn.history), plots(&sliced.drawn.history), "{at}");
        let newest = |way: &Way| way.drawn.history.latest().map(|frame| frame.sample.seq);
        assert_eq!((newest(&whole), newest(&sliced)), (Some(at - 1), Some(at - 1)));
    }
}
