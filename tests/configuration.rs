//! The configuration file: what it sets, what it refuses and how, and that a flag goes before the
//! environment, the environment before the file, the file before the default.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mltop::config::{Config, text};
use mltop::diagnose::{about, about_cause};
use mltop::model::{Cause, Rule};

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

fn parsed(text: &str) -> Config {
    Config::parse(text, "config.toml").unwrap()
}

fn refused(text: &str) -> String {
    let error = Config::parse(text, "config.toml").unwrap_err().to_string();
    assert!(error.starts_with("configuration config.toml: "), "{error}");
    error
}

/// The file with every setting in force that it has commented out.
fn uncommented(text: &str) -> String {
    let setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let lines = text.lines().map(|line| match Some(line).filter(setting) {
        Some(line) => &line[1..],
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_file_that_is_printed_parses_back_to_the_defaults() {
    let printed = text(&Config::default());
    assert_eq!(parsed(&printed), Config::default());
    let all = uncommented(&printed);
    assert!(all.contains("\nblocked = 0.1\n") && all.contains("\nfast = [10, 5, 10]\n"), "{all}");
    // What is set to its default is as if it were not set.
    let set = parsed(&all);
    assert!(set.flags.is_empty(), "{:?}", set.flags);
    assert_eq!(text(&set), printed);
}

#[test]
fn what_a_file_sets_is_in_force_and_printed_as_set() {
    let config = parsed(
        "[rules.STARVED]\nblocked = 0.2\n[rules.PREP-BOUND]\ncpu_full = 1\n\
         [windows]\nfast = [20, 5, 10.5]\nwarm_up_steps = 50\n[screen]\ntheme = \"light\"\n\
         [price]\ngpu_hour = 2.5\n",
    );
    let settings = &config.settings;
    assert_eq!(
        settings.of(about(Rule::Starved).unwrap().thresholds[0]).to_bits(),
        0.2_f64.to_bits()
    );
    let full = about_cause(Cause::PrepBound).unwrap().thresholds[0];
    assert_eq!(settings.of(full).to_bits(), 1.0_f64.to_bits());
    assert_eq!((settings.fast.window, settings.fast.clear), (20.0, 10.5));
    assert_eq!(settings.warm_up_steps, 50);
    let printed = text(&config);
    for line in [
        "\nblocked = 0.2\n",
        "\nfast = [20, 5, 10.5]\n",
        "\ntheme = \"light\"\n",
        "\ngpu_hour = 2.5\n",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
    assert_eq!(parsed(&printed), config);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    for (text, key, near) in [
        ("[ruels.STARVED]\nblocked = 0.2", "ruels", "\"rules\""),
        ("[rules.STARVD]\nblocked = 0.2", "rules.STARVD", "\"STARVED\""),
        ("[rules.STARVED]\nblokced = 0.2", "rules.STARVED.blokced", "\"blocked\""),
        ("[windows]\nwarmup = 3", "windows.warmup", "\"warm_up\""),
        ("[price]\ngpu_huor = 3", "price.gpu_huor", "\"gpu_hour\""),
        ("[screen]\nthemes = \"dark\"", "screen.themes", "\"theme\""),
    ] {
        let error = refused(text);
        assert!(error.contains(&format!(" {key}: there is no such")), "{error}");
        assert!(error.contains(&format!("did you mean {near}?")), "{error}");
    }
    assert!(refused("[rules.XYZZY]\na = 1").contains("use one of STARVED, "));
}

#[test]
fn a_value_out_of_its_range_is_refused_with_key_value_and_remedy() {
    for (text, key, value, remedy) in [
        (
            "[rules.STARVED]\nblocked = 20",
            "rules.STARVED.blocked",
            "20",
            "between 0 and 1; the default is 0.1",
        ),
        (
            "[rules.STARVED]\nblocked = \"a lot\"",
            "rules.STARVED.blocked",
            "a lot",
            "between 0 and 1",
        ),
        ("[rules.STARVED]\nblocked = nan", "rules.STARVED.blocked", "nan", "between 0 and 1"),
        ("[rules]\nSTARVED = 3", "rules.STARVED", "no section", "[rules.STARVED]"),
        ("[windows]\nfast = [10, 5]", "windows.fast", "[10, 5]", "[window, raise, clear]"),
        ("[windows]\nfast = [1000, 5, 5]", "windows.fast", "1000", "2 to 120"),
        ("[windows]\nwarm_up = -1", "windows.warm_up", "-1", "between 0 and 3600"),
        ("[windows]\nwarm_up_steps = 2.5", "windows.warm_up_steps", "2.5", "whole number"),
        ("[watch]\ninterval = \"1ms\"", "watch.interval", "1ms", "100ms"),
        ("[watch]\ninterval = 5", "watch.interval", "5", "100ms"),
        ("[screen]\nascii = \"yes\"", "screen.ascii", "yes", "true or false"),
        ("[price]\ngpu_hour = -2", "price.gpu_hour", "-2", "above 0"),
        ("[price]\ngpu_hour = [1]", "price.gpu_hour", "[1]", "above 0"),
        ("[flight]\nmax_bytes = \"1kB\"", "flight.max_bytes", "1kB", "1MiB"),
        ("price = 2.5", "price", "no section", "[price]"),
        ("[rules.STARVED\n", "line 1", "", "mend the TOML"),
        ("[screen]\nascii = true\nascii = false", "line 3", "", "mend the TOML"),
    ] {
        let error = refused(text);
        assert!(error.contains(&format!("{key}: ")), "{key} in {error}");
        assert!(error.contains(value) && error.contains(remedy), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let hostile = refused("\"a\\u001b[2J\" = 1");
    assert!(!hostile.contains('\u{1b}'), "{hostile:?}");
}

/// The program with a configuration folder of its own.
fn mltop(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(MLTOP);
    command.args(arguments).env("XDG_CONFIG_HOME", home);
    for name in ["MLTOP_CONFIG", "MLTOP_THEME", "MLTOP_INTERVAL", "MLTOP_PRICE", "MLTOP_ASCII"] {
        command.env_remove(name);
    }
    command
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code(), text.concat())
}

#[test]
fn a_flag_goes_before_the_environment_that_before_the_file_and_that_before_the_default() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("mltop")).unwrap();
    let file = home.path().join("mltop/config.toml");
    let diff = |change: &dyn Fn(&mut Command)| {
        let mut command = mltop(home.path(), &["explain", "STARVED"]);
        change(&mut command);
        said(&command.output().unwrap())
    };
    // The default, then the file.
    assert!(diff(&|_| ()).1.contains("blocked = 0.1\n"));
    fs::write(&file, "[rules.STARVED]\nblocked = 0.3\n[watch]\ninterval = \"2s\"\n").unwrap();
    assert!(diff(&|_| ()).1.contains("blocked = 0.3 (default 0.1)"));
    // Another file by the environment, and yet another by the flag.
    let (second, third) = (home.path().join("2.toml"), home.path().join("3.toml"));
    fs::write(&second, "[rules.STARVED]\nblocked = 0.4\n").unwrap();
    fs::write(&third, "[rules.STARVED]\nblocked = 0.5\n").unwrap();
    let by_environment = |command: &mut Command| {
        command.env("MLTOP_CONFIG", &second);
    };
    assert!(diff(&by_environment).1.contains("blocked = 0.4 "));
    let by_flag = |command: &mut Command| {
        by_environment(command);
        command.arg("--config").arg(&third);
    };
    assert!(diff(&by_flag).1.contains("blocked = 0.5 "));
}

#[test]
fn flags_that_a_file_keeps_give_way_to_those_that_are_given() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("mltop")).unwrap();
    fs::write(home.path().join("mltop/config.toml"), "[watch]\ninterval = \"2s\"\n").unwrap();
    let interval = |change: &dyn Fn(&mut Command)| {
        let mut command = mltop(home.path(), &["stream", "--plain"]);
        change(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut head = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut head).unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        let head: serde_json::Value = serde_json::from_str(&head).unwrap();
        head["interval_ms"].as_u64().unwrap()
    };
    assert_eq!(interval(&|_| ()), 2000);
    let by_environment = |command: &mut Command| {
        command.env("MLTOP_INTERVAL", "300ms");
    };
    assert_eq!(interval(&by_environment), 300);
    let by_flag = |command: &mut Command| {
        by_environment(command);
        command.args(["--interval", "400ms"]);
    };
    assert_eq!(interval(&by_flag), 400);
}

#[test]
fn a_wrong_file_ends_with_exit_code_2_and_one_that_is_not_there_with_none_unless_it_was_named() {
    let home = tempfile::tempdir().unwrap();
    let (code, text) = said(&mltop(home.path(), &["rules"]).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let (code, text) =
        said(&mltop(home.path(), &["--config", "/nonexistent/c.toml", "rules"]).output().unwrap());
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("/nonexistent/c.toml") && text.contains("mltop config --default"),
        "{text}"
    );
    fs::create_dir(home.path().join("mltop")).unwrap();
    let file = home.path().join("mltop/config.toml");
    for (wrong, key) in [
        ("[rules.STARVED]\nblokced = 1", "did you mean \"blocked\"?"),
        ("[screen]\ntheme = \"drak\"", "did you mean \"dark\"?"),
    ] {
        fs::write(&file, wrong).unwrap();
        let (code, text) = said(&mltop(home.path(), &["rules"]).output().unwrap());
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(key) && text.contains("config.toml"), "{text}");
        // What helps to mend it works all the same.
        let (code, text) = said(&mltop(home.path(), &["config", "--default"]).output().unwrap());
        assert!(code == Some(0) && text == mltop::config::text(&Config::default()), "{text}");
    }
}

