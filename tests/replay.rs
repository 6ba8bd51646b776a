//! A recorded session in a real terminal: what a user does at nine with what happened at three.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "common/sessions.rs"]
mod sessions;
#[path = "common/tmux.rs"]
mod tmux;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sessions::Made;
use tmux::Tmux;

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

/// The clock of the screens is that of Greenwich.
fn opened(terminal: &Tmux, arguments: &str, wanted: &str) {
    terminal.line(&format!("TZ=UTC {MLTOP} replay {arguments}"));
    terminal.wait_until(wanted, 60, |screen| screen.contains("REPLAY") && screen.contains(wanted));
}

fn quit(terminal: &Tmux) {
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

fn made(folder: &Path) -> String {
    let mark = Some((250, "new disk".to_owned()));
    let file = Made { mark, ..Made::default() }.write(folder, "night.mltop.jsonl.zst");
    file.display().to_string()
}

#[test]
fn every_key_of_a_replay_does_what_help_says_at_every_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let Some(terminal) = Tmux::start(width, height) else { return };
        // Where it stands is told in the header: since the start, and of how much.
        opened(&terminal, &format!("{file} --at 14:01:40"), "00:01:40 of 00:04:59");
        for (key, wanted) in [
            (".", "00:01:41"),
            (",", "00:01:40"),
            ("Right", "00:01:41"),
            ("S-Right", "00:01:51"),
            ("S-Left", "00:01:41"),
            ("Left", "00:01:40"),
            ("End", "00:04:59 of"),
            ("Home", "00:00:00 of"),
        ] {
            terminal.keys(&[key]);
            terminal.wait_for(wanted, 20);
        }
        // To the finding, to the mark, and back.
        terminal.keys(&["]"]);
        terminal.wait_for("STARVED", 20);
        terminal.keys(&["]"]);
        terminal.wait_for("mark: new disk", 20);
        terminal.wait_for("00:04:10 of", 20);
        terminal.keys(&["["]);
        terminal.wait_for("finding 1 of 1", 20);
        // To a time, and what is no time is said.
        terminal.keys(&["t"]);
        terminal.wait_for("go to time", 20);
        terminal.keys(&["1", "m", "3", "0", "s", "Enter"]);
        terminal.wait_for("00:01:30 of", 20);
        terminal.keys(&["t", "9", "9", "h", "Enter"]);
        terminal.wait_for("outside of the recording", 20);
        // Faster, and on: it plays to the end by itself.
        terminal.keys(&["}", "}", "}", "}", "}", "}"]);
        terminal.wait_for("64×", 20);
        terminal.keys(&["Space"]);
        terminal.wait_for("00:04:59 of", 30);
        quit(&terminal);
    }
}

/// Goes to a second of the session, and waits until the screen `is` what is wanted there; without its
/// header, which tells where one stands among all findings.
fn gone_to(terminal: &Tmux, seconds: u64, is: impl Fn(&str) -> bool) {
    terminal.keys(&["t"]);
    terminal.wait_for("go to time", 20);
    for digit in seconds.to_string().chars() {
        terminal.keys(&[&digit.to_string()]);
    }
    terminal.keys(&["Enter"]);
    let there = format!("{:02}:{:02} of", seconds / 60, seconds % 60);
    terminal.wait_until(&there, 60, |screen| {
        let body = screen.lines().skip(2).collect::<Vec<_>>().join("\n");
        screen.contains(&there) && !screen.contains("go to time") && is(&body)
    });
}

/// A rank joins in the middle of a session and leaves again: each moment shows what was there then,
/// whichever way one came to it.
#[test]
fn a_rank_that_comes_and_goes_is_seen_at_its_time_from_either_side() {
    let Some(terminal) = Tmux::start(120, 36) else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Made { last_rank: Some(100..200), starved: 0..0, ..Made::default() };
    let file = made.write(folder.path(), "comes.mltop.jsonl.zst");
    opened(&terminal, &format!("{} --at 10", file.display()), "00:00:10 of");
    terminal.keys(&["3"]);
    for seconds in [50, 150, 250, 150, 50, 250, 50, 150] {
        gone_to(&terminal, seconds, |body| body.contains("rank 1") == (seconds == 150));
    }
    quit(&terminal);
}

#[test]
fn the_overview_shows_the_whole_session_and_help_names_the_keys() {
    let Some(terminal) = Tmux::start(120, 36) else { return };
    let folder = tempfile::tempdir().unwrap();
    opened(&terminal, &format!("{} --finding 1", made(folder.path())), "STARVED");
    let strip = terminal.wait_until("the strip", 20, |screen| {
        let row = screen.lines().nth(1).unwrap_or_default();
        row.contains("14:00:00")
            && row.contains("14:04:59")
            && row.contains('┃')
            && row.contains('◆')
    });
    assert!(strip.contains("REPLAY 1× ") && strip.contains("night.mltop.jsonl.zst"), "{strip}");
    terminal.keys(&["?"]);
    terminal.wait_for("play a recorded session at twice the speed", 20);
    terminal.keys(&["Escape"]);
    quit(&terminal);
}

