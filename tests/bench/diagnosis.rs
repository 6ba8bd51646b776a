//! What diagnosis costs: of a live mltop, and over a recorded session of eight hours. The box is that of
//! `session.rs`: 8 GPUs, 40 processes, 4 loaders that stall now and then.
//!
//! `cargo test --release --test recording -- --ignored --nocapture what_diagnosis_costs`

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mltop::derive;
use mltop::diagnose::{Engine, Settings};
use mltop::model::{Sample, Stamp};
use mltop::record::{Options, SessionFile, Sync, Writer};
use rustix::time::{ClockId, clock_gettime};

use super::cost::{busy, say};
use super::made::info;

const HOURS: u64 = 8;
/// CPU time that mltop may take on such a box: 2.5 % of a core.
const MLTOP_A_SECOND: f64 = 0.025;

#[test]
#[ignore = "a measurement, not a check"]
fn what_diagnosis_costs() {
    let folder = tempfile::tempdir().unwrap();
    for (hertz, most) in [(1, "5 s"), (10, "25 s")] {
        let path = folder.path().join(format!("{hertz}.mltop.jsonl.zst"));
        written(&path, hertz);
        replayed(&path, hertz, most);
    }
}

/// Eight hours at so many ticks a second. At ten, the ticks of eighty hours come a tenth of a second
/// apart, which is as much work for the rules.
fn written(path: &Path, hertz: u64) {
    let options = Options { sync: Sync::Never, ..Options::default() };
    let mut writer = Writer::start(path, info("hours", 1000 / hertz), options).unwrap();
    let mut before: Option<Arc<Sample>> = None;
    for seq in 0..HOURS * 3600 * hertz {
        let mut sample = busy(seq);
        sample.stamp = Stamp {
            unix_ms: 1_760_000_000_000 + (seq * 1000 / hertz) as i64,
            mono_ms: 50_000 + seq * 1000 / hertz,
        };
        let sample = Arc::new(sample);
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        before = Some(sample);
        writer.tick_waiting(Arc::new(frame), Vec::new());
    }
    writer.end(0, "over").unwrap();
}

/// CPU time of the thread that diagnoses, without that of the one that reads.
fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn replayed(path: &Path, hertz: u64, most: &str) {
    let (file, _) = SessionFile::open(path).unwrap();
    let (first, last) = file.span();
    let mut engine = Engine::new(Settings::default());
    let mut before: Option<Arc<Sample>> = None;
    let (mut diagnosis, mut ticks, mut changes) = (Duration::ZERO, 0_u32, 0);
    let began = Instant::now();
    file.read_ahead((first.mono_ms, last.mono_ms), |samples| {
        for sample in samples {
            let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
            before = Some(sample);
            let begun = of_this_thread();
            changes += engine.step(&frame).len();
            diagnosis += of_this_thread().saturating_sub(begun);
            ticks += 1;
        }
    });
    let whole = began.elapsed();
    let a_tick = diagnosis / ticks.max(1);
    say(&format!("8 h at {hertz} Hz through derive and rules"), &format!("{whole:.2?}"), most);
    say(&format!("of that the rules ({changes} changes)"), &format!("{diagnosis:.2?}"), "-");
    let of_mltop = a_tick.as_secs_f64() * hertz as f64 / MLTOP_A_SECOND;
    say("rules, a tick", &format!("{a_tick:.1?}"), "-");
    say("rules, of mltop's CPU time", &format!("{:.1} %", of_mltop * 100.0), "5 %");
    let began = Instant::now();
    let report = Command::new(env!("CARGO_BIN_EXE_mltop")).arg("report").arg(path).output();
    assert!(report.unwrap().status.success());
    say("mltop report, plots and all", &format!("{:.2?}", began.elapsed()), most);
}
