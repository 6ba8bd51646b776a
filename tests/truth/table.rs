//! A row's limits, and the table.

use std::fmt::Write as _;

use crate::rows::{Kind, Row};
use crate::score::{self, DepthScore, WaitScore};
use crate::train::Truth;
use crate::watch::{Rights, Said};

/// What came of a row with some rights.
pub(crate) struct Line {
    pub(crate) row: Row,
    pub(crate) rights: Rights,
    python: String,
    torch: String,
    watch_ratio: f64,
    depth: Option<DepthScore>,
    constant: DepthScore,
    second: Option<DepthScore>,
    wait: Option<WaitScore>,
    pin_thread: bool,
    /// The rows of the last tick, in short.
    last: String,
    /// Whether the sampling error of the wait is allowed for, as in a short row.
    short: bool,
}

impl Line {
    pub(crate) fn new(
        row: Row,
        truth: &Truth,
        (rights, first, second): &(Rights, Said, Said),
        short: bool,
    ) -> Self {
        let scored = |truth: &Truth, said: &Said| {
            let score = score::depth(truth, &said.looks);
            (score.looks > 0).then_some(score)
        };
        Self {
            row,
            rights: *rights,
            python: truth.python.clone(),
            torch: truth.torch.split('+').next().unwrap_or_default().into(),
            watch_ratio: truth.watch_ratio,
            depth: scored(truth, first),
            constant: score::constant(truth, &first.looks),
            second: (row.kind == Kind::Two)
                .then(|| scored(&score::second(truth), second))
                .flatten(),
            wait: score::wait(truth, &first.ticks),
            pin_thread: truth.pin_thread,
            last: first.last.clone(),
            short,
        }
    }

    /// What it was, in a line.
    pub(crate) fn name(&self) -> String {
        let Row { mode, kind, workers, prefetch, .. } = self.row;
        format!(
            "Python {} torch {} {mode} {} {workers}×{prefetch}, {} rights",
            self.python,
            self.torch,
            kind.name(),
            self.rights.name()
        )
    }

    /// The limits that it missed, in words.
    pub(crate) fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        if self.row.kind == Kind::Pinned && !self.pin_thread {
            misses.push("no thread pinned".to_owned());
        }
        self.depth_misses(&mut misses);
        self.wait_misses(&mut misses);
        misses
    }

    fn depth_misses(&self, misses: &mut Vec<String>) {
        if self.row.kind == Kind::NoWorkers {
            if self.depth.is_some() {
                misses.push("a depth where there is no queue".into());
            }
            return;
        }
        let wanted = if self.row.kind == Kind::Two { 2 } else { 1 };
        let depths: Vec<&DepthScore> = self.depth.iter().chain(&self.second).collect();
        if depths.len() < wanted || depths.is_empty() || depths.iter().any(|depth| depth.looks < 30)
        {
            misses.push(format!("too few looks; the last rows: {}", self.last));
        }
        for depth in depths {
            match self.rights {
                Rights::Plain => {
                    let bounded = depth.held >= 0.97 && depth.doubtful <= 0.5;
                    if depth.within_one < 0.90 && !bounded {
                        misses.push(format!("depth {:?}", depth));
                    }
                }
            }
        }
        if let Some(depth) = self.depth.as_ref().filter(|_| self.row.moves()) {
            let follows = |score: &DepthScore| score.error <= 0.5 && score.correlation >= 0.95;
            let exact = depth.known.keys().all(|(_, bound)| *bound == "=");
            if exact && !follows(depth) {
                misses.push(format!("does not follow {depth:?}"));
            }
            if follows(&self.constant) || self.constant.within_one >= 0.90 {
                misses.push(format!("a constant passes too: {:?}", self.constant));
            }
        }
    }

    fn wait_misses(&self, misses: &mut Vec<String>) {
        let Some(wait) = &self.wait else { return };
        // With plain rights looks are fewer, and a bound is all that is told.
        let scatters = self.short || self.rights == Rights::Plain;
        let allowed = 0.01 + if scatters { wait.error } else { 0.0 };
        match self.rights {
            Rights::Plain => {
                if wait.bias() > allowed {
                    misses.push(format!("wait {:+.1} points", wait.bias() * 100.0));
                }
            }
        }
    }

    /// Where it stands in the table.
    pub(crate) fn order(&self) -> (usize, &'static str) {
        let all = crate::rows::all();
        let same = |row: &Row| format!("{row:?}") == format!("{:?}", self.row);
        (all.iter().position(same).unwrap_or(all.len()), self.rights.name())
    }

    /// Its figures, in a line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.cells(&mut text);
        text.trim_end().to_owned()
    }

    fn cells(&self, table: &mut String) {
        let Row { mode, kind, workers, prefetch, .. } = self.row;
        let _ = write!(
            table,
            "| {} | {} | {mode} | {} | {workers}×{prefetch} ",
            self.python,
            self.torch,
            kind.name()
        );
        match &self.depth {
            Some(depth) => {
                let known: Vec<String> = depth
                    .known
                    .iter()
                    .filter(|(_, looks)| **looks * 20 >= depth.looks)
                    .map(|((source, bound), _)| format!("{bound} {source}"))
                    .collect();
                let _ = write!(
                    table,
                    "| {} | {:.1} | {:.1} | {:.2} | {:.2} | {} ",
                    depth.looks,
                    depth.within_one * 100.0,
                    depth.held * 100.0,
                    depth.error,
                    depth.correlation,
                    known.join(", ")
                );
            }
            None => table.push_str("| – | – | – | – | – | no queue "),
        }
        match &self.wait {
            Some(wait) => {
                let windows = wait.windows_within(self.row.window_points());
                let windows = windows.map_or("–".into(), |share| format!("{:.0}", share * 100.0));
                let known = wait.known.map_or_else(String::new, |(source, bound)| {
                    format!("{} {}", score::bound(bound), score::wait_source(source))
                });
                let _ = write!(
                    table,
                    "| {:.1} | {:.1} | {:+.1} ± {:.1} | {windows} | {known} ",
                    wait.truth * 100.0,
                    wait.estimate * 100.0,
                    wait.bias() * 100.0,
                    wait.error * 100.0
                );
            }
            None => table.push_str("| – | – | – | – | not told "),
        }
        let misses = self.misses();
        table.push_str(if misses.is_empty() { "| yes |\n" } else { "| **no** |\n" });
    }
}

const HEAD: &str = "\
| Python | torch | load | loader | W×P | looks | within 1 % | holds % | error | corr. | depth known by \
| wait % | told % | bias | windows % | wait known by | in limits |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// The table as a page.
pub(crate) fn page(lines: &[Line], skipped: &[String]) -> String {
    let mut page = include_str!("HEAD.md").to_owned();
    for rights in Rights::ALL {
        let _ = write!(page, "\n## With {} rights\n\n{HEAD}", rights.name());
        for line in lines.iter().filter(|line| line.rights == rights) {
            line.cells(&mut page);
        }
    }
    let most = lines.iter().map(|line| line.watch_ratio).fold(0.0, f64::max);
    let _ = write!(page, "\nThe log of the truth took at most {:.1} % of a core.\n", most * 100.0);
    for skipped in skipped {
        let _ = writeln!(page, "\nNot run: {skipped}.");
    }
    page
}
