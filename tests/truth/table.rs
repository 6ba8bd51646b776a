//! A row's limits, and the table.

use std::fmt::Write as _;

use mltop::model::Bound;

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
}

impl Line {
    pub(crate) fn new(
        row: Row,
        truth: &Truth,
        (rights, first, second): &(Rights, Said, Said),
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
            wait: score::wait(truth, &first.ticks, &first.looks),
            pin_thread: truth.pin_thread,
            last: first.last.clone(),
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
            let kept = match self.rights {
                Rights::Memory => depth.within_one >= 0.97,
                Rights::Plain => {
                    let bounded = depth.held >= 0.97 && depth.doubtful <= 0.5;
                    depth.within_one >= 0.90 || bounded
                }
            };
            if !kept {
                misses.push(format!("{depth:?}"));
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
        let Some(wait) = &self.wait else {
            if self.rights == Rights::Memory {
                misses.push("no wait".into());
            }
            return;
        };
        let above = match self.rights {
            Rights::Memory => f64::abs,
            Rights::Plain => |bias: f64| bias,
        };
        let vouched = wait.known.is_some_and(|(_, bound)| bound != Bound::Doubtful);
        if !vouched && self.rights == Rights::Memory {
            misses.push("a wait that nothing vouches for".into());
        }
        if !vouched {
            return;
        }
        if above(wait.misread) > 0.01 + wait.misread_error || above(wait.bias()) > 0.01 + wait.error
        {
            let (misread, bias) = (wait.misread * 100.0, wait.bias() * 100.0);
            misses.push(format!("wait misread by {misread:+.1} points, told {bias:+.1} off"));
        }
        let points = self.row.window_points();
        let near = wait.windows_within(points).filter(|_| self.rights == Rights::Memory);
        if near.is_some_and(|near| near < 0.95) {
            misses.push(format!("{near:?} of the windows within {points} points"));
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
                    "| {} | {:.1} | {} | {:.2} | {:.2} | {} ",
                    depth.looks,
                    depth.within_one * 100.0,
                    if depth.held.is_nan() {
                        "–".into()
                    } else {
                        format!("{:.1}", depth.held * 100.0)
                    },
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
                let windows =
                    windows.map_or_else(|| "–".into(), |share| format!("{:.0}", share * 100.0));
                let known = wait.known.map_or_else(String::new, |(source, bound)| {
                    format!("{} {}", score::bound(bound), source.code())
                });
                let _ = write!(
                    table,
                    "| {:.1} | {:.1} | {:+.1} ± {:.1} | {:+.1} ± {:.1} | {windows} | {known} ",
                    wait.truth * 100.0,
                    wait.estimate * 100.0,
                    wait.misread * 100.0,
                    wait.misread_error * 100.0,
                    wait.bias() * 100.0,
                    wait.error * 100.0
                );
            }
            None => table.push_str("| – | – | – | – | – | not told "),
        }
        let misses = self.misses();
        table.push_str(if misses.is_empty() { "| yes |\n" } else { "| **no** |\n" });
    }
}

/// The differences of all rows with memory rights together, where chance is smallest.
pub(crate) fn pooled(lines: &[Line]) -> String {
    let waits = lines.iter().filter(|line| line.rights == Rights::Memory);
    let waits: Vec<&WaitScore> = waits.filter_map(|line| line.wait.as_ref()).collect();
    let n = waits.len() as f64;
    let bias = waits.iter().map(|wait| wait.bias()).sum::<f64>() / n;
    let error = waits.iter().map(|wait| wait.error.powi(2)).sum::<f64>().sqrt() / n;
    format!(
        "Over the {n} rows with memory rights the wait is told {:+.2} ± {:.2} points off.",
        bias * 100.0,
        error * 100.0
    )
}

const HEAD: &str = "\
| Python | torch | load | loader | W×P | looks | within 1 % | holds % | error | corr. | depth known by \
| wait % | told % | misread | off | windows % | wait known by | in limits |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
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
    let _ = write!(page, "\n{}\n", pooled(lines));
    let most = lines.iter().map(|line| line.watch_ratio).fold(0.0, f64::max);
    let _ = write!(page, "\nThe log of the truth took at most {:.1} % of a core.\n", most * 100.0);
    for skipped in skipped {
        let _ = writeln!(page, "\nNot run: {skipped}.");
    }
    page
}
