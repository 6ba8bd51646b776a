//! Down-sampling: what fell into equal parts of a span.

/// The range and the mean of what fell into one part of a span, in the track's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "plain statistics")]
pub struct Bucket {
    pub min: f32,
    pub mean: f32,
    pub max: f32,
}

/// Collects values into a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    min: f32,
    max: f32,
    total: f64,
    count: u32,
}

impl Default for Sum {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, total: 0.0, count: 0 }
    }
}

impl Sum {
    /// Adds a finite value.
    pub fn add(&mut self, value: f32) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.total += f64::from(value);
        self.count += 1;
    }

    /// Adds a finite value with the range that it is the mean of.
    pub fn add_bucket(&mut self, bucket: Bucket) {
        self.add(bucket.mean);
        self.min = self.min.min(bucket.min);
        self.max = self.max.max(bucket.max);
    }

    /// Adds all that another has collected.
    pub fn merge(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.total += other.total;
        self.count += other.count;
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bucket; `None` where nothing fell into it.
    pub fn bucket(self) -> Option<Bucket> {
        let mean = (self.total / f64::from(self.count)) as f32;
        (self.count > 0).then_some(Bucket { min: self.min, mean, max: self.max })
    }
}

/// The parts of a span: part `i` holds the times after `edge(i)` up to `edge(i + 1)`, as a moment
/// stands for the time before it.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    from: f64,
    width: f64,
    count: usize,
}

impl Parts {
    /// `None` where the span is empty or no part is asked for.
    pub(super) fn new(from_ms: u64, to_ms: u64, count: usize) -> Option<Self> {
        let span = to_ms.checked_sub(from_ms).filter(|span| *span > 0)?;
        (count > 0).then(|| Self { from: from_ms as f64, width: span as f64 / count as f64, count })
    }

    /// The part that holds a time.
    pub(super) fn part_of(&self, at_ms: u64) -> Option<usize> {
        let place = ((at_ms as f64 - self.from) / self.width).ceil() - 1.0;
        (place >= 0.0 && place < self.count as f64).then_some(place as usize)
    }

    /// The middle of a part, in whole milliseconds, never before its start.
    pub(super) fn middle(&self, part: usize) -> u64 {
        self.width.mul_add(part as f64 + 0.5, self.from).ceil() as u64
    }
}
