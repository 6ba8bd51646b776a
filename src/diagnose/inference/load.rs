//! What served models did over a window: differences of their servers' counts, and their gauges.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::histogram::Histogram;
use crate::model::sample::GpuProcSample;
use crate::model::server::{LatencySample, Measure, ServerInfo, ServerSample};
use crate::model::{Inventory, Pid, Reading, Sample, ServerId, Stamp};

/// Steps of a process tree that are climbed from a process on a GPU to the server that started it.
const MAX_CLIMB: usize = 8;
/// Served models that are followed at once.
const MAX_SERVERS: usize = 256;
/// Steps of a histogram that are kept.
const MAX_STEPS: usize = 128;
/// Parts into which the range of a share is cut to keep how often each was seen.
const PARTS: usize = 100;

/// One answer of a server.
#[derive(Clone, Debug)]
pub(in crate::diagnose) struct Point {
    pub(in crate::diagnose) stamp: Stamp,
    pub(in crate::diagnose) row: ServerSample,
    latencies: BTreeMap<Measure, Histogram>,
    /// The most device memory that its processes held since the answer before.
    memory: Option<u64>,
}

/// Follows one served model from tick to tick.
#[derive(Clone, Debug, Default)]
pub(in crate::diagnose) struct Follower {
    reads: Option<u64>,
    memory: Option<u64>,
    latencies: BTreeMap<Measure, Histogram>,
}

impl Follower {
    /// The server's answer, where this tick holds a new one.
    pub(in crate::diagnose) fn take(
        &mut self,
        sample: &Sample,
        row: &ServerSample,
    ) -> Option<Point> {
        let held = memory(sample, row.server);
        self.memory = self.memory.max(held);
        let reads = row.reads_total.ok()?;
        if self.reads == Some(reads) {
            return None;
        }
        self.reads = Some(reads);
        let told = histograms(&sample.latencies, row.server);
        // The tick that held them may be missing; they come again with the next answer.
        if !told.is_empty() {
            self.latencies = told;
        }
        Some(Point {
            stamp: sample.stamp,
            row: row.clone(),
            latencies: self.latencies.clone(),
            memory: self.memory.take(),
        })
    }
}

/// Device memory that the processes of a server hold, all GPUs together. `None` where it is not
/// known which they are, or none of them holds any.
fn memory(sample: &Sample, server: ServerId) -> Option<u64> {
    let names = &sample.inventory;
    let root = names.server(server)?.pid?;
    let own = |held: &&GpuProcSample| is_below(names, held.pid, root);
    let bytes = sample.gpu_procs.iter().filter(own).filter_map(|held| held.memory_used_bytes.ok());
    let sum = bytes.fold(0_u64, u64::saturating_add);
    (sum > 0).then_some(sum)
}

/// Whether a process is `root` or was started by it or by one that it started.
pub(super) fn is_below(names: &Inventory, pid: Pid, root: Pid) -> bool {
    let parent = |pid: &Pid| names.proc(*pid).map(|info| info.parent);
    std::iter::successors(Some(pid), parent).take(MAX_CLIMB).any(|pid| pid == root)
}

fn histograms(rows: &[LatencySample], server: ServerId) -> BTreeMap<Measure, Histogram> {
    let mut all: BTreeMap<Measure, Histogram> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.server == server) {
        let Some(measure) = Measure::from_code(&row.measure) else { continue };
        let Some(count) = row.count_total.ok() else { continue };
        let Some(edge) = row.edge.parse::<f64>().ok().filter(|edge| !edge.is_nan()) else {
            continue;
        };
        let histogram = all.entry(measure).or_default();
        if edge.is_infinite() {
            histogram.count = count;
            histogram.seconds = row.sum_seconds_total.ok();
        } else if histogram.steps.len() < MAX_STEPS {
            histogram.steps.push((edge, count));
        }
    }
    for histogram in all.values_mut() {
        histogram.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        histogram.steps.dedup_by(|a, b| a.0.to_bits() == b.0.to_bits());
    }
    all
}

