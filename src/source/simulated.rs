//! The demo's GPU: its figures follow the true steps of a real loop, and are labelled as simulated
//! wherever they are shown.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::gpu::GpuLook;
use super::sampler::fine;
use crate::model::inventory::GpuInfo;
use crate::model::sample::{GpuProcKind, GpuProcSample, GpuSample, PcieSource};
use crate::model::{Bound, Gap, GpuId, Pid, Reading};

/// Bytes of a report line that are looked at; the loop's own are about 60.
const LINE_CAP: u64 = 256;
/// A loop that reports nothing for so long has stopped.
const STALE: Duration = Duration::from_secs(5);

const MEMORY: u64 = 80 << 30;
const POWER_IDLE: f64 = 118.0;
const POWER_BUSY: f64 = 560.0;
const POWER_LIMIT: f64 = 700.0;

/// What the loop says that the GPU would have done.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Report {
    at: Instant,
    busy_seconds: f64,
    sent_bytes: u64,
    memory_bytes: u64,
}

/// A GPU that is not there.
#[derive(Debug)]
pub struct SimulatedGpu {
    latest: Arc<Mutex<Option<Report>>>,
    before: Option<Report>,
    begun: Instant,
    trainer: Pid,
}

impl SimulatedGpu {
    /// Follows the reports of the loop with this pid.
    pub fn follow(reports: impl Read + Send + 'static, trainer: Pid) -> std::io::Result<Self> {
        let latest = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&latest);
        thread::Builder::new().name("demo-gpu".into()).spawn(move || {
            let mut reports = BufReader::new(reports);
            let mut line = Vec::new();
            loop {
                line.clear();
                match reports.by_ref().take(LINE_CAP).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                if let Some(report) = parse(&line, Instant::now()) {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                }
            }
        })?;
        Ok(Self { latest, before: None, begun: Instant::now(), trainer })
    }

    /// The simulated card since the last look.
    pub fn look(&mut self, now: Instant) -> GpuLook {
        let latest = *self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = latest.filter(|report| now.duration_since(report.at) < STALE);
        let sample = match fresh {
            Some(report) => self.row(report, now),
            None => self.silent(latest.is_some()),
        };
        let held = fresh.map(|report| GpuProcSample {
            gpu: GpuId(0),
            pid: self.trainer,
            memory_used_bytes: Reading::Is(report.memory_bytes),
            kind: Reading::Is(GpuProcKind::Compute),
            sm_ratio: Reading::Not(Gap::Unsupported),
            ..GpuProcSample::default()
        });
        if fresh.is_some() {
            self.before = fresh;
        }
        GpuLook {
            infos: vec![Arc::new(info())],
            samples: vec![sample],
            procs: held.into_iter().collect(),
            status: fine("simulated gpu"),
            collector: None,
            others: Vec::new(),
        }
    }

    fn row(&self, report: Report, now: Instant) -> GpuSample {
        let utilization = match self.before {
            Some(before) if report.at > before.at => {
                let span = report.at.duration_since(before.at).as_secs_f64();
                let busy = (report.busy_seconds - before.busy_seconds) / span;
                Reading::Is((busy.clamp(0.0, 1.0) * 100.0).round() / 100.0)
            }
            // No step since the last look: an idle GPU, as the loop is alive.
            Some(_) => Reading::Is(0.0),
            None => Reading::Not(Gap::NotYet),
        };
        let power = utilization.map(|busy| POWER_IDLE + busy * (POWER_BUSY - POWER_IDLE));
        GpuSample {
            gpu: GpuId(0),
            utilization_ratio: utilization,
            memory_used_bytes: Reading::Is(report.memory_bytes),
            memory_total_bytes: Reading::Is(MEMORY),
            power_watts: power,
            power_limit_watts: Reading::Is(POWER_LIMIT),
            pcie_rx_bytes_total: Reading::Is(report.sent_bytes),
            pcie_tx_bytes_total: Reading::Is(report.sent_bytes / 16),
            pcie_source: Reading::Is(PcieSource::Counter),
            pcie_bound: Reading::Is(Bound::Exact),
            pcie_link_gen: Reading::Is(5),
            pcie_link_width: Reading::Is(16),
            pcie_link_gen_max: Reading::Is(5),
            pcie_link_width_max: Reading::Is(16),
            age_seconds: Reading::Is(now.duration_since(report.at).as_secs_f64()),
            // What the simulation has no model of.
            ..GpuSample::blank(GpuId(0), Gap::Unsupported)
        }
    }

    fn silent(&self, ever: bool) -> GpuSample {
        let starting = self.begun.elapsed() < STALE;
        let gap = if ever && !starting { Gap::Lost } else { Gap::NotYet };
        GpuSample::blank(GpuId(0), gap)
    }
}

/// What the card is, said to be a simulation wherever its name stands.
fn info() -> GpuInfo {
    GpuInfo {
        gpu: GpuId(0),
        uuid: "SIMULATED-0".into(),
        name: "Simulated GPU 80GB".into(),
        driver: "none".into(),
        memory_bytes: Some(MEMORY),
        simulated: true,
        ..GpuInfo::default()
    }
}

/// `busy-seconds sent-bytes memory-bytes phase`
fn parse(line: &[u8], at: Instant) -> Option<Report> {
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let busy_seconds = fields.next()?.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(Report {
        at,
        busy_seconds,
        sent_bytes: fields.next()?.parse().ok()?,
        memory_bytes: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_nonsense_is_not() {
        let now = Instant::now();
        let report = parse(b"1.5 100 200 disk\n", now).unwrap();
        assert_eq!((report.busy_seconds, report.sent_bytes, report.memory_bytes), (1.5, 100, 200));
        for bad in [&b"Traceback (most recent call last):\n"[..], b"", b"nan 1 2 x", b"\xff\xfe"] {
            assert_eq!(parse(bad, now), None);
        }
    }

    #[test]
    fn utilization_is_the_busy_share_between_two_looks_and_the_card_says_that_it_is_simulated() {
        let mut gpu = SimulatedGpu::follow(std::io::empty(), Pid(7)).unwrap();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let report = |at, busy_seconds| Report { at, busy_seconds, sent_bytes: 0, memory_bytes: 0 };
        *gpu.latest.lock().unwrap() = Some(report(start, 10.0));
        assert_eq!(gpu.look(start).samples[0].utilization_ratio, Reading::Not(Gap::NotYet));
        *gpu.latest.lock().unwrap() = Some(report(start + second, 10.4));
        let look = gpu.look(start + second);
        assert_eq!(look.samples[0].utilization_ratio, Reading::Is(0.4));
        assert!(look.infos[0].simulated);
    }
}
