//! What is known of an iterator: what stays, and what one look gives.

use crate::model::Pid;

/// An iterator of one interpreter. Never used again, not even where a new iterator stands at the
/// same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IteratorId(pub u32);

/// Whose `__next__` hands out batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoaderKind {
    /// PyTorch's DataLoader, torchdata's StatefulDataLoader, and all that is built on them.
    Torch,
    /// Grain's `DatasetIterator`.
    Grain,
    /// TensorFlow's `tf.data`.
    TfData,
    /// NVIDIA's DALI.
    Dali,
    /// FFCV's `EpochIterator`.
    Ffcv,
    /// A plain `queue.Queue` or `multiprocessing` queue that the loop itself takes from.
    Queue,
}

impl LoaderKind {
    /// Its name, as its users know it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Torch => "pytorch",
            Self::Grain => "grain",
            Self::TfData => "tf.data",
            Self::Dali => "dali",
            Self::Ffcv => "ffcv",
            Self::Queue => "queue",
        }
    }
}

/// What does not change while an iterator lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IteratorFacts {
    /// Its number.
    pub id: IteratorId,
    /// Its class, as `_MultiProcessingDataLoaderIter`.
    pub class: Box<str>,
    /// Where the sampler of its `DataLoader` is: one for all iterators of that loader, and of no other.
    pub sampler: Option<u64>,
    /// Class of the dataset.
    pub dataset: Box<str>,
    /// An iterable-style dataset, which has no indices.
    pub iterable: Option<bool>,
    /// Worker processes; 0: the loop prepares its batches itself.
    pub num_workers: u32,
    /// Batches asked for ahead, per worker. None without workers.
    pub prefetch_factor: Option<u32>,
    /// Whether the workers live on into the next epoch.
    pub persistent_workers: bool,
    /// Whether a thread of the trainer pins finished batches.
    pub pinned: bool,
    /// Samples in a batch, where a batch sampler tells.
    pub batch_size: Option<u32>,
    /// Batches in an epoch, where the sampler tells.
    pub epoch_batches: Option<u64>,
    /// The workers in their order, as the trainer itself numbers processes: in a container's own
    /// numbers where it runs in one.
    pub workers: Vec<Pid>,
}

impl IteratorFacts {
    /// `num_workers × prefetch_factor`; 0 without workers.
    pub fn capacity(&self) -> u64 {
        u64::from(self.num_workers) * u64::from(self.prefetch_factor.unwrap_or(0))
    }
}

/// What one look at an iterator gave. All of one moment, checked against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Batches handed to the loop in this epoch (`_num_yielded`).
    pub taken: u64,
    /// The queues; None for an iterator without workers, which has none.
    pub queues: Option<Queues>,
}

/// Where the batches of an iterator with workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Finished batches in order that the loop can take one after the other; `finished` at most.
    pub ready: u64,
    /// Whether `ready` is known for each batch; else it is at most that: more workers than are looked
    /// at one by one, or some of them have ended.
    pub ready_exact: bool,
    /// Finished batches in all: the three below, and what is on its way between them.
    pub finished: u64,
    /// Of them in the queue that the workers fill.
    pub result_queue: u64,
    /// Of them pinned.
    pub pinned_queue: u64,
    /// Of them received by the loop before their turn.
    pub out_of_order: u64,
    /// Tasks given out so far in this epoch (`_send_idx`).
    pub sent: u64,
    /// The index of the next batch that the loop takes (`_rcvd_idx`).
    pub received: u64,
    /// Tasks given out and not yet received by the loop, in order or not.
    pub outstanding: u64,
    /// Tasks that no worker has begun. None where the workers were not looked at one by one: the others
    /// said it all, or there are too many.
    pub queued: Option<u64>,
    /// Workers that prepare a batch now; None as above.
    pub busy: Option<u64>,
    /// Whether the loop sleeps for a batch.
    pub waiting: bool,
}
