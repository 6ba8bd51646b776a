//! What other tools get of a session: every number of it, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "common/sessions.rs"]
mod sessions;
#[path = "common/tmux.rs"]
mod tmux;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mltop::derive;
use mltop::export::numbers;
use mltop::model::Sample;
use mltop::model::metric::Cell;
use mltop::record::SessionFile;
use serde_json::Value;

use sessions::Made;
use tmux::Tmux;

/// A session with a finding, a gap and a mark.
fn made(folder: &Path) -> PathBuf {
    let mark = Some((150, "new \"disk\", <b>".to_owned()));
    Made { ticks: 240, gap: 60..64, mark, ..Made::default() }.write(folder, "a.mltop.jsonl.zst")
}

fn exported(file: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
    let output = command.arg("export").arg(file).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Moment, section, entity and column of a number.
type Place = (i64, String, String, String);

/// Every value of the session by its place, read by the session's own reader.
fn values(file: &Path) -> BTreeMap<Place, Option<String>> {
    let (session, _) = SessionFile::open(file).unwrap();
    let mut values = BTreeMap::new();
    let mut before: Option<Arc<Sample>> = None;
    for sample in session.samples(0, u64::MAX) {
        let frame = derive::frame(before.as_deref(), Arc::clone(&sample));
        let at = sample.stamp.unix_ms;
        before = Some(sample);
        numbers(&frame, |number| {
            let place = (
                at,
                number.section.to_owned(),
                number.entity.to_owned(),
                number.spec.name.to_owned(),
            );
            let value = match number.cell {
                Cell::Null(_) => None,
                Cell::Int(value) => Some(value.to_string()),
                Cell::Float(value) => {
                    let precision = usize::from(number.spec.precision);
                    Some(format!("{value:.precision$}").parse::<f64>().unwrap().to_string())
                }
                Cell::Bool(value) => Some(value.to_string()),
                Cell::Text(value) => Some(value.into_owned()),
            };
            assert!(values.insert(place, value).is_none());
        });
    }
    values
}

#[test]
fn comma_separated_values_are_all_values_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    let mut values = values(&file);
    let text = exported(&file, &["--to", "csv"]);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("t_ms,section,entity,column,value,gap"));
    for line in lines {
        let [at, section, entity, column, value, gap] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let place = (at.parse().unwrap(), section.into(), entity.into(), column.into());
        let known = values.remove(&place).unwrap_or_else(|| panic!("not in the session: {line}"));
        let value = match value.parse::<f64>() {
            _ if value.is_empty() => None,
            Ok(number) => Some(number.to_string()),
            Err(_) => Some(value.to_owned()),
        };
        let known =
            known.map(|known| known.parse::<f64>().map_or(known, |known| known.to_string()));
        assert_eq!(value, known, "{line}");
        assert_eq!(gap.is_empty(), known.is_some(), "{line}");
    }
    assert!(values.is_empty(), "{} values are missing", values.len());
}

#[test]
fn lines_are_a_session_again_with_what_follows_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    let lines = folder.path().join("b.mltop.jsonl");
    fs::write(&lines, exported(&file, &["--to", "jsonl"])).unwrap();
    assert_eq!(values(&lines), values(&file));
    let (session, health) = SessionFile::open(&lines).unwrap();
    assert!(health.is_whole(), "{health:?}");
    let events = session.events();
    let kinds: BTreeSet<&str> = events.iter().map(|event| event.kind.code()).collect();
    assert_eq!(kinds, BTreeSet::from(["finding", "mark"]));
    let text = fs::read_to_string(&lines).unwrap();
    assert!(text.lines().filter(|line| line.contains("\"derived\"")).count() > 200);
    let part = exported(&file, &["--to", "jsonl", "--since", "30", "--until", "40"]);
    assert_eq!(part.lines().filter(|line| line.starts_with("{\"k\":\"tick\"")).count(), 11);
}

