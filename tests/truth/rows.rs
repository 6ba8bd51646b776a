//! The rows of the table: a covering set of Pythons, versions of PyTorch, loads and kinds of loaders.

use std::path::PathBuf;

use crate::train::{cache, has};

/// A kind of loader, as arguments of the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Pinned,
    /// Batches of 98 KiB inside the messages: larger than a pipe.
    Inlined,
    Spawn,
    Forkserver,
    /// Epochs of 60 batches, by the same workers.
    Persistent,
    /// Epochs of 60 batches, each by new workers.
    FreshEpochs,
    /// A second loader validates now and then.
    Two,
    NoWorkers,
    Iterable,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Pinned => "pinned",
            Self::Inlined => "inlined",
            Self::Spawn => "spawn",
            Self::Forkserver => "forkserver",
            Self::Persistent => "persistent",
            Self::FreshEpochs => "fresh epochs",
            Self::Two => "two loaders",
            Self::NoWorkers => "0 workers",
            Self::Iterable => "iterable",
        }
    }

    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Pinned => &["--pin"],
            Self::Inlined => &["--inline"],
            Self::Spawn => &["--ctx", "spawn"],
            Self::Forkserver => &["--ctx", "forkserver"],
            Self::Persistent => &["--persistent", "--epoch", "60"],
            Self::FreshEpochs => &["--epoch", "60"],
            Self::Two => &["--validate", "--persistent"],
            Self::NoWorkers => &["--workers", "0"],
            Self::Iterable => &["--iterable"],
        }
    }
}

/// One training of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The environment.
    pub(crate) python: &'static str,
    /// Starved, healthy, bursty or slow.
    pub(crate) mode: &'static str,
    pub(crate) kind: Kind,
    pub(crate) workers: u32,
    pub(crate) prefetch: u32,
    /// How long it is looked at in the long form: long enough for the sampling error of the wait.
    pub(crate) seconds: u32,
}

impl Row {
    const fn new(
        python: &'static str,
        mode: &'static str,
        kind: Kind,
        (workers, prefetch): (u32, u32),
    ) -> Self {
        let workers = if matches!(kind, Kind::NoWorkers) { 0 } else { workers };
        Self { python, mode, kind, workers, prefetch, seconds: 31 }
    }

    pub(crate) fn arguments(&self, seconds: u32) -> Vec<String> {
        let mut all: Vec<String> = ["--mode", self.mode].map(Into::into).into();
        for (name, value) in
            [("--workers", self.workers), ("--prefetch", self.prefetch), ("--seconds", seconds)]
        {
            all.extend([name.to_owned(), value.to_string()]);
        }
        all.extend(self.kind.arguments().iter().map(|&argument| argument.to_owned()));
        all
    }

    /// A queue that goes up and down so far that no constant tells it.
    pub(crate) const fn moves(&self) -> bool {
        self.workers * self.prefetch >= 32
    }

    /// How near the wait of 10 s must be, in points: where steps are long, 10 s hold few of them.
    pub(crate) fn window_points(&self) -> f64 {
        if self.mode == "slow" { 2.0 } else { 5.0 }
    }
}

/// The interpreter of an environment, if it is on this machine with its torch.
pub(crate) fn interpreter(python: &str) -> Option<PathBuf> {
    let path = match python {
        "debian" => PathBuf::from("/usr/bin/python3"),
        "newest" => cache().join("torch-newest/bin/python"),
        other => cache().join(other).join("bin/python"),
    };
    has(&path, &["torch"]).then_some(path)
}

/// All of it. Each environment sees each load; each kind is seen under at least two loads.
pub(crate) fn all() -> Vec<Row> {
    use Kind::{
        Forkserver, FreshEpochs, Inlined, Iterable, NoWorkers, Persistent, Pinned, Plain, Spawn,
        Two,
    };
    let of = Row::new;
    vec![
        of("newest", "starved", Plain, (2, 2)),
        of("newest", "healthy", Plain, (4, 2)),
        of("newest", "bursty", Plain, (4, 8)),
        of("newest", "slow", Plain, (2, 2)),
        of("newest", "starved", Pinned, (2, 2)),
        of("newest", "bursty", Pinned, (4, 8)),
        of("newest", "healthy", Inlined, (2, 2)),
        of("newest", "bursty", Spawn, (2, 4)),
        of("newest", "starved", Forkserver, (2, 2)),
        of("newest", "starved", NoWorkers, (0, 2)),
        of("newest", "starved", Two, (2, 2)),
        of("newest", "bursty", FreshEpochs, (2, 4)),
        of("debian", "starved", Plain, (2, 2)),
        of("debian", "bursty", Plain, (4, 8)),
        of("debian", "healthy", Pinned, (2, 2)),
        of("debian", "slow", Pinned, (2, 2)),
        of("debian", "starved", Iterable, (2, 2)),
        of("debian", "bursty", Two, (2, 4)),
        of("debian", "healthy", Spawn, (2, 2)),
        of("py38", "healthy", Plain, (2, 2)),
        of("py38", "bursty", Plain, (4, 8)),
        of("py38", "starved", Pinned, (2, 2)),
        of("py38", "starved", Spawn, (2, 2)),
        of("py38", "bursty", Persistent, (2, 4)),
        of("py38", "slow", NoWorkers, (0, 2)),
        of("py38", "healthy", Iterable, (2, 2)),
        of("py312", "bursty", Plain, (4, 2)),
        of("py312", "starved", Inlined, (2, 2)),
        of("py312", "healthy", Persistent, (2, 2)),
        of("py313", "starved", Plain, (2, 2)),
        of("py313", "healthy", Forkserver, (2, 2)),
        of("py313", "bursty", Pinned, (4, 2)),
        of("py313", "starved", Persistent, (2, 2)),
        of("py313", "bursty", Inlined, (2, 4)),
        of("py313", "healthy", Two, (2, 2)),
        of("py313", "bursty", Iterable, (2, 4)),
    ]
}

/// Those that are tried in each run of the tests.
pub(crate) fn short() -> Vec<Row> {
    use Kind::{Forkserver, NoWorkers, Pinned, Plain};
    let of = Row::new;
    vec![
        of("newest", "bursty", Pinned, (4, 8)),
        of("debian", "starved", Pinned, (2, 2)),
        of("newest", "starved", Plain, (2, 2)),
        of("newest", "healthy", Forkserver, (2, 2)),
        of("newest", "starved", NoWorkers, (0, 2)),
        of("debian", "bursty", Plain, (4, 8)),
    ]
}
