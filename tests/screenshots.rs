//! The pictures of the README are what `mltop render` makes of the bundled recording, to the byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/box_figures.rs"]
mod boxes;
#[path = "common/gpu_figures.rs"]
mod cards;
#[path = "common/box_counters.rs"]
mod counters;
#[path = "common/frames.rs"]
mod frames;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use frames::{Dress, World};
use mltop::model::inventory::{HostInfo, ProcInfo};
use mltop::record::{Encoder, SessionInfo, read};

const RENEW: &str = "MLTOP_REGENERATE=1 cargo test --test screenshots";
const RECORDING: &str = "src/demo/demo.mltop.zst";
const REAL: &str = "tests/sessions/h200-training.mltop.jsonl.zst";

/// What is seen at which moment of the recording, over how long a time axis.
const STARVED: (&str, &str, &str) = ("starved", "78s", "60s");
const LOADERS: (&str, &str, &str) = ("loaders", "78s", "60s");
const FINDINGS: (&str, &str, &str) = ("findings", "170s", "120s");
const HEALTHY: (&str, &str, &str) = ("healthy", "39s", "30s");

fn picture(scene: (&str, &str, &str), screen: &str, size: &str, theme: &str) {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING);
    picture_of(&recording, scene, screen, size, theme);
}

fn picture_of(session: &Path, scene: (&str, &str, &str), screen: &str, size: &str, theme: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (name, at, zoom) = scene;
    let suffix = if theme == "dark" { "" } else { "-light" };
    let kept = root.join(format!("screenshots/{name}-{size}{suffix}.svg"));
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made.svg");
    let mut render = Command::new(env!("CARGO_BIN_EXE_mltop"));
    render.arg("render").arg(session).arg("-o").arg(&made);
    render.args(["--at", at, "--zoom", zoom, "--screen", screen, "--size", size]);
    render.args(["--theme", theme]);
    let said = render.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    if std::env::var_os("MLTOP_REGENERATE").is_some() {
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::copy(&made, &kept).unwrap();
        return;
    }
    let kept_bytes = fs::read(&kept).unwrap_or_default();
    let same = kept_bytes == fs::read(&made).unwrap();
    assert!(same, "{} is not what render makes now; look at it anew: {RENEW}", kept.display());
}

#[test]
fn the_pictures_of_a_real_card_are_current() {
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL);
    for (name, screen) in [("h200", "1"), ("h200-gpu", "2")] {
        picture_of(&session, (name, "54s", "60s"), screen, "120x36", "dark");
    }
}

#[test]
fn the_pictures_of_a_starved_run_are_current() {
    for size in ["200x50", "120x36", "80x24"] {
        picture(STARVED, "1", size, "dark");
    }
}

#[test]
fn the_pictures_of_a_healthy_run_are_current() {
    for size in ["200x50", "120x36", "80x24"] {
        picture(HEALTHY, "1", size, "dark");
    }
}

#[test]
fn the_pictures_of_the_loaders_are_current() {
    for size in ["200x50", "120x36", "80x24"] {
        picture(LOADERS, "3", size, "dark");
    }
}

/// Eight made-up GPUs, labelled as simulated on the picture, as the bundled recording has but one: they
/// tell all that a driver can tell of a Hopper.
#[test]
fn the_pictures_of_the_gpus_are_current() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("eight.mltop.jsonl");
    fs::write(&session, made_up("eight-gpus", 8, cards::hoppers)).unwrap();
    for size in ["200x50", "120x36", "80x24"] {
        picture_of(&session, ("gpus", "100s", "60s"), "2", size, "dark");
    }
}

/// A made-up box of 16 CPUs, as the bundled recording has but two.
#[test]
fn the_pictures_of_the_processes_and_of_the_box_are_current() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("box.mltop.jsonl");
    fs::write(&session, made_up("a-box", 4, counters::rising)).unwrap();
    for size in ["200x50", "120x36", "80x24"] {
        picture_of(&session, ("processes", "100s", "60s"), "4", size, "dark");
        picture_of(&session, ("host", "100s", "60s"), "6", size, "dark");
    }
}

fn made_up(name: &str, gpus: u32, dress: Dress) -> String {
    let world = World { gpus, simulated: true, dress: Some(dress), ..World::default() };
    let first = world.frame(0);
    let host = HostInfo { name: "demo-box".into(), ..HostInfo::default() };
    let info = SessionInfo::new(name, host, 1000, first.sample.stamp);
    let mut encoder = Encoder::new(info);
    let mut text = String::new();
    encoder.head(&mut text);
    let mut last_ms = 0;
    for tick in 0..=100 {
        let sample = Arc::clone(&world.frame(tick).sample);
        last_ms = sample.stamp.unix_ms;
        encoder.tick(&sample, None, &mut text);
    }
    encoder.end(last_ms, "made up", &mut text);
    text
}

#[test]
fn the_pictures_of_the_findings_are_current() {
    for size in ["200x50", "120x36", "80x24"] {
        picture(FINDINGS, "5", size, "dark");
    }
}

#[test]
fn the_pictures_on_a_light_ground_are_current() {
    picture(STARVED, "1", "120x36", "light");
    picture(LOADERS, "3", "120x36", "light");
    picture(FINDINGS, "5", "120x36", "light");
}

/// What `mltop demo --stream 172s` wrote becomes the bundled recording: without what follows from the
/// samples, without other processes of the box that it was made on, and without its paths.
#[test]
#[ignore = "makes the bundled recording anew, from the stream that MLTOP_RECORDING names"]
fn pack_a_recording() {
    let from = PathBuf::from(std::env::var_os("MLTOP_RECORDING").unwrap());
    let session = read::open(&from).unwrap();
    let mut head = Arc::unwrap_or_clone(session.head.clone().unwrap());
    head.host.name = "demo-box".into();
    head.host.boot_id = "".into();
    let host = head.host.clone();
    let mut encoder = Encoder::new(head);
    let mut text = String::new();
    encoder.head(&mut text);
    let mut last_ms = 0;
    for sample in session.samples() {
        let mut sample = Arc::unwrap_or_clone(sample);
        let inventory = Arc::make_mut(&mut sample.inventory);
        inventory.host = Arc::new(host.clone());
        inventory.procs.retain(|_, info| ["mltop", "python3"].contains(&&*info.name));
        inventory.procs.retain(|_, info| info.command.contains("demo"));
        for info in inventory.procs.values_mut() {
            let command = if &*info.name == "mltop" { "mltop demo" } else { "python3 demo.py" };
            *info = Arc::new(ProcInfo { command: command.into(), ..ProcInfo::clone(info) });
        }
        let kept = &inventory.procs;
        sample.procs.retain(|row| kept.contains_key(&row.pid));
        last_ms = sample.stamp.unix_ms;
        encoder.tick(&Arc::new(sample), None, &mut text);
    }
    encoder.end(last_ms, "the time asked for is over", &mut text);
    let packed = zstd::encode_all(text.as_bytes(), 15).unwrap();
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING);
    fs::write(to, packed).unwrap();
}
