//! What the stack of a training thread says at one moment.

use super::facts::{IteratorId, LoaderKind};

/// One look at the stacks of the threads that train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackLook {
    /// The loader that a training thread is inside, the main thread's first.
    pub inside: Option<Inside>,
    /// What the main thread does.
    pub activity: Activity,
    /// Whether the main thread is in a validation or a test.
    pub validating: bool,
}

/// Inside of a loader's `__next__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Whose.
    pub kind: LoaderKind,
    /// Which iterator, where it is one that can be read.
    pub iterator: Option<IteratorId>,
    /// In which part of it.
    pub part: Part,
    /// The main thread; else a thread that was seen inside of a loader before.
    pub main_thread: bool,
}

/// The part of a loader's `__next__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sleeps until a batch is there.
    QueueEmpty,
    /// A batch is there and is being handed over: received, unpickled, its memory mapped.
    Delivery,
    /// Prepares the batch itself, without workers.
    Inline,
    /// Ends its workers: the epoch is over, and there is no batch to wait for.
    Ending,
    /// The loader's own code cannot be seen into.
    Unknown,
}

/// What a thread does, as far as the frames on its stack tell. Python frames only: a wait for the GPU
/// inside of `.item()` shows as whatever called it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activity {
    /// None of the below: the step, or anything else.
    #[default]
    Other,
    /// Waits for data.
    Data,
    /// Starts a loader's workers.
    StartingWorkers,
    /// Ends a loader's workers.
    StoppingWorkers,
    /// Computes a model's output.
    Forward,
    /// Computes gradients.
    Backward,
    /// Changes the weights.
    Optimizer,
    /// Talks to the other ranks.
    Collective,
    /// Compiles.
    Compile,
    /// Writes or reads a checkpoint.
    Checkpoint,
    /// Logs to a tracker.
    Logging,
    /// Imports modules.
    Import,
}

impl Activity {
    /// A word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Data => "data",
            Self::StartingWorkers => "starting_workers",
            Self::StoppingWorkers => "stopping_workers",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Optimizer => "optimizer",
            Self::Collective => "collective",
            Self::Compile => "compile",
            Self::Checkpoint => "checkpoint",
            Self::Logging => "logging",
            Self::Import => "import",
        }
    }
}
