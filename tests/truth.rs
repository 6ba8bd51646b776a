//! Every figure of a loader against the truth that the training writes of itself: the queue by the
//! loader's own counts, the wait by the loop's own clock.
//!
//! A few rows run with the tests; `tests/truth/run` runs them all and writes `tests/truth/TABLE.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says what it measured or skipped"
)]

#[path = "common/alone.rs"]
#[expect(dead_code, reason = "a row that misses says so, and does not panic")]
mod alone;
#[path = "truth/rows.rs"]
mod rows;
#[path = "truth/score.rs"]
mod score;
#[path = "truth/table.rs"]
mod table;
#[path = "common/train.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod train;
#[path = "truth/watch.rs"]
mod watch;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use alone::{Room, TRIES};
use rows::{Row, interpreter};
use table::Line;

/// Seconds of a row in the short form.
const SHORT: u32 = 8;
/// The same for a pinned loader: for its first five seconds or so plain rights do not know how many batches
/// lie beyond its pipes, and what is told of them is marked as doubtful.
const SHORT_PINNED: u32 = 16;
/// Rows that are looked at side by side.
const JOBS: usize = 2;

fn run(python: &Path, row: &Row, seconds: u32) -> Vec<Line> {
    let (truth, said) = watch::watch(python, row, seconds);
    said.iter().map(|said| Line::new(*row, &truth, said)).collect()
}

/// Looks at so many of the rows at a time, until all are done.
fn side_by_side(jobs: usize, rows: Vec<Row>, look: impl Fn(Row) + Sync) {
    let todo = Mutex::new(VecDeque::from(rows));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let Some(row) = todo.lock().unwrap().pop_front() else { return };
                    look(row);
                }
            });
        }
    });
}

/// A row in the short form; a busy machine may disturb it. What it misses in the last of its tries.
fn in_short(row: Row) -> Vec<String> {
    let Some(python) = interpreter(row.python) else {
        println!("skipped: {} {}: no {}", row.mode, row.kind.name(), row.python);
        return Vec::new();
    };
    let seconds = if row.kind.name() == "pinned" { SHORT_PINNED } else { SHORT };
    let mut missed = Vec::new();
    for attempt in 1..=TRIES {
        let _room = Room::for_try(attempt);
        missed.clear();
        for line in run(&python, &row, seconds) {
            let misses = line.misses().join("; ");
            println!("{}: try {attempt}: {}", line.name(), line.text());
            if !misses.is_empty() {
                println!("    missed: {misses}");
                missed.push(format!("{}: {misses}", line.name()));
            }
        }
        if missed.is_empty() {
            break;
        }
    }
    missed
}

#[test]
fn some_rows_of_the_table_hold_in_short() {
    let failed = Mutex::new(Vec::new());
    side_by_side(JOBS, rows::short(), |row| {
        let missed = in_short(row);
        failed.lock().unwrap().extend(missed);
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
#[ignore = "takes half an hour; tests/truth/run brings the environments and runs it"]
fn the_whole_table_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let jobs = number("MLTOP_TRUTH_JOBS").map_or(JOBS, |jobs| jobs as usize);
    let only = std::env::var("MLTOP_TRUTH_ONLY").unwrap_or_default();
    let wanted = |row: &Row| {
        let name = format!("{} {} {}", row.python, row.mode, row.kind.name());
        only.split(' ').all(|word| name.contains(word))
    };
    let done = Mutex::new((Vec::new(), Vec::new()));
    side_by_side(jobs, rows::all().into_iter().filter(wanted).collect(), |row| {
        let Some(python) = interpreter(row.python) else {
            let what = format!("{} {}: no {}", row.mode, row.kind.name(), row.python);
            done.lock().unwrap().1.push(what);
            return;
        };
        let seconds = number("MLTOP_TRUTH_SECONDS").unwrap_or(row.seconds);
        let lines = run(&python, &row, seconds);
        for line in &lines {
            println!("{}: {}", line.name(), line.text());
            for miss in line.misses() {
                println!("    missed: {miss}");
            }
        }
        done.lock().unwrap().0.extend(lines);
    });
    let (mut lines, skipped) = done.into_inner().unwrap();
    lines.sort_by_key(Line::order);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth");
    let name = if only.is_empty() {
        "TABLE.md".into()
    } else {
        format!("{}.part.md", only.replace(' ', "-"))
    };
    let folder = if only.is_empty() { folder } else { std::env::temp_dir() };
    std::fs::write(folder.join(&name), table::page(&lines, &skipped)).unwrap();
    println!("{}", table::pooled(&lines));
    println!("written: {}", folder.join(name).display());
    let missed = lines.iter().filter(|line| !line.misses().is_empty()).count();
    assert!(missed == 0 && skipped.is_empty(), "{missed} rows miss, {} not run", skipped.len());
}
