//! What the probe publishes against what the script counts itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use mltop::source::loader::page::{self, Page, Slot};
use serde_json::Value;

use super::common::{Place, text};
use super::python::pythons;
use super::train::interpreters;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py/probed.py");
const STANDIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py/standin");
const PROBE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/probe");

/// What each process of a run counted, and its page.
fn kept(folder: &Path) -> BTreeMap<u32, (Value, Option<Page>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let truth = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let page = fs::read(path.with_extension("loaders")).ok().map(|bytes| {
            page::read(|copy| {
                copy.copy_from_slice(&bytes);
                Ok(())
            })
            .unwrap()
        });
        let pid = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        all.insert(pid, (truth, page));
    }
    all
}

fn slot<'a>(page: &'a Page, dataset: &str) -> &'a Slot {
    page.slots.iter().find(|slot| &*slot.dataset == dataset).unwrap_or_else(|| panic!("{page:?}"))
}

/// Counts to the batch; the wait within a hundredth, or 50 µs a step: what lies between the script's
/// clock and the probe's may be a turn of the scheduler.
fn agrees(name: &str, slot: &Slot, truth: &Value) -> Result<(), String> {
    assert_eq!(slot.batches, truth["batches"].as_u64().unwrap(), "{name} {slot:?}");
    let (own, probe) = (truth["wait_ns"].as_f64().unwrap(), slot.waited.as_nanos() as f64);
    let off = (own - probe) / own;
    println!("{name} {}: waited {:.1} ms, off by {:.2} %", slot.dataset, own / 1e6, off * 1e2);
    if off.abs() <= 0.01 {
        Ok(())
    } else {
        Err(format!("{name} {}: off by {off:.4}", slot.dataset))
    }
}

/// Runs the script under `mltop run`, on a busy machine up to three times.
fn agree(name: &str, words: &[&str], python_path: Option<&str>, workers: u64) {
    let mut misses = Vec::new();
    for _ in 0..3 {
        let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
        let mut command = place.command(words);
        command.arg(SCRIPT).arg(folder.path()).args(["--workers", &workers.to_string()]);
        if let Some(path) = python_path {
            command.env("PYTHONPATH", path);
        }
        let output = command.env("OMP_NUM_THREADS", "1").output().unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let kept = kept(folder.path());
        assert_eq!(kept.len(), 1);
        let (truth, page) = kept.into_values().next().unwrap();
        let page = page.unwrap_or_else(|| panic!("{name}: the probe published nothing"));
        let (train, validate) = (slot(&page, "Train"), slot(&page, "Validate"));
        assert_eq!(page.slots.len(), 2, "{name}: {page:?}");
        for slot in [train, validate] {
            assert_eq!((slot.workers, slot.batch_size), (workers, Some(4)), "{name}");
            assert_eq!((slot.iterators, slot.ended, slot.entered), (2, true, None), "{name}");
            assert_eq!(
                (slot.pids.len() as u64, slot.batches - slot.batches_before),
                (workers, slot.batches / 2)
            );
            assert_eq!(slot.capacity(), 2 * workers);
        }
        assert_eq!((train.persistent, validate.persistent), (false, workers > 0));
        let verdicts =
            [agrees(name, train, &truth["Train"]), agrees(name, validate, &truth["Validate"])];
        let missed: Vec<String> = verdicts.into_iter().filter_map(Result::err).collect();
        if missed.is_empty() {
            return;
        }
        println!("missed: {missed:?}");
        misses.extend(missed);
    }
    panic!("{misses:?}");
}

#[test]
fn counts_are_exact_and_waits_right_with_every_torch() {
    for (name, python) in interpreters() {
        agree(name, &[python.to_str().unwrap()], None, 2);
        agree(name, &[python.to_str().unwrap()], None, 0);
    }
}

#[test]
fn counts_are_exact_and_waits_right_with_every_python() {
    for (name, python) in pythons() {
        let recent = ["-c", "import sys; print(sys.version_info >= (3, 8))"];
        let recent = Command::new(&python).args(recent).output().unwrap();
        if text(&recent.stdout).trim() == "True" {
            agree(&name, &[python.to_str().unwrap()], Some(STANDIN), 2);
        }
    }
}

#[test]
fn a_forked_child_publishes_under_its_own_name_and_its_parents_counts_stay() {
    for (name, python) in interpreters() {
        let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
        let mut command = place.command(&[python.to_str().unwrap(), SCRIPT]);
        let output = command.arg(folder.path()).arg("--fork").output().unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let kept = kept(folder.path());
        assert_eq!(kept.len(), 2, "{name}: a parent and its child, and no worker");
        for (pid, (truth, page)) in kept {
            let page = page.unwrap();
            assert_eq!(page.pid.0, pid);
            for (dataset, truth) in truth.as_object().unwrap() {
                assert_eq!(
                    slot(&page, dataset).batches,
                    truth["batches"].as_u64().unwrap(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn each_rank_that_torchrun_starts_has_its_own_page() {
    let Some((name, python)) = interpreters().into_iter().next() else { return };
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    let torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"];
    let mut words = vec![python.to_str().unwrap()];
    words.extend(torchrun);
    let mut command = place.command(&words);
    let output = command.arg(SCRIPT).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    let kept = kept(folder.path());
    assert_eq!(kept.len(), 2);
    for (truth, page) in kept.into_values() {
        let batches = truth["Train"]["batches"].as_u64().unwrap();
        assert_eq!(slot(&page.unwrap(), "Train").batches, batches);
    }
}

#[test]
fn a_script_whose_python_takes_no_probe_runs_without_one() {
    let python = "/usr/bin/python3";
    for option in ["-S", "-I", "-E"] {
        let place = Place::new();
        let words = [python, option, "-c", "import os; print(os.listdir(os.environ['MLTOP_DIR']))"];
        let output = place.run(&words);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(!text(&output.stdout).contains(".loaders"), "{option}");
    }
}

#[test]
fn the_probe_writes_into_no_folder_that_is_not_its_users_alone() {
    let python = "/usr/bin/python3";
    let place = Place::new();
    let (open, link) = (place.path().join("open"), place.path().join("link"));
    fs::create_dir(&open).unwrap();
    let loose = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&open, loose).unwrap();
    symlink(&open, &link).unwrap();
    for folder in [&open, &link, &place.path().join("none")] {
        let kept_ = tempfile::tempdir().unwrap();
        let output = Command::new(python)
            .args(["-B", SCRIPT])
            .arg(kept_.path())
            .args(["--workers", "0"])
            .env("MLTOP_DIR", folder)
            .env("PYTHONPATH", format!("{PROBE}:{STANDIN}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        assert!(kept(kept_.path()).values().all(|(_, page)| page.is_none()));
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    }
}
