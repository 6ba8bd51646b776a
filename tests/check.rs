//! `mltop check`: what it says, and with which exit code, of sessions and of what runs here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it missed"
)]

#[path = "common/sessions.rs"]
mod sessions;
#[path = "servers/stub.rs"]
mod stub;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use sessions::Made;
use stub::{Stub, Way, later};

fn check(file: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mltop"))
        .arg("check")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}

fn made(made: &Made) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = made.write(folder.path(), "a.mltop.jsonl.zst");
    (folder, file)
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_starved_session_ends_with_1_and_a_line_with_evidence_and_remedy() {
    let (_folder, file) = made(&Made::default());
    let output = check(&file, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text.lines().find(|line| line.contains("STARVED")).unwrap();
    for part in ["2026-11-22 14:0", " UTC for ", "train.py", "evidence: ", "remedy: ", "gain: "] {
        assert!(line.contains(part), "no '{part}' in {line}");
    }
    assert!(text.contains("grades: ingestion "), "{text}");
    assert!(text.lines().last().unwrap().starts_with("FOUND: "), "{text}");
}

#[test]
fn a_healthy_session_ends_with_0_and_says_how_long_it_was_watched() {
    let (_folder, file) = made(&Made { starved: 0..0, ..Made::default() });
    let output = check(&file, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("CLEAN: Nothing found in 4 min"), "{}", said(&output));
}

#[test]
fn a_session_that_is_too_short_ends_with_3_and_says_what_is_missing() {
    let (_folder, file) = made(&Made { ticks: 4, starved: 0..0, ..Made::default() });
    let output = check(&file, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("NOT ENOUGH EVIDENCE: ") && text.contains("--for 5m"), "{text}");
}

#[test]
fn a_session_without_a_training_is_not_clean() {
    let (_folder, file) = made(&Made { gpus: 0, starved: 0..0, ..Made::default() });
    let output = check(&file, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn a_severity_lets_pass_what_is_less_severe() {
    let (_folder, file) = made(&Made::default());
    let severe = check(&file, &["--severity", "warn"]);
    assert_eq!(severe.status.code(), Some(1), "{}", said(&severe));
    let (_folder, file) = made(&Made { starved: 0..0, ..Made::default() });
    assert_eq!(check(&file, &["--severity", "critical"]).status.code(), Some(0));
}

#[test]
fn what_is_only_worth_knowing_is_told_and_fails_nothing_unless_that_is_asked_for() {
    let (_folder, file) = made(&Made { waits: 0.12, ..Made::default() });
    let output = check(&file, &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("info STARVED"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("CLEAN: ") && last.contains("less severe than warn"), "{text}");
    let strict = check(&file, &["--severity", "info"]);
    assert_eq!(strict.status.code(), Some(1), "{}", said(&strict));
    let json = check(&file, &["--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&value["outcome"], &value["findings"][0]["severity"]),
        (&"clean".into(), &"info".into())
    );
}

#[test]
fn json_has_the_fields_that_the_help_names() {
    let (_folder, file) = made(&Made::default());
    let output = check(&file, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["outcome"], "finding");
    assert_eq!(value["exit_code"], 1);
    assert_eq!(value["findings"][0]["rule"], "STARVED");
    assert!(value["runs"][0]["judged_seconds"].as_f64().unwrap() > 60.0);
    assert_eq!(value["audit"]["areas"].as_array().unwrap().len(), 5);
    assert!(!value["audit"]["changes"][0]["advice"].as_str().unwrap().is_empty());
    let help =
        Command::new(env!("CARGO_BIN_EXE_mltop")).args(["check", "--help"]).output().unwrap();
    let help = said(&help);
    for object in
        [&value, &value["audit"], &value["audit"]["areas"][0], &value["audit"]["changes"][0]]
    {
        for field in object.as_object().unwrap().keys() {
            assert!(help.contains(field), "{field} is not in the help:\n{help}");
        }
    }
}

#[test]
fn one_trainer_alone_is_judged_with_its_run_and_another_one_is_refused_by_name() {
    let (_folder, file) = made(&Made::default());
    assert_eq!(check(&file, &["--pid", "41000"]).status.code(), Some(1));
    let refused = check(&file, &["--pid", "7"]);
    assert_eq!(refused.status.code(), Some(2));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("--pid 7") && why.contains("41000, 41100"), "{why}");
}

#[test]
fn what_cannot_be_checked_ends_with_2_and_never_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense");
    fs::write(&nonsense, "no session").unwrap();
    for (file, arguments) in [
        (nonsense.as_path(), &[] as &[&str]),
        (&folder.path().join("missing"), &[]),
        (folder.path(), &[]),
        (&nonsense, &["--for", "10s"]),
        (&nonsense, &["--severity", "loud"]),
    ] {
        let output = check(file, arguments);
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {why}");
        assert!(!why.is_empty() && output.stdout.is_empty());
    }
    for arguments in [
        ["--pid", "4194305", "--for", "1s"],
        ["--pid", &std::process::id().to_string(), "--for", "1s"],
        ["--pid", "-3", "--for", "1s"],
        ["--interval", "1s", "--for", "0s"],
        ["--interval", "1s", "--for", "9999h"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
        let output = command.arg("check").args(arguments).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {why}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_box_on_which_nothing_trains_is_not_clean_either() {
    // Others may train here: the process that is looked at must then be one that does not.
    let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
    let output = command.args(["check", "--for", "1s", "--interval", "500ms"]).output().unwrap();
    let text = said(&output);
    // Within a second no window is full.
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("NOT ENOUGH EVIDENCE: "), "{text}");
}

#[test]
fn a_budget_that_nobody_can_be_held_against_is_open_and_one_that_makes_no_sense_is_refused() {
    let (folder, file) = made(&Made { starved: 0..0, ..Made::default() });
    let budget = folder.path().join("budget.toml");
    let with = || check(&file, &["--budget", budget.to_str().unwrap()]);
    fs::write(&budget, "[inference]\np99_ms = 2000\n").unwrap();
    let open = with();
    assert_eq!(open.status.code(), Some(3), "{}", said(&open));
    assert!(said(&open).contains("budget p99_ms indeterminate: "), "{}", said(&open));
    assert!(said(&open).contains("--server"), "{}", said(&open));
    for wrong in ["[inference]\np99 = 2000\n", "[inference]\np99_ms = \"soon\"\n", "p99_ms"] {
        fs::write(&budget, wrong).unwrap();
        let refused = with();
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {why}");
        assert!(why.contains("budget.toml"), "{why}");
    }
    fs::remove_file(&budget).unwrap();
    assert_eq!(with().status.code(), Some(2));
    let endless = check(&file, &["--budget", "/dev/zero"]);
    let why = String::from_utf8_lossy(&endless.stderr).into_owned();
    assert_eq!(endless.status.code(), Some(2), "{why}");
    assert!(why.contains("larger than 1 MiB"), "{why}");
}

/// Checks of a server at work, all at once: each with its arguments before the verb and after it.
fn served(seconds: u32, asked: &[(&[&str], &[&str])]) -> Vec<(Option<i32>, Value)> {
    const VLLM: &str = include_str!("servers/vllm.prom");
    let server = Stub::start(Way::Plain, VLLM);
    let time = format!("{seconds}s");
    let start = |(before, after): &(&[&str], &[&str])| {
        Command::new(env!("CARGO_BIN_EXE_mltop"))
            .args(*before)
            .args(["check", "--json", "--interval", "500ms", "--for", &time])
            .args(["--server", &server.url()])
            .args(*after)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut children: Vec<Child> = asked.iter().map(start).collect();
    let mut requests = 0;
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        requests += 100;
        server.answer(&later(VLLM, requests));
        sleep(Duration::from_millis(100));
        assert!(requests < 300_000, "they do not end");
    }
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    outputs
        .map(|output| {
            let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            (output.status.code(), value)
        })
        .collect()
}

#[test]
fn a_budget_that_a_server_keeps_passes_one_that_it_breaks_fails_and_one_of_the_configuration_is_held()
 {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    // All requests take between 0.3 and 1.0 s.
    let kept = file("kept.toml", "[inference]\np99_ms = 1000\n");
    let broken = file("broken.toml", "[inference]\np50_ms = 200\n");
    let config = "[inference]\nbudget = \"broken.toml\"\n[rules.BUDGET]\nwindow = 5\n";
    let config = file("config.toml", config);
    let asked: [(&[&str], &[&str]); 3] =
        [(&[], &["--budget", &kept]), (&[], &["--budget", &broken]), (&["--config", &config], &[])];
    // A box that has no time for them answers too rarely: then they are watched for longer.
    for seconds in [14, 40, 100] {
        let all = served(seconds, &asked);
        let [(pass, kept), (fail, broken), (held, found)] = &all[..] else { unreachable!() };
        let outcome = |value: &Value| value["budgets"][0]["outcome"].clone();
        let rules = found["findings"].as_array().cloned().unwrap_or_default();
        let raised = rules.iter().any(|finding| finding["rule"] == "BUDGET");
        if (outcome(kept), outcome(broken), raised) != ("pass".into(), "fail".into(), true) {
            println!("missed within {seconds} s: {all:#?}");
            continue;
        }
        // Others may train here, of whom it is not known yet whether they starve.
        let alone = kept["runs"].as_array().is_some_and(Vec::is_empty);
        assert!(*pass == Some(0) || !alone, "{kept:#}");
        assert_eq!((*fail, *held), (Some(1), Some(1)), "{broken:#} {found:#}");
        return;
    }
    panic!("not once in three times");
}
