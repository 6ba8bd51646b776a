//! How long keys wait for their answer and frames for their moment, at a terminal with nothing between;
//! and how long a bare program that only says back what it hears waits on the same machine meanwhile.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::pty::{Pty, Screen};
use crate::scene::{MLTOP, Scene};
use crate::soak::Dice;

/// The time between two ticks.
const TICK: Duration = Duration::from_secs(1);
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// A key, and by what of the screen its answer is known.
type Key = (&'static str, fn(&Screen) -> bool);
/// A key and the one that takes it back.
const PAIRS: [[Key; 2]; 3] = [
    [("?", |screen| screen.shows("─  Keys  ─")), ("\x1b", |screen| !screen.shows("─  Keys  ─"))],
    [("2", |screen| screen.shows("SM TENS")), ("1", |screen| !screen.shows("SM TENS"))],
    [("6", |screen| screen.shows("Pressure")), ("1", |screen| !screen.shows("Pressure"))],
];

/// Something that was waited for, from when to when.
#[derive(Clone, Copy)]
struct Wait {
    from: Instant,
    to: Instant,
}

impl Wait {
    fn millis(&self) -> f64 {
        (self.to - self.from).as_secs_f64() * 1e3
    }
}

/// What was measured.
#[derive(Default)]
pub(crate) struct Answers {
    keys: Vec<Wait>,
    /// From one frame with a new clock to the next.
    frames: Vec<Wait>,
    /// Of the bare program.
    echoes: Vec<Wait>,
}

impl Answers {
    /// Presses keys until `done`, each at a moment of its own; `None` where this machine has no way to
    /// give a program a terminal.
    pub(crate) fn of(scene: &Scene, done: &AtomicBool) -> Option<Self> {
        if Command::new("setsid").arg("--version").output().is_err() {
            eprintln!("skipped: no setsid on this machine");
            return None;
        }
        Some(std::thread::scope(|scope| {
            let echoes = scope.spawn(|| echoes(done));
            let mut all = watched(scene, done);
            all.echoes = echoes.join().unwrap();
            all
        }))
    }

    /// The worst that the bare program met while something was waited for.
    fn beside(&self, wait: &Wait) -> f64 {
        let met = self.echoes.iter().filter(|echo| echo.from < wait.to && echo.to > wait.from);
        met.map(Wait::millis).fold(0.0, f64::max)
    }

    /// Answers that took longer than this, each with what the machine itself held back meanwhile.
    fn beyond(&self, millis: f64) -> Vec<(f64, f64)> {
        let long = self.keys.iter().filter(|wait| wait.millis() > millis);
        long.map(|wait| (wait.millis(), self.beside(wait))).collect()
    }

    /// Of keys, in milliseconds: the one in the middle.
    pub(crate) fn median(&self) -> f64 {
        spread(&self.keys)[0]
    }

    /// Answers that took longer than this though the machine had the time for them.
    pub(crate) fn unexcused(&self, millis: f64) -> Vec<(f64, f64)> {
        self.beyond(millis).into_iter().filter(|(took, beside)| took - beside > millis).collect()
    }

    /// One line.
    pub(crate) fn words(&self) -> String {
        let line = |waits: &[Wait]| {
            let [median, most_of, most] = spread(waits);
            format!("{median:.1} / {most_of:.1} / {most:.1} ms of {}", waits.len())
        };
        // From when a frame was due to when it came.
        let late = |frame: &Wait| (frame.from + TICK < frame.to).then(|| frame.from + TICK);
        let late =
            self.frames.iter().filter_map(|frame| Some(Wait { from: late(frame)?, ..*frame }));
        let late: Vec<Wait> = late.collect();
        let latest = late.iter().max_by(|a, b| a.millis().total_cmp(&b.millis()));
        format!(
            "median / p99 / most: keys {}; a bare echo beside them {}; frames of a tick that came later \
             than a second after the one before, of {} in all: {}, the echo's worst meanwhile {:.1} ms; \
             keys beyond 50 ms, with the echo's worst meanwhile: {:.1?}",
            line(&self.keys),
            line(&self.echoes),
            self.frames.len(),
            line(&late),
            latest.map_or(0.0, |latest| self.beside(latest)),
            self.beyond(50.0)
        )
    }
}

/// The median, the 99th percentile and the most, in milliseconds.
fn spread(waits: &[Wait]) -> [f64; 3] {
    let mut millis: Vec<f64> = waits.iter().map(Wait::millis).collect();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| {
        millis.get((millis.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or(0.0)
    };
    [at(0.5), at(0.99), at(1.0)]
}

/// A terminal of its own for a program.
fn own_terminal(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--ctty", program]).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
    command
}

/// The program at work, and what its keys waited.
fn watched(scene: &Scene, done: &AtomicBool) -> Answers {
    let mut command = own_terminal(MLTOP);
    command.envs(scene.environment());
    // Its clock shows whole seconds: with ticks far from their edges, each tick moves it.
    let into = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_millis();
    std::thread::sleep(Duration::from_millis(u64::from((1_200 - into) % 1_000)));
    let mut terminal = Pty::start(command, 200, 50, false);
    let mut seen = Answers::default();
    let mut clock = Clock::default();
    let begun = Instant::now();
    while !terminal.screen.shows("LIVE") || terminal.screen.shows("waiting for the first") {
        assert!(begun.elapsed() < PATIENCE, "it does not open:\n{}", terminal.screen.text());
        terminal.read(Duration::from_millis(100));
    }
    let mut dice = Dice(0x1234_5678_9abc_def1);
    while !done.load(Ordering::Relaxed) {
        for (key, met) in PAIRS[dice.below(PAIRS.len() as u64) as usize] {
            let next = Instant::now() + Duration::from_micros(50_000 + dice.below(700_000));
            while let Some(left) = next.checked_duration_since(Instant::now()) {
                let came = terminal.read(left);
                clock.look(&terminal.screen, came, &mut seen.frames);
            }
            let from = terminal.press(key);
            while !met(&terminal.screen) {
                let came = terminal.read(Duration::from_secs(1));
                clock.look(&terminal.screen, came, &mut seen.frames);
                if let Some(to) = came.filter(|_| met(&terminal.screen)) {
                    seen.keys.push(Wait { from, to });
                }
                let screen = &terminal.screen;
                assert!(!screen.shows("panicked"), "{}", screen.text());
                assert!(from.elapsed() < PATIENCE, "{key} has no answer:\n{}", screen.text());
            }
        }
    }
    leave(terminal);
    seen
}

fn leave(mut terminal: Pty) {
    let begun = terminal.press("q");
    while terminal.child.try_wait().unwrap().is_none() {
        terminal.read(Duration::from_millis(20));
        assert!(begun.elapsed() < PATIENCE, "it does not leave:\n{}", terminal.screen.text());
    }
    assert!(terminal.child.wait().unwrap().success());
}

/// The clock in the first row, which moves with each tick.
#[derive(Default)]
struct Clock {
    shown: String,
    since: Option<Instant>,
}

impl Clock {
    fn look(&mut self, screen: &Screen, came: Option<Instant>, frames: &mut Vec<Wait>) {
        let Some(at) = came else { return };
        let row = screen.row(0);
        let shown = row.split_whitespace().next_back().unwrap_or_default();
        if shown == self.shown {
            return;
        }
        shown.clone_into(&mut self.shown);
        if let Some(from) = self.since.replace(at) {
            frames.push(Wait { from, to: at });
        }
    }
}

/// A program that says back what it hears, asked every few milliseconds: what this costs, the machine
/// costs.
fn echoes(done: &AtomicBool) -> Vec<Wait> {
    let mut terminal = Pty::start(own_terminal("cat"), 80, 24, true);
    let mut dice = Dice(0xfeed_5eed_0dd5_0bed);
    let mut all = Vec::new();
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(2_000 + dice.below(16_000)));
        let from = terminal.press("x");
        if let Some(to) = terminal.read(PATIENCE) {
            all.push(Wait { from, to });
        }
    }
    all
}
