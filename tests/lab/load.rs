//! What a scenario is made of: phases, and what a batch and a step cost in each.

/// Where a worker spends the time of a batch, as shares of it; the rest is on a CPU.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) disk: f64,
    pub(crate) net: f64,
    /// Ready to run, without a CPU.
    pub(crate) queue: f64,
    /// A lock, a timer.
    pub(crate) other: f64,
}

/// What a loader reads, and how its disk and the page cache do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reads {
    /// Bytes of a batch, read calls for them, and what share of the bytes comes from the disk.
    pub(crate) bytes: f64,
    pub(crate) calls: f64,
    pub(crate) missed: f64,
    /// Bytes of a request to the disk.
    pub(crate) request: f64,
    /// Seconds that a request takes, and requests in flight.
    pub(crate) wait: f64,
    pub(crate) queue: f64,
    /// Pages that are read again soon after they were evicted, of those read.
    pub(crate) refaults: f64,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            bytes: 10e6,
            calls: 40.0,
            missed: 0.02,
            request: 256e3,
            wait: 0.0004,
            queue: 0.1,
            refaults: 0.0,
        }
    }
}

/// What a batch costs a worker, and what a step costs the loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Seconds a batch, and their standard deviation as a share of it.
    pub(crate) service: f64,
    pub(crate) cv: f64,
    /// This share of the batches takes so many times as long.
    pub(crate) tail: Option<(f64, f64)>,
    /// For so many seconds batches take this much more, and for as many this much less.
    pub(crate) swing: Option<(f64, f64)>,
    pub(crate) parts: Parts,
    /// Seconds that the hand-over of a ready batch takes.
    pub(crate) delivery: f64,
    /// Seconds a step, and their standard deviation as a share of it.
    pub(crate) step: f64,
    pub(crate) step_cv: f64,
    /// Each so many steps one takes so many seconds (gradient accumulation).
    pub(crate) long_step: Option<(u64, f64)>,
    pub(crate) reads: Reads,
    /// Share of the time in which the CPU quota stops the job.
    pub(crate) throttled: f64,
    /// Cores that others use.
    pub(crate) others: f64,
}

impl Load {
    /// Batches of `service` seconds on a CPU, steps of `step`.
    pub(crate) fn cpu(service: f64, step: f64) -> Self {
        Self {
            service,
            cv: 0.2,
            tail: None,
            swing: None,
            parts: Parts::default(),
            delivery: 0.0,
            step,
            step_cv: 0.1,
            long_step: None,
            reads: Reads::default(),
            throttled: 0.0,
            others: 1.0,
        }
    }

    /// So many workers make `supply` times the batches that steps of `step` seconds take.
    pub(crate) fn supply(workers: usize, step: f64, supply: f64) -> Self {
        Self::cpu(step * workers.max(1) as f64 / supply, step)
    }
}

/// What the loop does beside taking batches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Train,
    /// Each so many seconds it stands for so many, and writes so many bytes a second.
    Checkpoint {
        every: f64,
        lasts: f64,
        rate: f64,
    },
    /// Each so many steps a second loader gives so many batches.
    Evaluate {
        every: u64,
        batches: u64,
    },
    /// Each so many steps all workers are new ones, which take so many seconds to start.
    Respawn {
        every: u64,
        start: f64,
    },
    /// The first step takes so long, on one CPU.
    Compile(f64),
    /// The first batches take so many times as long, one for each worker.
    ColdWorkers(f64),
}

/// One stretch of a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) seconds: f64,
    pub(crate) load: Load,
    pub(crate) act: Act,
    /// Why the loop starves here; `None` where it does not.
    pub(crate) cause: Option<&'static str>,
}

impl Phase {
    pub(crate) fn quiet(seconds: f64, load: Load) -> Self {
        Self { seconds, load, act: Act::Train, cause: None }
    }

    pub(crate) fn starved(seconds: f64, cause: &'static str, load: Load) -> Self {
        Self { cause: Some(cause), ..Self::quiet(seconds, load) }
    }
}

/// One scenario with its seed drawn: a box, a loader, and what happens.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) prefetch: usize,
    pub(crate) cores: f64,
    pub(crate) quota: Option<f64>,
    pub(crate) read_limit: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) remote: bool,
    /// Batches an epoch, where the loader tells.
    pub(crate) epoch: Option<u64>,
    /// Ticks that are lost, looks that are lost, looks that are misread: shares.
    pub(crate) lost: f64,
    pub(crate) blind: f64,
    pub(crate) misread: f64,
    pub(crate) phases: Vec<Phase>,
    /// Rules that say the truth here, beside STARVED.
    pub(crate) may: &'static [&'static str],
}

impl Plan {
    pub(crate) fn new(name: &'static str, seed: u64, workers: usize, phases: Vec<Phase>) -> Self {
        Self {
            name,
            seed,
            workers,
            prefetch: 2,
            cores: 64.0,
            quota: None,
            read_limit: None,
            memory_limit: None,
            remote: false,
            epoch: None,
            lost: 0.01,
            blind: 0.01,
            misread: 0.005,
            phases,
            may: &[],
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    /// The phase of a moment; the last one goes on.
    pub(crate) fn at(&self, seconds: f64) -> &Phase {
        let mut end = 0.0;
        let phase = self.phases.iter().find(|phase| {
            end += phase.seconds;
            seconds < end
        });
        phase.or_else(|| self.phases.last()).unwrap()
    }

    /// Phases in which the loop starves: from, to, why.
    pub(crate) fn starved(&self) -> Vec<(f64, f64, &'static str)> {
        let mut begin = 0.0;
        let mut all = Vec::new();
        for phase in &self.phases {
            let end = begin + phase.seconds;
            if let Some(cause) = phase.cause {
                all.push((begin, end, cause));
            }
            begin = end;
        }
        all
    }
}
