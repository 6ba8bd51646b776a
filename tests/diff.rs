//! Two sessions side by side: known differences are found, and none where there is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/sessions.rs"]
mod sessions;

use std::process::Command;
use std::sync::Arc;

use mltop::derive;
use mltop::model::Sample;
use mltop::report::compare::{Comparison, Figure, Windows, comparison, text};

use sessions::Made;

fn windows(made: &Made) -> Windows {
    let mut windows = Windows::new("made");
    let mut before: Option<Arc<Sample>> = None;
    for sample in made.samples().into_iter().map(Arc::new) {
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        windows.push(&frame);
        before = Some(sample);
    }
    windows.finish();
    windows
}

fn compared(before: &Made, after: &Made) -> Comparison {
    comparison(&windows(before), &windows(after), None)
}

fn figure<'a>(comparison: &'a Comparison, name: &str) -> &'a Figure {
    comparison.figures.iter().find(|figure| figure.name == name).unwrap()
}

/// A training of 5 minutes without starvation.
fn steady(seed: u64) -> Made {
    Made { starved: 0..0, seed, ..Made::default() }
}

#[test]
fn a_loop_that_steps_a_tenth_faster_is_told_so_with_its_size() {
    let after = Made { step: 0.18, ..steady(2) };
    let comparison = compared(&steady(1), &after);
    let step = figure(&comparison, "step_seconds");
    assert_eq!(step.more_than_noise, Some(true));
    assert!((step.before.unwrap().value - 0.2).abs() < 0.002, "{step:?}");
    assert!((step.relative.unwrap() + 0.1).abs() < 0.01, "{step:?}");
    let by = step.difference.unwrap();
    assert!(by.low <= -0.02 && -0.02 <= by.high, "{by:?}");
    let cost = figure(&comparison, "gpu_seconds_of_1000_steps");
    assert!((cost.before.unwrap().value - 400.0).abs() < 4.0, "two GPUs, 0.2 s a step: {cost:?}");
    assert_eq!(cost.more_than_noise, Some(true));
}

#[test]
fn less_starvation_shows_in_the_blocked_share_and_in_the_gpus() {
    let before = Made { starved: 0..300, seed: 3, ..Made::default() };
    let comparison = compared(&before, &steady(4));
    let blocked = figure(&comparison, "blocked_ratio");
    assert!((blocked.before.unwrap().value - 0.55).abs() < 0.03, "{blocked:?}");
    assert!(blocked.after.unwrap().value < 0.05, "{blocked:?}");
    for name in ["blocked_ratio", "gpu_utilization_ratio", "step_seconds"] {
        assert_eq!(figure(&comparison, name).more_than_noise, Some(true), "{name}");
    }
    let told = text(&comparison);
    assert!(told.contains("better") && !told.contains("worse"), "{told}");
}

#[test]
fn the_same_training_twice_differs_by_noise_only() {
    // 24 pairs of five figures: at 99 % about one of them may stand out by chance, and three of the
    // five are the same steps.
    let mut stood_out = Vec::new();
    for pair in 0..24 {
        let comparison = compared(&steady(100 + pair), &steady(200 + pair));
        let out = comparison.figures.iter().filter(|one| one.more_than_noise == Some(true));
        stood_out.extend(out.map(|one| (pair, one.name)));
    }
    assert!(stood_out.len() <= 6, "{stood_out:?}");
}

#[test]
fn too_little_or_another_training_is_said() {
    let short = Made { ticks: 40, ..steady(1) };
    let comparison = compared(&short, &steady(2));
    assert!(comparison.figures.iter().all(|figure| figure.more_than_noise.is_none()));
    assert!(comparison.doubts.iter().any(|doubt| doubt.contains("at least 8")));
    let other = Made { name: "other.py".to_owned(), gpus: 4, ..steady(1) };
    let doubts = compared(&steady(1), &other).doubts.join("; ");
    assert!(doubts.contains("other.py") && doubts.contains("2 ranks before, 4 after"), "{doubts}");
    let one = Made { gpus: 1, torch: "2.8.0+cu126".to_owned(), ..steady(1) };
    let comparison = compared(&one, &steady(1));
    let doubts = comparison.doubts.join("; ");
    assert!(
        doubts.contains("1 rank before, 2 after")
            && doubts.contains("another PyTorch: 2.8.0+cu126 and 2.9.1+cu128"),
        "{doubts}"
    );
    let told = text(&comparison);
    assert!(told.contains(" 1 rank, ") && told.contains(", Python 3.11, PyTorch 2.9.1"), "{told}");
    let unknown = Made { torch: String::new(), ..steady(1) };
    assert_eq!(compared(&unknown, &steady(2)).doubts, Vec::<String>::new());
}

#[test]
fn the_verb_tells_it_as_text_and_as_json_with_money_where_the_price_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let before = Made::default().write(folder.path(), "a.mltop.jsonl.zst");
    let after = steady(2).write(folder.path(), "b.mltop.jsonl.zst");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
        let output = command.arg("diff").args([&before, &after]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run(&[]);
    assert!(
        told.contains("GPU-seconds, 1000 steps") && told.contains("two starts may differ by more"),
        "{told}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&run(&["--json", "--price", "3.60"])).unwrap();
    let cost = &json["figures"][4];
    assert_eq!(cost["name"], "cost_of_1000_steps");
    // 3.60 an hour is a thousandth a second; two GPUs at 0.2 s a step.
    assert!((cost["after"]["value"].as_f64().unwrap() - 0.4).abs() < 0.01, "{cost}");
}
