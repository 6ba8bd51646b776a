//! Whether what is promised is kept: a starved training, what mltop says could be gained, the change
//! that it advises, and what was gained. The promise is written down before the change is made.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mltop::model::Rule;

use crate::group::{Group, Limit};
use crate::real::{self, Heard, Training};
use crate::{standin, train};

/// Of the promised gain, what must come; and what may come beyond its bound.
const LEAST: f64 = 0.8;
const MOST: f64 = 1.1;
/// Seconds from the start to the load, and seconds that are recorded.
const ONSET: f64 = 3.0;
const SECONDS: u64 = 42;

/// A starved training, and the same after the change that is advised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) what: &'static str,
    before: &'static str,
    after: &'static str,
    limits: &'static [Limit],
    /// Workers before the change.
    workers: u64,
    /// What the advice must say; the number after it is the number of workers of the change.
    advice: &'static str,
    sets_workers: bool,
}

pub(crate) const ALL: &[Change] = &[
    Change {
        what: "more workers",
        before: "one-worker",
        after: "one-worker",
        limits: &[],
        workers: 1,
        advice: "Raise num_workers from 1 to ",
        sets_workers: true,
    },
    Change {
        what: "decoded once",
        before: "decode",
        after: "decoded",
        limits: &[],
        workers: 2,
        advice: "decode, resize and tokenise once",
        sets_workers: false,
    },
    Change {
        what: "larger files",
        before: "small-files",
        after: "sharded",
        limits: &[Limit::Reads(400)],
        workers: 2,
        advice: "shard",
        sets_workers: false,
    },
];

/// What came of a change.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) change: Change,
    cause: String,
    /// How much faster it was said to be at most, and the bound of that.
    promised: (f64, f64),
    /// Steps a second before and after.
    rates: (f64, f64),
    workers: u64,
    /// The exit code of `mltop check` after the change.
    check: Option<i32>,
    advised: bool,
}

/// Runs a training before and after its change.
pub(crate) fn run(change: Change) -> Result<Kept, String> {
    let named = train::interpreters().into_iter().find(|(name, _)| *name == "newest");
    let (_, python) = named.ok_or("no PyTorch")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-promise").join(change.before);
    fs::create_dir_all(&folder).unwrap();
    let (before, _) = one(&python, &folder, change, change.before, change.workers)?;
    let starved = before.told.iter().rfind(|told| told.rule == Rule::Starved);
    let starved = starved.ok_or("it was not said to starve")?;
    let finding = &starved.last;
    let promised =
        numbers(&finding.gain).ok_or_else(|| format!("no gain in {:?}", finding.gain))?;
    let wanted = finding.advice.find(change.advice).map(|at| &finding.advice[at..]);
    let number = wanted.and_then(|words| {
        let digits = words[change.advice.len()..].split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    let workers =
        if change.sets_workers { number.unwrap_or(change.workers) } else { change.workers };
    let text = format!("{}\n{}\n{}\n", finding.title, finding.advice, finding.gain);
    fs::write(folder.join("promise.txt"), &text).unwrap();
    println!("{}: {text}", change.what);
    let (after, session) = one(&python, &folder, change, change.after, workers)?;
    for told in &after.told {
        println!("{} after: {}", change.what, told.last.title);
    }
    Ok(Kept {
        change,
        cause: finding.cause.map_or("–", |cause| cause.code()).to_owned(),
        promised,
        rates: (before.rate, after.rate),
        workers,
        check: check(&session),
        advised: wanted.is_some(),
    })
}

fn one(
    python: &Path,
    folder: &Path,
    change: Change,
    scenario: &str,
    workers: u64,
) -> Result<(Heard, PathBuf), String> {
    let files = real::files();
    let group = Group::new(&files, change.limits)?;
    let truth = folder.join("truth.jsonl");
    fs::write(folder.join("control"), "").unwrap();
    let value = |path: &Path| path.display().to_string();
    let arguments = [
        scenario.to_owned(),
        format!("--seconds={}", SECONDS + 1),
        format!("--onset={ONSET}"),
        format!("--workers={workers}"),
        format!("--out={}", value(&truth)),
        format!("--files={}", value(&files)),
        format!("--control={}", value(&folder.join("control"))),
    ];
    let training = Training::start(python, &arguments, &group, SECONDS);
    let session = real::record(&training, folder, SECONDS);
    training.until("done");
    Ok((real::hear(&session, &truth), session))
}

/// What `mltop check` says of a recording.
fn check(session: &Path) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mltop"));
    command.arg("check").arg(session).env("LD_LIBRARY_PATH", standin::build("full"));
    command.output().unwrap().status.code()
}

/// `about 2.0× faster if fed (between 1.8× and 2.1×)`: the promise and its bound.
fn numbers(gain: &str) -> Option<(f64, f64)> {
    let factors: Vec<f64> =
        gain.split('×').filter_map(|part| part.rsplit([' ', '(']).next()?.parse().ok()).collect();
    let promised = *factors.first()?;
    Some((promised, factors.get(2).copied().unwrap_or(promised)))
}

impl Kept {
    fn gained(&self) -> f64 {
        self.rates.1 / self.rates.0
    }

    fn share(&self) -> f64 {
        (self.gained() - 1.0) / (self.promised.0 - 1.0)
    }

    /// What was not kept, in words.
    pub(crate) fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let what = self.change.what;
        if !self.advised {
            misses.push(format!("{what}: the advice does not say {:?}", self.change.advice));
        }
        if self.share() < LEAST {
            misses.push(format!("{what}: {:.0} % of the promised gain", self.share() * 100.0));
        }
        if self.gained() > MOST * self.promised.1 {
            misses.push(format!("{what}: beyond its bound of {:.2}", self.promised.1));
        }
        if self.check != Some(0) {
            misses.push(format!("{what}: mltop check says {:?} after it", self.check));
        }
        misses
    }
}

/// The table of promises.
pub(crate) fn page(all: &[Kept]) -> String {
    let mut page =
        "| change | said before it | workers | promised | at most | steps/s before | after | \
                    gained | of the promised gain | check | kept |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for kept in all {
        let _ = writeln!(
            page,
            "| {} | {} | {} → {} | {:.1}× | {:.1}× | {:.1} | {:.1} | {:.2}× | {:.0} % | {} | {} |",
            kept.change.what,
            kept.cause,
            kept.change.workers,
            kept.workers,
            kept.promised.0,
            kept.promised.1,
            kept.rates.0,
            kept.rates.1,
            kept.gained(),
            kept.share() * 100.0,
            kept.check.map_or_else(|| "–".to_owned(), |code| code.to_string()),
            if kept.misses().is_empty() { "yes" } else { "**no**" }
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn a_promise_is_read_with_its_bound() {
        let range = "about 2.0× faster if fed (between 1.8× and 2.1×)";
        assert_eq!(numbers(range), Some((2.0, 2.1)));
        assert_eq!(numbers("up to 1.7× faster if fed"), Some((1.7, 1.7)));
        assert_eq!(numbers("nothing"), None);
    }
}
