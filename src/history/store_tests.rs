use super::*;
use crate::model::sample::GpuSample;
use crate::model::{GpuId, Sample, Stamp};

const GPU: Track = Track::GpuUtil(GpuId(0));

fn frame(mono_ms: u64, utils: &[Reading<f64>]) -> Arc<Frame> {
    let gpus = (0_u32..).zip(utils).map(|(gpu, util)| GpuSample {
        gpu: GpuId(gpu),
        utilization_ratio: *util,
        ..GpuSample::default()
    });
    let stamp = Stamp { unix_ms: 0, mono_ms };
    Arc::new(Frame {
        sample: Arc::new(Sample { stamp, gpus: gpus.collect(), ..Sample::default() }),
        ..Frame::default()
    })
}

fn history(points: &[(u64, f64)]) -> History {
    let mut history = History::new(64);
    for (at_ms, value) in points {
        history.push(&frame(*at_ms, &[Reading::Is(*value)]));
    }
    history
}

fn means(buckets: &[Option<Bucket>]) -> Vec<Option<f32>> {
    buckets.iter().map(|bucket| bucket.map(|bucket| bucket.mean)).collect()
}

#[test]
fn a_part_holds_the_range_and_the_mean_of_what_fell_into_it() {
    let history = history(&[(1000, 0.5), (2000, 0.1), (3000, 0.3), (4000, 0.8)]);
    let buckets = history.buckets(&GPU, 0, 4000, 2);
    assert_eq!(means(&buckets), [Some(0.3), Some(0.55)]);
    assert_eq!(buckets[0].map(|bucket| (bucket.min, bucket.max)), Some((0.1, 0.5)));
}

#[test]
fn fewer_samples_than_parts_fill_their_own_time_without_stripes() {
    let history = history(&[(1000, 0.25), (2000, 0.5), (3000, 0.75)]);
    let buckets = history.buckets(&GPU, 1000, 3000, 8);
    let expected = [0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75].map(Some);
    assert_eq!(means(&buckets), expected);
}

#[test]
fn a_hole_in_time_and_a_reading_without_value_both_stay_blank() {
    let mut history = history(&[(1000, 0.5), (2000, 0.5), (3000, 0.5)]);
    history.push(&frame(4000, &[Reading::Not(Gap::Late)]));
    assert_eq!(history.gap_reason(&GPU), Some(Gap::Late));
    history.push(&frame(9000, &[Reading::Is(0.5)]));
    let buckets = history.buckets(&GPU, 0, 9000, 9);
    let blank: Vec<usize> = (0..9).filter(|at| buckets[*at].is_none()).collect();
    assert_eq!(blank, [3, 4, 5, 6, 7]);
    assert_eq!(history.value_at(&GPU, 6000), None);
    assert_eq!(history.value_at(&GPU, 2500), Some(0.5));
    assert_eq!(history.gap_reason(&GPU), None);
}

#[test]
fn over_several_gpus_the_range_is_of_any_and_the_mean_of_all() {
    let mut history = History::new(8);
    history.push(&frame(1000, &[Reading::Is(0.2), Reading::Is(0.8)]));
    let both = [GPU, Track::GpuUtil(GpuId(1)), Track::GpuUtil(GpuId(9))];
    let buckets = history.buckets_over(&both, 0, 1000, 1);
    assert_eq!(buckets, [Some(Bucket { min: 0.2, mean: 0.5, max: 0.8 })]);
}

#[test]
fn a_track_that_comes_later_has_no_past_and_one_that_goes_has_no_present() {
    let mut history = history(&[(1000, 0.5), (2000, 0.5)]);
    let second = Track::GpuUtil(GpuId(1));
    history.push(&frame(3000, &[Reading::Not(Gap::Lost), Reading::Is(0.9)]));
    assert_eq!(history.value_at(&second, 2000), None);
    assert_eq!(history.value_at(&second, 3000), Some(0.9));
    history.push(&frame(4000, &[]));
    assert_eq!(history.gap_reason(&second), Some(Gap::Lost));
    assert_eq!(means(&history.buckets(&second, 0, 4000, 4)), [None, None, Some(0.9), None]);
}

#[test]
fn the_oldest_moments_are_forgotten_and_tracks_that_ended_before_them_too() {
    let mut history = History::new(4);
    history.push(&frame(1000, &[Reading::Is(0.1), Reading::Is(0.2)]));
    for at in 2..=9 {
        history.push(&frame(at * 1000, &[Reading::Is(at as f64)]));
    }
    assert_eq!(history.span(), Some((6000, 9000)));
    assert_eq!(history.value_at(&GPU, 5000), None);
    assert_eq!(history.value_at(&GPU, 9000), Some(9.0));
    assert!(!history.tracks().any(|track| *track == Track::GpuUtil(GpuId(1))));
}

#[test]
fn a_jump_back_starts_anew_and_the_same_moment_again_changes_nothing() {
    let mut history = history(&[(5000, 0.5), (6000, 0.6)]);
    history.push(&frame(6000, &[Reading::Is(0.9)]));
    assert_eq!(history.value_at(&GPU, 6000), Some(0.6));
    history.push(&frame(1000, &[Reading::Is(0.1)]));
    assert_eq!(history.span(), Some((1000, 1000)));
    assert_eq!(history.latest().map(|frame| frame.sample.stamp.mono_ms), Some(1000));
}

#[test]
fn an_empty_span_or_an_unknown_track_gives_only_gaps() {
    let history = history(&[(1000, 0.5)]);
    assert_eq!(history.buckets(&GPU, 1000, 1000, 3), [None; 3]);
    assert_eq!(history.buckets(&GPU, 2000, 1000, 3), [None; 3]);
    assert_eq!(history.buckets(&Track::HostCpu, 0, 1000, 2), [None; 2]);
    assert!(history.buckets(&GPU, 0, 1000, 0).is_empty());
    assert_eq!(history.gap_reason(&Track::DiskRead("sda".into())), Some(Gap::NotYet));
}

#[test]
fn a_box_with_thousands_of_devices_does_not_grow_the_history_without_end() {
    let mut history = History::new(4);
    let utils = vec![Reading::Is(0.5); MAX_TRACKS + 100];
    history.push(&frame(1000, &utils));
    assert!(history.tracks().count() <= MAX_TRACKS);
}