#[test]
fn a_session_that_is_still_written_is_followed() {
    let Some(terminal) = Tmux::start(100, 30) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("growing.mltop.jsonl.zst");
    let session = "--interval 100ms --duration 40s";
    let mut child = Command::new(MLTOP)
        .args(["record", "-o"])
        .arg(&file)
        .args(session.split(' '))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while fs::metadata(&file).map_or(0, |data| data.len()) < 4000 {
        assert!(begun.elapsed().as_secs() < 30, "nothing is recorded");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    opened(&terminal, &format!("{} --follow --speed 64", file.display()), " of 00:00:0");
    // What comes after it was opened is played too.
    terminal.wait_until("later ticks", 60, |screen| {
        let header = screen.lines().next().unwrap_or_default();
        let at = header.split(" of 00:00:").nth(1).and_then(|rest| rest.get(..2)?.parse().ok());
        at.is_some_and(|seconds: u32| seconds >= 8) && header.contains('▶')
    });
    quit(&terminal);
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_damaged_session_is_replayed_with_a_word_on_what_is_lost() {
    let Some(terminal) = Tmux::start(120, 30) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("torn.mltop.jsonl");
    let lines = Made { ticks: 100, ..Made::default() }.lines();
    let mut out = OpenOptions::new().create(true).append(true).open(&file).unwrap();
    out.write_all(&lines.as_bytes()[..lines.len() - 3000]).unwrap();
    opened(&terminal, &format!("{} --at 10", file.display()), "not all of it is readable");
    quit(&terminal);
}

#[test]
fn what_cannot_be_replayed_is_refused_before_the_screen_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(folder.path());
    for (arguments, word) in [
        (vec![file.as_str(), "--at", "9h"], "outside of the recording"),
        (vec![file.as_str(), "--speed", "1000"], "0.25 to 64"),
        (vec!["/nowhere.mltop.jsonl.zst"], "no such file"),
        (vec![file.as_str()], "not a terminal"),
    ] {
        let output = Command::new(MLTOP).arg("replay").args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

/// Sizes at which live and replay are held side by side, by columns and rows of the live screen.
const SIZES: [(u16, u16); 3] = [(200, 50), (120, 36), (80, 24)];

/// The screens of a terminal by the clock in their header, without the header's own rows: of each
/// second the last one that stood still between two looks, so that none is caught half drawn.
fn screens(
    terminal: &Tmux,
    header_rows: usize,
    until: impl Fn(&str, usize) -> bool,
) -> BTreeMap<String, String> {
    let mut screens = BTreeMap::new();
    let mut before = String::new();
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let screen = terminal.screen();
        let header = screen.lines().next().unwrap_or_default();
        let clock = header.trim_end().rsplit(' ').next().unwrap_or_default().to_owned();
        let body: Vec<&str> = screen.lines().skip(header_rows).collect();
        if screen == before && clock.len() == 8 && clock.matches(':').count() == 2 {
            screens.insert(clock, body.join("\n"));
        }
        if until(&screen, screens.len()) {
            return screens;
        }
        assert!(Instant::now() < deadline, "it does not come to its end:\n{screen}");
        before = screen;
        thread::sleep(Duration::from_millis(60));
    }
}

/// Watches the demo live, saves what it remembers, and replays that: the two screens of each second.
fn live_and_replay((width, height): (u16, u16)) -> Option<Vec<(String, String, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let terminal = Tmux::start(width, height)?;
    terminal.line(&format!("cd {}; export TZ=UTC", folder.path().display()));
    terminal.line(&format!("clear; {MLTOP} demo --phase 9s"));
    terminal.wait_for("LIVE", 60);
    let live = screens(&terminal, 1, |_, seconds| seconds >= 36);
    terminal.keys(&["S"]);
    terminal.wait_for("saved ", 60);
    terminal.keys(&["q"]);
    terminal.wait_until("the shell", 60, |screen| screen.trim_end().ends_with("ready$"));
    let saved = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    // The strip of the whole session is one row of the header.
    terminal.resize(width, height + 1);
    terminal.line(&format!("clear; {MLTOP} replay {} --speed 2", saved.display()));
    terminal.wait_for("REPLAY", 60);
    let replay = screens(&terminal, 2, |screen, _| screen.contains("■ REPLAY"));
    terminal.keys(&["q"]);
    let pair =
        |(clock, live): (String, String)| Some((clock.clone(), live, replay.get(&clock)?.clone()));
    let mut pairs: Vec<_> = live.into_iter().filter_map(pair).collect();
    // A greeting stands at the foot of the demo's first screens, and the line on saving in the last.
    pairs.drain(..8.min(pairs.len()));
    pairs.pop();
    Some(pairs)
}

#[test]
fn live_and_replay_of_the_same_samples_are_equal_below_the_header() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: the demo needs python3");
        return;
    }
    let runs: Vec<_> = SIZES.into_iter().map(|size| thread::spawn(move || equal(size))).collect();
    for run in runs {
        run.join().unwrap();
    }
}

/// A busy machine may leave a screen unseen between two looks, or one of two in the same second.
fn equal(size: (u16, u16)) {
    const TRIES: usize = 3;
    for attempt in 1..=TRIES {
        let Some(pairs) = live_and_replay(size) else { return };
        let Some(miss) = difference(&pairs) else { return };
        println!("try {attempt} at {size:?}: {miss}");
        assert!(attempt < TRIES, "{size:?}: {miss}");
    }
}

/// In what the screens of live and replay differ; `None` where they are equal.
fn difference(pairs: &[(String, String, String)]) -> Option<String> {
    if pairs.len() < 20 {
        return Some(format!("only {} moments were seen in both", pairs.len()));
    }
    if !pairs.iter().any(|(_, live, _)| live.contains("STARVED")) {
        return Some("nothing was found".to_owned());
    }
    let (clock, live, replay) = pairs.iter().find(|(_, live, replay)| live != replay)?;
    let rows = live.lines().zip(replay.lines()).filter(|(live, replay)| live != replay);
    let rows: Vec<String> =
        rows.map(|(live, replay)| format!("live   {live}\nreplay {replay}")).collect();
    Some(format!("at {clock}:\n{}", rows.join("\n")))
}