/// How often each part of a share was seen.
#[derive(Clone, Debug)]
struct Seen([u32; PARTS + 1]);

impl Default for Seen {
    fn default() -> Self {
        Self([0; PARTS + 1])
    }
}

impl Seen {
    fn add(&mut self, share: f64) {
        let part = (share.clamp(0.0, 1.0) * PARTS as f64).ceil() as usize;
        if let Some(count) = self.0.get_mut(part) {
            *count += 1;
        }
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let all: u32 = self.0.iter().sum();
        let mut below = 0;
        let found = self.0.iter().position(|count| {
            below += count;
            all > 0 && f64::from(below) >= share * f64::from(all)
        });
        found.map(|part| part as f64 / PARTS as f64)
    }
}

/// What one served model did between the first and the last answer of a window.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Who it is.
    pub server: ServerId,
    /// Its names; those of the last answer.
    pub info: Arc<ServerInfo>,
    /// From the first answer to the last, in milliseconds since the Unix epoch.
    pub span: (i64, i64),
    /// Seconds from the first answer to the last.
    pub seconds: f64,
    /// Answers of the server within.
    pub reads: u32,
    /// Requests that ended. `None`, as below, where the server does not count them.
    pub requests: Option<u64>,
    /// Of those, requests that failed.
    pub failed: Option<u64>,
    /// Tokens of prompts.
    pub prompt_tokens: Option<u64>,
    /// Tokens that were generated.
    pub generated_tokens: Option<u64>,
    /// Requests that were put back for want of cache.
    pub preemptions: Option<u64>,
    /// Batches, and the inferences in them.
    pub batches: Option<(u64, u64)>,
    /// Latencies, by what they are measured between.
    pub latencies: BTreeMap<Measure, Histogram>,
    /// The most requests that were computed at once.
    pub running_most: Option<u64>,
    /// Answers with requests waiting, and answers that told how many wait.
    pub waiting: (u32, u32),
    /// Mean number of requests waiting in the first and the second half of the answers.
    pub waiting_halves: Option<(f64, f64)>,
    /// The most device memory that its processes held, in bytes.
    pub memory_most: Option<u64>,
    /// The server's own quantiles (p50, p95, p99) in seconds: least and most of all answers.
    pub summaries: [Option<(f64, f64)>; 3],
    kv: Seen,
    depths: Vec<u64>,
    last: Option<Point>,
}