#[test]
fn counters_have_the_shape_that_perfetto_takes_and_the_numbers_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    // A column may stand both in what was read and in what follows from it.
    let mut known: BTreeMap<(i64, String, String), Vec<String>> = BTreeMap::new();
    for ((at, _, entity, column), value) in values(&file) {
        known.entry((at, entity, column)).or_default().extend(value);
    }
    let trace: Value = serde_json::from_str(&exported(&file, &["--to", "chrome"])).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &'static str| events.iter().filter(move |event| event["ph"] == *phase);
    let named: BTreeSet<u64> = of("M")
        .filter(|event| event["name"] == "process_name")
        .map(|event| event["pid"].as_u64().unwrap())
        .collect();
    let mut counters = 0;
    for event in of("C") {
        assert!(named.contains(&event["pid"].as_u64().unwrap()), "{event}");
        let args = event["args"].as_object().unwrap();
        assert_eq!(args.len(), 1, "{event}");
        let value = args.values().next().unwrap().as_f64().unwrap();
        let at = event["ts"].as_i64().unwrap() / 1000;
        let (entity, column) = event["name"].as_str().unwrap().rsplit_once(' ').unwrap();
        let entity = if entity == "box" { "" } else { entity };
        let here = known.get(&(at, entity.to_owned(), column.to_owned())).unwrap();
        assert!(here.iter().any(|known| known.parse() == Ok(value)), "{event}");
        counters += 1;
    }
    assert!(counters > 5000, "{counters}");
    let finding = of("X").next().unwrap();
    assert_eq!(finding["name"], "STARVED");
    assert!(finding["dur"].as_i64().unwrap() > 60_000_000);
    let mark = of("i").next().unwrap();
    assert_eq!((&mark["name"], &mark["s"]), (&"new \"disk\", <b>".into(), &"g".into()));
}

/// A screen of the end of a session as text.
fn drawn(file: &Path, screen: &str) -> String {
    let drawn = file.with_file_name(format!("{screen}.txt"));
    let mut render = Command::new(env!("CARGO_BIN_EXE_mltop"));
    render.arg("render").arg(file).args(["--size", "100x30", "--screen", screen, "-o"]);
    assert!(render.arg(&drawn).status().unwrap().success());
    fs::read_to_string(&drawn).unwrap()
}

#[test]
fn a_text_shades_the_map_of_the_gpus_that_a_picture_colours() {
    let folder = tempfile::tempdir().unwrap();
    let text = drawn(&made(folder.path()), "2");
    for gpu in ["│0", "│1"] {
        let row = text.lines().find(|row| row.starts_with(gpu)).unwrap();
        // A measured cell has ink; the last ones are of a GPU that is busy.
        let map: String = row.chars().take_while(|char| *char != ' ').collect();
        assert!(map.contains("██") && map.contains("▒▒"), "{gpu}: {map}\n{text}");
    }
}

#[test]
fn a_terminal_recording_has_markers_and_plays_to_the_screen_that_render_draws() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    let text = exported(&file, &["--to", "cast", "--size", "100x30"]);
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    assert_eq!((&head["version"], &head["term"]["cols"]), (&3.into(), &100.into()));
    let (mut seconds, mut ink, mut markers) = (0.0, String::new(), Vec::new());
    for event in lines {
        seconds += event[0].as_f64().unwrap();
        let data = event[2].as_str().unwrap();
        match event[1].as_str().unwrap() {
            "o" => ink.push_str(data),
            "m" => markers.push((seconds as u64, data.to_owned())),
            "x" => {}
            other => panic!("an event of the kind {other}"),
        }
    }
    assert!((seconds - 239.0).abs() < 0.1, "{seconds}");
    assert!(markers.contains(&(150, "new \"disk\", <b>".to_owned())), "{markers:?}");
    assert!(markers.iter().any(|(_, label)| label == "STARVED"), "{markers:?}");
    let Some(terminal) = Tmux::start(100, 30) else { return };
    let played = folder.path().join("ink");
    fs::write(&played, ink).unwrap();
    let drawn = drawn(&file, "1");
    // As the program itself has the terminal: a line feed goes down and not to the left.
    terminal.line(&format!("clear; stty raw; cat {}; sleep 60", played.display()));
    terminal.wait_until("the last screen", 30, |screen| {
        // A text shades where the terminal has a colour.
        let inked = |text: &str| {
            text.replace(['░', '▒'], " ")
                .lines()
                .map(str::trim_end)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        inked(screen) == inked(&drawn)
    });
}

#[test]
fn a_picture_is_of_the_end_of_the_part() {
    let folder = tempfile::tempdir().unwrap();
    let picture = exported(&made(folder.path()), &["--to", "svg", "--until", "100"]);
    assert!(picture.starts_with("<svg") && picture.contains("14:01:40"), "{picture:.300}");
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    let before = fs::read(&file).unwrap();
    let drawn = folder.path().join("there.svg");
    fs::write(&drawn, b"a picture").unwrap();
    for (verb, there) in [
        (vec!["export", "--to", "jsonl"], &file),
        (vec!["report", "--html"], &file),
        (vec!["render"], &drawn),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
        let output = command.args(verb).arg(&file).arg("-o").arg(there).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("nothing is ever overwritten"), "{said}");
    }
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read(&drawn).unwrap(), b"a picture");
    assert!(exported(&file, &["--to", "csv", "-o", "/dev/stdout"]).starts_with("t_ms,"));
}
