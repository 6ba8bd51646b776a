//! Block devices.

use super::counter::{mean, rate, rises, share_of_time};
use crate::model::frame::DiskRates;
use crate::model::sample::DiskSample;

pub(super) fn rates(prev: Option<&DiskSample>, now: &DiskSample, seconds: f64) -> DiskRates {
    let (reads, read_bytes, read_seconds, writes, write_bytes, write_seconds, busy, queue) = rises!(prev, now;
        reads_total, read_bytes_total, read_seconds_total, writes_total, write_bytes_total,
        write_seconds_total, busy_seconds_total, queue_seconds_total);
    DiskRates {
        disk: now.disk.clone(),
        read_bytes_per_second: rate(read_bytes, seconds),
        write_bytes_per_second: rate(write_bytes, seconds),
        reads_per_second: rate(reads, seconds),
        writes_per_second: rate(writes, seconds),
        write_await_seconds: mean(write_seconds, writes),
        read_size_bytes: mean(read_bytes, reads),
        read_await_seconds: mean(read_seconds, reads),
        busy_ratio: share_of_time(busy, seconds),
        queue: rate(queue, seconds),
    }
}
