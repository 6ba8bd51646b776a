//! What the probe tells, through the engine that makes rows of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use mltop::model::sample::{LoaderSample, ReadySource, WaitSource};
use mltop::model::{Pid, Reading};
use mltop::source::Roots;
use mltop::source::loader::{Ladder, Loaders, memory, told};

use super::common::{Place, child_of, eventually};
use super::train::{Training, Truth, interpreters, script};

/// The moving loader of a source, with the time.
fn row(loaders: &Loaders) -> Option<(SystemTime, LoaderSample)> {
    Some((SystemTime::now(), loaders.look().samples.into_iter().next()?))
}

fn told_by_probe(loaders: &Loaders) -> bool {
    row(loaders).is_some_and(|(_, row)| {
        row.wait_source == Reading::Is(WaitSource::Probe) && row.steps_total.ok() > Some(20)
    })
}

/// How far a source's wait and steps between two rows are from the script's own.
fn off(truth: &Truth, rows: &[(SystemTime, LoaderSample); 2]) -> (f64, f64) {
    let [(from, before), (to, after)] = rows;
    let rise = |of: fn(&LoaderSample) -> Reading<u64>| {
        (of(after).ok().unwrap() - of(before).ok().unwrap()) as f64
    };
    let wait = rise(|row| row.wait_samples_total) / rise(|row| row.samples_total);
    let taken = |at: &SystemTime| {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        truth.depths.iter().take_while(|depth| depth.0 < at).last().map_or(0.0, |depth| depth.3)
    };
    let steps = rise(|row| row.steps_total) - (taken(to) - taken(from));
    (wait - truth.wait_ratio(*from, *to), steps)
}

fn compare(name: &str, python: &Path, args: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut command = place.command(&[python.to_str().unwrap()]);
    // Where this process looks too.
    command.env_remove("XDG_RUNTIME_DIR");
    let out = folder.path().join("truth.jsonl");
    command.arg(script("train.py")).arg("--out").arg(&out).args(args);
    let mut training = Training::run(&mut command, out, Duration::from_mins(3));
    let trainer = Pid(child_of(training.pid()).unwrap());
    let ladder = |step| Ladder { steps: vec![step], semaphores: false };
    let sources = [told::step(), told::timed(memory::step())]
        .map(|step| Loaders::start_with(Roots::default(), ladder(step)));
    for source in &sources {
        source.watch(&BTreeMap::from([(trainer, Vec::new())]));
        eventually("told by the probe", || told_by_probe(source));
    }
    let before = [0, 1].map(|n| row(&sources[n]).unwrap());
    thread::sleep(Duration::from_secs(3));
    let after = [0, 1].map(|n| row(&sources[n]).unwrap());
    let truth = training.finish();
    let depths = [ReadySource::Probe, ReadySource::Memory];
    let all = before.into_iter().zip(after).zip(depths).map(|((before, after), depth)| {
        let inline = after.1.workers == Reading::Is(0);
        assert!(inline || after.1.ready_source == Reading::Is(depth), "{:?}", after.1);
        let (wait, steps) = off(&truth, &[before, after]);
        println!("{name} {args:?} by {depth:?}: wait off by {wait:.3}, steps by {steps}");
        // A row may be a tenth of a second old.
        if wait.abs() <= 0.03 && steps.abs() <= 10.0 {
            Ok(())
        } else {
            Err(format!("{name} {depth:?}: wait off by {wait:.3}, steps by {steps}"))
        }
    });
    all.collect()
}

#[test]
fn rows_have_the_probes_wait_and_steps_with_the_memorys_depth_and_without() {
    for (name, python) in interpreters() {
        for args in
            [["--workers", "2", "--mode", "starved"], ["--workers", "0", "--mode", "balanced"]]
        {
            let args: Vec<&str> = args.into_iter().chain(["--seconds", "7"]).collect();
            let mut misses = Vec::new();
            while let Err(miss) = compare(name, &python, &args) {
                println!("missed: {miss}");
                misses.push(miss);
                assert!(misses.len() < 3, "{misses:?}");
            }
        }
    }
}
