//! Killed at any moment: every tick that was acknowledged is in the file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mltop::derive;
use mltop::record::{Options, SessionFile, Writer};

use super::arbitrary::{Dice, difference, session};
use super::made::info;

const TICKS: u64 = 120;
const SEED: u64 = 31;

/// The child of the next test: writes ticks, and names each once it is in the file.
#[test]
#[ignore = "run by no_tick_that_was_acknowledged_is_lost_by_a_kill"]
fn ticks_are_written_here() {
    let Some(path) = std::env::var_os("MLTOP_KILLED") else { return };
    let mut writer =
        Writer::start(Path::new(&path), info("killed", 1000), Options::default()).unwrap();
    let mut before = None;
    for sample in session(SEED, TICKS) {
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        writer.tick_waiting(Arc::new(frame), Vec::new());
        while writer.progress().ticks <= sample.seq {
            std::thread::sleep(Duration::from_micros(50));
        }
        writeln!(std::io::stdout(), "acknowledged {}", sample.seq).unwrap();
        before = Some(sample);
    }
    std::thread::sleep(Duration::from_mins(1));
}

#[test]
fn no_tick_that_was_acknowledged_is_lost_by_a_kill() {
    let times = if std::env::var_os("MLTOP_LONG").is_some() { 100 } else { 15 };
    let folder = tempfile::tempdir().unwrap();
    let written = session(SEED, TICKS);
    let dice = &mut Dice::new(77);
    for time in 0..times {
        let path = folder.path().join(format!("{time}.mltop.jsonl.zst"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::ticks_are_written_here", "--nocapture"])
            .env("MLTOP_KILLED", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = dice.below(TICKS);
        let nap = Duration::from_micros(dice.below(3000));
        let until = Instant::now() + Duration::from_mins(1);
        let mut last = None;
        for line in lines.map_while(Result::ok) {
            last = line.split_once("acknowledged ").and_then(|(_, seq)| seq.parse().ok()).or(last);
            if last.is_some_and(|last| last >= wanted) || Instant::now() > until {
                break;
            }
        }
        std::thread::sleep(nap);
        child.kill().unwrap();
        child.wait().unwrap();
        let last: u64 = last.expect("no tick was acknowledged within a minute");
        let (file, health) = SessionFile::open(&path).unwrap();
        assert!(health.truncated, "a kill is told");
        let read: Vec<_> = file.samples(0, u64::MAX).collect();
        assert!(read.len() as u64 > last, "tick {last} was acknowledged, {} read", read.len());
        for (written, read) in written.iter().zip(&read) {
            assert_eq!(difference(written, read), None);
        }
        assert_eq!(file.health().lines_damaged + file.health().frames_damaged, 0);
    }
}
