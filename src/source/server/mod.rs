//! Inference servers: found on this box or named, and their own metrics read.
//!
//! A server may be slow or stuck, so a thread of its own reads them, one after the other, every five
//! seconds, each with a deadline and a cap; the caller takes what is known. Nothing is asked of a
//! server but its metrics.

pub mod answer;
mod dialect;
pub mod discover;
pub mod http;
pub mod prometheus;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::root::Roots;
use super::trainer::ProcSeen;
use crate::model::Pid;
use crate::model::inventory::{SourceState, SourceStatus};
use crate::model::server::{LatencySample, ServerInfo, ServerSample};
use discover::Endpoint;
use http::Client;
use rows::Book;

pub use rows::Read;

/// Between two reads of a server: Prometheus itself reads every 15 s by default, and a window of a
/// minute wants more.
const EVERY: Duration = Duration::from_secs(5);
/// Endpoints that are read.
const MAX_ENDPOINTS: usize = 32;

/// What servers to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Look for servers on this box.
    pub find: bool,
    /// Servers that were named, by the URLs of their metrics.
    pub named: Vec<Box<str>>,
}

/// What is known of the servers by now.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Who they are.
    pub infos: Vec<Arc<ServerInfo>>,
    /// Their figures.
    pub samples: Vec<ServerSample>,
    /// Their latencies, of servers that were read since the look before.
    pub latencies: Vec<LatencySample>,
    /// The processes that listen.
    pub pids: BTreeSet<Pid>,
    /// How it fares; `None` where there is no server.
    pub status: Option<SourceStatus>,
}

#[derive(Debug, Default)]
struct Shared {
    candidates: Vec<(Pid, u64)>,
    /// The first candidates came: they are not kept waiting.
    begin: bool,
    read: Vec<Read>,
}

/// All servers, read by a thread of their own. Dropping it ends it.
#[derive(Debug)]
pub struct Servers {
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    book: Book,
    find: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Servers {
    /// Starts reading. Where the thread cannot be started there are no servers.
    pub fn start(roots: Roots, wanted: Wanted) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let find = wanted.find;
        let (slot, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let work = move || {
            let mut reader = Reader { roots, wanted, found: BTreeMap::new(), client: None };
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let candidates = lock(&slot).candidates.clone();
                let read = reader.round(&candidates, &stopped);
                lock(&slot).read = read;
                let waits = || !stopped.load(Ordering::Relaxed) && !lock(&slot).begin;
                while begun.elapsed() < EVERY && waits() {
                    thread::park_timeout(EVERY.saturating_sub(begun.elapsed()));
                }
                lock(&slot).begin = false;
            }
        };
        let thread = thread::Builder::new().name("servers".into()).spawn(work).ok();
        Self { shared, stop, thread, book: Book::default(), find }
    }

    /// Hands in the process table. A process that may be a server is looked at by the thread.
    pub fn watch(&mut self, seen: &[ProcSeen]) {
        if !self.find {
            return;
        }
        let may = seen.iter().filter(|process| discover::may_serve(&process.name));
        let candidates: Vec<(Pid, u64)> =
            may.map(|process| (process.pid, process.start_ticks)).collect();
        let mut shared = lock(&self.shared);
        if shared.candidates != candidates {
            let first = shared.candidates.is_empty();
            shared.begin |= first;
            shared.candidates = candidates;
            drop(shared);
            if let Some(thread) = self.thread.as_ref().filter(|_| first) {
                thread.thread().unpark();
            }
        }
    }

    /// What is known at `now`.
    pub fn look(&mut self, now: Instant) -> Look {
        let read = lock(&self.shared).read.clone();
        let mut look = self.book.rows(&read, now);
        look.status = status(&read);
        look
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Not joined: a server that does not answer must not keep the shell from its prompt.
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

fn status(read: &[Read]) -> Option<SourceStatus> {
    let trouble: Vec<&Read> = read.iter().filter(|read| read.trouble.is_some()).collect();
    let state = match trouble.len() {
        _ if read.is_empty() => return None,
        0 => SourceState::Ok,
        count if count == read.len() => SourceState::Failed,
        _ => SourceState::Partial,
    };
    let first = trouble.first();
    let message = first.map(|read| {
        let why = read.trouble.as_deref().unwrap_or_default();
        format!("{} at {}: {why}.", read.kind, read.url)
    });
    let remedy = first.map(|read| remedy(read.kind)).unwrap_or_default();
    Some(SourceStatus {
        source: "servers".into(),
        state,
        message: message.unwrap_or_default().into(),
        remedy: remedy.into(),
    })
}

/// What makes a server's metrics readable.
fn remedy(kind: &str) -> &'static str {
    match kind {
        "sglang" => {
            "start sglang with --enable-metrics, or name them: --server http://HOST:PORT/metrics"
        }
        "triton" => {
            "start tritonserver with --allow-metrics=true, or name them: --server http://HOST:PORT/metrics"
        }
        "torchserve" => {
            "set metrics_address in config.properties to http://127.0.0.1:8082, or name them: --server http://HOST:PORT/metrics"
        }
        "ray-serve" => {
            "start ray with --metrics-export-port=8080, or name its metrics: --server http://HOST:PORT/metrics"
        }
        _ => "name its metrics: --server http://HOST:PORT/metrics",
    }
}

/// The thread's side.
struct Reader {
    roots: Roots,
    wanted: Wanted,
    /// Processes that were looked at; those that are no server too. One that does not listen yet is
    /// looked at again.
    found: BTreeMap<(Pid, u64), Option<Endpoint>>,
    client: Option<Client>,
}

impl Reader {
    fn round(&mut self, candidates: &[(Pid, u64)], stopped: &AtomicBool) -> Vec<Read> {
        self.found.retain(|known, _| candidates.contains(known));
        for candidate in candidates {
            let known = self.found.get(candidate);
            if known.is_none_or(|known| known.as_ref().is_none_or(|known| known.place.is_err())) {
                self.found.insert(*candidate, discover::endpoint(&self.roots, candidate.0));
            }
        }
        let mut places = BTreeSet::new();
        let mut read = Vec::new();
        let named = self.wanted.named.clone();
        for url in named {
            if !stopped.load(Ordering::Relaxed) && places.insert(url.clone()) {
                read.push(self.read(url, None, ""));
            }
        }
        let endpoints: Vec<Endpoint> = self.found.values().flatten().cloned().collect();
        for endpoint in endpoints.into_iter().take(MAX_ENDPOINTS) {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let (pid, kind) = (Some(endpoint.pid), endpoint.kind);
            match endpoint.place {
                Ok(place) => {
                    let url: Box<str> = format!("http://{place}/metrics").into();
                    // Processes of one server may share its socket.
                    if places.insert(url.clone()) {
                        read.push(self.read(url, pid, kind));
                    }
                }
                Err(why) => {
                    read.push(Read::trouble(format!("pid {}", endpoint.pid), pid, kind, why));
                }
            }
        }
        read
    }

    fn read(&mut self, url: Box<str>, pid: Option<Pid>, kind: &'static str) -> Read {
        let client = self.client.get_or_insert_default();
        let at = Instant::now();
        match client.get(&url).map(|text| answer::read(&text)) {
            Ok(Some(answer)) => Read::answered(url, pid, answer, at),
            Ok(None) => Read::trouble(
                url,
                pid,
                kind,
                "its answer holds no metric of a server that is known",
            ),
            Err(trouble) => Read::trouble(url, pid, kind, trouble.to_string()),
        }
    }
}
