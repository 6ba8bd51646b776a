//! The last answers of every served model, for rules that look back over a window.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::load::{Follower, Load, Point};
use crate::model::server::ServerInfo;
use crate::model::{Frame, GpuId, Pid, Sample, ServerId};

/// Served models that are followed at once.
const MAX_SERVERS: usize = 64;
/// Without an answer for so long nothing is known of a server.
const SILENT_MS: u64 = 60_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) info: Arc<ServerInfo>,
    follower: Follower,
    points: VecDeque<Point>,
}

/// Their answers, each over so many seconds.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    seconds: f64,
    most: usize,
    servers: BTreeMap<ServerId, Kept>,
}

impl Recent {
    /// Keeps `seconds` of answers, and no more than `most` of each model.
    pub(super) fn over(seconds: f64, most: usize) -> Self {
        Self { seconds, most, servers: BTreeMap::new() }
    }

    /// Takes a tick; gives the models that answered anew in it.
    pub(super) fn take(&mut self, frame: &Frame) -> Vec<ServerId> {
        let sample = &frame.sample;
        let mut fresh = Vec::new();
        for row in &sample.servers {
            if self.servers.len() >= MAX_SERVERS && !self.servers.contains_key(&row.server) {
                continue;
            }
            let kept = self.servers.entry(row.server).or_default();
            let names = &sample.inventory.servers;
            if let Some(info) = names.iter().find(|info| info.server == row.server)
                && kept.info != *info
            {
                kept.info = Arc::clone(info);
            }
            let Some(point) = kept.follower.take(sample, row) else { continue };
            fresh.push(row.server);
            kept.points.push_back(point);
            // One answer more than the window holds: counts are differences to it.
            while kept.points.len() > self.most
                || kept
                    .points
                    .get(1)
                    .is_some_and(|second| sample.stamp.seconds_since(second.stamp) > self.seconds)
            {
                kept.points.pop_front();
            }
        }
        let now_ms = sample.stamp.mono_ms;
        self.servers.retain(|id, kept| {
            sample.servers.iter().any(|row| row.server == *id)
                && kept
                    .points
                    .back()
                    .is_none_or(|last| now_ms.saturating_sub(last.stamp.mono_ms) <= SILENT_MS)
        });
        fresh
    }

    /// Whether a model is still served, and answers.
    pub(super) fn has(&self, server: ServerId) -> bool {
        self.servers.contains_key(&server)
    }

    /// What a model did over the last `seconds`.
    pub(super) fn load(&self, server: ServerId, seconds: f64) -> Option<Load> {
        let kept = self.servers.get(&server)?;
        let last = kept.points.back()?.stamp;
        let within =
            kept.points.iter().rev().take_while(|point| last.seconds_since(point.stamp) <= seconds);
        let count = within.count();
        // The answer before the window is where its counts begin.
        let start = kept.points.len().saturating_sub(count + 1);
        Some(Load::of(Arc::clone(&kept.info), kept.points.range(start..)))
    }
}

/// The GPUs that a process and those below it hold memory of.
pub(super) fn gpus(sample: &Sample, pid: Option<Pid>) -> Vec<GpuId> {
    let Some(pid) = pid else { return Vec::new() };
    let names = &sample.inventory;
    let own = sample.gpu_procs.iter().filter(|held| super::load::is_below(names, held.pid, pid));
    let mut gpus: Vec<GpuId> = own.map(|held| held.gpu).collect();
    gpus.sort_unstable();
    gpus.dedup();
    gpus
}