impl Load {
    /// What the answers of a window come to, oldest first.
    pub(in crate::diagnose) fn of<'a>(
        info: Arc<ServerInfo>,
        points: impl Iterator<Item = &'a Point>,
    ) -> Self {
        let mut load = Self { server: info.server, info, ..Self::default() };
        for point in points {
            load.add(point);
        }
        load.finish();
        load
    }

    /// The share of the cache for keys and values that 95 % of the answers stayed within.
    pub fn kv_p95(&self) -> Option<f64> {
        self.kv.quantile(0.95)
    }

    /// A rate over the window; `None` before it has a length.
    pub fn rate(&self, count: Option<u64>) -> Option<f64> {
        count.filter(|_| self.seconds > 0.0).map(|count| count as f64 / self.seconds)
    }

    /// Whether requests wait in at least half of the answers, and more of them towards the end.
    pub fn queue_grows(&self) -> bool {
        let (waiting, told) = self.waiting;
        told > 1
            && 2 * waiting >= told
            && self.waiting_halves.is_some_and(|(first, second)| second > first)
    }

    fn add(&mut self, point: &Point) {
        let row = &point.row;
        if let Some(before) = &self.last {
            let then = &before.row;
            self.seconds += point.stamp.seconds_since(before.stamp);
            rise(&mut self.requests, then.requests_total, row.requests_total);
            rise(&mut self.failed, then.failed_requests_total, row.failed_requests_total);
            rise(&mut self.prompt_tokens, then.prompt_tokens_total, row.prompt_tokens_total);
            let tokens = (then.generated_tokens_total, row.generated_tokens_total);
            rise(&mut self.generated_tokens, tokens.0, tokens.1);
            rise(&mut self.preemptions, then.preemptions_total, row.preemptions_total);
            let (mut batches, mut batched) = self.batches.unzip();
            rise(&mut batches, then.batches_total, row.batches_total);
            rise(&mut batched, then.batched_total, row.batched_total);
            self.batches = batches.zip(batched);
            for (measure, now) in &point.latencies {
                let added = before.latencies.get(measure).map(|before| now.since(before));
                if let Some(added) = added {
                    self.latencies.entry(*measure).or_default().add(&added);
                }
            }
            // Memory that was held before the window began is not of it.
            self.memory_most = self.memory_most.max(point.memory);
        } else {
            self.span.0 = point.stamp.unix_ms;
        }
        self.gauges(row);
        self.span.1 = point.stamp.unix_ms;
        self.reads += 1;
        self.last = Some(point.clone());
    }

    fn gauges(&mut self, row: &ServerSample) {
        self.running_most = self.running_most.max(row.running.ok());
        if let Some(waiting) = row.waiting.ok() {
            self.waiting.0 += u32::from(waiting > 0);
            self.waiting.1 += 1;
            self.depths.push(waiting);
        }
        if let Some(used) = row.kv_used_ratio.ok() {
            self.kv.add(used);
        }
        let own = [row.summary_p50_seconds, row.summary_p95_seconds, row.summary_p99_seconds];
        for (kept, told) in self.summaries.iter_mut().zip(own) {
            let Some(told) = told.ok() else { continue };
            let (least, most) = kept.unwrap_or((told, told));
            *kept = Some((least.min(told), most.max(told)));
        }
    }

    /// Compares the halves of the window. A window of days is halved in the number of its answers.
    fn finish(&mut self) {
        let depths = &self.depths;
        let mean = |part: &[u64]| {
            let sum: f64 = part.iter().map(|depth| *depth as f64).sum();
            sum / part.len().max(1) as f64
        };
        let halves =
            depths.split_at_checked(depths.len() / 2).filter(|(first, _)| !first.is_empty());
        self.waiting_halves = halves.map(|(first, second)| (mean(first), mean(second)));
    }
}

/// Adds what a count rose by. A count that fell began anew, and all of it is new.
fn rise(sum: &mut Option<u64>, before: Reading<u64>, now: Reading<u64>) {
    let Some((before, now)) = before.ok().zip(now.ok()) else { return };
    let added = now.checked_sub(before).unwrap_or(now);
    *sum = Some(sum.unwrap_or_default().saturating_add(added));
}

/// What all served models did over all samples that were taken.
#[derive(Clone, Debug, Default)]
pub struct Loads {
    servers: BTreeMap<ServerId, (Follower, Load)>,
}

impl Loads {
    /// Adds a sample. They must come in the order of time.
    pub fn take(&mut self, sample: &Sample) {
        for row in &sample.servers {
            if self.servers.len() >= MAX_SERVERS && !self.servers.contains_key(&row.server) {
                continue;
            }
            let (follower, load) = self.servers.entry(row.server).or_default();
            if let Some(point) = follower.take(sample, row) {
                load.add(&point);
            }
            load.server = row.server;
            let names = &sample.inventory.servers;
            if let Some(info) = names.iter().find(|info| info.server == row.server)
                && load.info != *info
            {
                load.info = Arc::clone(info);
            }
        }
    }

    /// The loads by now, in the order of the servers' numbers.
    pub fn all(&self) -> Vec<Load> {
        let finished = |(_, load): &(Follower, Load)| {
            let mut load = load.clone();
            load.finish();
            load
        };
        self.servers.values().map(finished).collect()
    }
}