#[test]
fn budgets_that_a_file_names_are_read_beside_it_and_refused_by_name_where_they_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("mltop")).unwrap();
    let place = |name: &str| home.path().join("mltop").join(name);
    fs::write(place("config.toml"), "[inference]\nbudget = \"ours.toml\"\n").unwrap();
    let run = || said(&mltop(home.path(), &["config"]).output().unwrap());
    let (code, text) = run();
    assert_eq!(code, Some(2), "{text}");
    for part in ["inference.budget", "ours.toml", "[inference]"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    fs::write(place("ours.toml"), "[inference]\np99 = 2000\n").unwrap();
    let (code, text) = run();
    assert!(code == Some(2) && text.contains("p99_ms"), "{text}");
    fs::write(place("ours.toml"), "[inference]\np99_ms = 2000\n").unwrap();
    let (code, text) = run();
    assert!(code == Some(0) && text.contains("\nbudget = \"ours.toml\"\n"), "{text}");
}

#[test]
fn rules_are_listed_by_area_and_explained_and_an_unknown_one_is_refused_with_the_nearest() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| said(&mltop(home.path(), arguments).output().unwrap());
    let (code, text) = run(&["rules"]);
    assert_eq!(code, Some(0), "{text}");
    for line in ["ingestion\n", "  STARVED ", "  · DISK-BOUND ", "\ncompute\n", "  IDLE-HELD "] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(run(&["rules", "--markdown"]).1, mltop::report::rules::table());
    let (_, text) = run(&["explain", "disk-bound"]);
    for part in ["DISK-BOUND", "When", "3 times the least", "Remedy", "Source", "slower = 3"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, text) = run(&["explain", "STARVVED"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("STARVVED") && text.contains("did you mean \"STARVED\"?"), "{text}");
}
