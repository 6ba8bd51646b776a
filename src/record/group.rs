//! Ticks in memory: lines in groups of ten seconds, packed once a group is complete.
//!
//! Half an hour of a box with 8 GPUs and 70 processes is a few megabytes this way; as rows it would be
//! a hundred. One group is unpacked to look at any of its ticks.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::model::{Sample, Stamp};

use super::container::pack::{LEVEL, MAX_TEXT, WINDOW_LOG};
use super::decode::{Decoder, Item};
use super::encode::{Encoder, GROUP_MS, rows};
use super::head::SessionInfo;
use super::line::MAX_ROWS;

/// The tick before a moment's, where there is one, and the moment's own.
pub type Pair = (Option<Arc<Sample>>, Arc<Sample>);

/// A group is complete early with so many ticks in so much text: the packer looks back no farther, be it
/// at the group's own text or at its base, and a longer text takes as much more memory to be packed.
const ENOUGH_TICKS: usize = 10;
const ENOUGH_TEXT: usize = 1 << WINDOW_LOG;

/// How many groups stay unpacked: a tick and the one before it may lie in two.
const UNPACKED: usize = 2;

/// With so many entries, the packer's table holds most places of a base and of the group on it: the one
/// that its level has for short texts forgets most of the base, and a third more is left of a group.
const PLACES_LOG: u32 = 16;
/// Matches are of so many bytes at least: shorter ones fit by chance where figures are.
const MIN_MATCH: u32 = 7;

/// Groups that are packed with the same one as their base. Names and most figures of five minutes are
/// alike, and a group that only says what differs from its base is a third smaller.
const ON_ONE_BASE: usize = 30;

/// The lines of ticks in groups, each of which begins with its names.
pub(super) struct Groups {
    encoder: Encoder,
    closed: VecDeque<Group>,
    open: Group,
    open_rows: usize,
    /// Bytes of all closed groups.
    closed_bytes: usize,
    /// What groups are packed on, and how many are.
    base: Option<(Arc<Packed>, usize)>,
    next_id: u64,
    unpacked: Mutex<Vec<Unpacked>>,
}

#[derive(Clone)]
struct Group {
    id: u64,
    first: Stamp,
    last: Stamp,
    ticks: usize,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Text(String),
    Packed(Arc<Packed>),
}

/// The text of a group as zstd packs it, with the text of its base, if it has one, for a dictionary.
#[derive(Debug)]
struct Packed {
    bytes: Box<[u8]>,
    text_len: usize,
    /// One that has none itself. It stays for as long as a group needs it.
    base: Option<Arc<Self>>,
}

impl Packed {
    /// `None` where there is no packer. It is not kept: idle, it would hold more memory than ten minutes
    /// of a session.
    fn new(text: &str, base: Option<&Arc<Self>>) -> Option<Self> {
        let before = base.map(|base| base.text()).transpose().ok()?.unwrap_or_default();
        let mut packer: Compressor<'_> = Compressor::new(LEVEL).ok()?;
        packer.set_parameter(CParameter::WindowLog(WINDOW_LOG)).ok()?;
        packer.set_parameter(CParameter::HashLog(PLACES_LOG)).ok()?;
        packer.set_parameter(CParameter::MinMatch(MIN_MATCH)).ok()?;
        packer.context_mut().ref_prefix(&before).ok()?;
        let bytes = packer.compress(text.as_bytes()).ok()?;
        // Copied, as the packer's buffer has pages of its own, which it keeps when it is shortened.
        Some(Self { bytes: Box::from(&*bytes), text_len: text.len(), base: base.map(Arc::clone) })
    }

    /// Our own bytes, packed in this process: the length is to be trusted.
    fn text(&self) -> io::Result<Vec<u8>> {
        let dictionary = self.base.as_ref().map(|base| base.text()).transpose()?;
        Decompressor::with_dictionary(&dictionary.unwrap_or_default())?
            .decompress(&self.bytes, self.text_len)
    }
}

/// A group as samples, as far as its text went when it was looked at.
struct Unpacked {
    id: u64,
    read: usize,
    decoder: Decoder,
    samples: Vec<Arc<Sample>>,
}

impl Group {
    fn empty(id: u64) -> Self {
        let (first, last) = (Stamp::default(), Stamp::default());
        Self { id, first, last, ticks: 0, body: Body::Text(String::new()) }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                Body::Text(text) => text.capacity(),
                Body::Packed(packed) => size_of::<Packed>() + packed.bytes.len(),
            }
    }

    fn text_len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Packed(packed) => packed.text_len,
        }
    }

    /// Reads what `unpacked` has not read yet.
    fn unpack(&self, unpacked: &mut Unpacked) {
        if unpacked.read >= self.text_len() {
            return;
        }
        let owned;
        let text = match &self.body {
            Body::Text(text) => text.as_bytes(),
            Body::Packed(packed) => {
                owned = packed.text().unwrap_or_default();
                &owned
            }
        };
        for line in text.get(unpacked.read..).unwrap_or_default().split_inclusive(|&b| b == b'\n') {
            if let Ok(Some(Item::Sample(sample))) = unpacked.decoder.line(line) {
                unpacked.samples.push(sample);
            }
        }
        unpacked.read = self.text_len();
    }
}

impl Unpacked {
    fn new(id: u64) -> Self {
        Self { id, read: 0, decoder: Decoder::new(), samples: Vec::new() }
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            encoder: Encoder::new(SessionInfo::default()),
            closed: VecDeque::new(),
            open: Group::empty(0),
            open_rows: 0,
            closed_bytes: 0,
            base: None,
            next_id: 1,
            unpacked: Mutex::default(),
        }
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups")
            .field("groups", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl Groups {
    /// Takes in a tick. True where a group was completed by it.
    pub(super) fn push(&mut self, sample: &Arc<Sample>) -> bool {
        let complete = self.is_complete(sample);
        if complete {
            self.close();
        }
        let Body::Text(text) = &mut self.open.body else { return complete };
        let before = text.len();
        self.encoder.tick(sample, None, text);
        if text.len() == before {
            return complete;
        }
        if self.open.ticks == 0 {
            self.open.first = sample.stamp;
        }
        self.open.last = sample.stamp;
        self.open.ticks += 1;
        self.open_rows += rows(sample);
        complete
    }

    fn is_complete(&self, next: &Sample) -> bool {
        let open = &self.open;
        let now = next.stamp.mono_ms;
        open.ticks > 0
            && (now.saturating_sub(open.first.mono_ms) >= GROUP_MS
                || now < open.last.mono_ms
                || open.text_len() >= MAX_TEXT
                || open.ticks >= ENOUGH_TICKS && open.text_len() >= ENOUGH_TEXT
                || self.open_rows + rows(next) > MAX_ROWS)
    }

    fn close(&mut self) {
        let next = Group::empty(self.next_id);
        self.next_id += 1;
        self.open_rows = 0;
        self.encoder.begin_group();
        let mut group = std::mem::replace(&mut self.open, next);
        if let Body::Text(text) = &group.body
            && let Some(packed) = self.pack(text)
        {
            group.body = Body::Packed(packed);
        }
        self.closed_bytes += group.bytes();
        self.closed.push_back(group);
    }

    /// Packs the text of a group; where there is no packer for it, it stays as it is.
    fn pack(&mut self, text: &str) -> Option<Arc<Packed>> {
        if let Some((base, uses)) = &mut self.base
            && *uses < ON_ONE_BASE
        {
            *uses += 1;
            return Packed::new(text, Some(base)).map(Arc::new);
        }
        let packed = Arc::new(Packed::new(text, None)?);
        self.base = Some((Arc::clone(&packed), 1));
        Some(packed)
    }

    /// The same ticks once more, packed as they are.
    pub(super) fn snapshot(&self) -> Self {
        Self {
            closed: self.closed.clone(),
            open: self.open.clone(),
            closed_bytes: self.closed_bytes,
            next_id: self.next_id,
            ..Self::default()
        }
    }

    /// Forgets the oldest complete group. False where there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(group) = self.closed.pop_front() else { return false };
        self.closed_bytes -= group.bytes();
        true
    }

    /// The last tick of the oldest complete group.
    pub(super) fn oldest_complete(&self) -> Option<Stamp> {
        self.closed.front().map(|group| group.last)
    }

    /// Bytes of memory that the lines take.
    pub(super) fn bytes(&self) -> usize {
        self.closed_bytes + self.open.bytes()
    }

    /// Ticks held.
    pub(super) fn ticks(&self) -> usize {
        self.closed.iter().map(|group| group.ticks).sum::<usize>() + self.open.ticks
    }

    /// The first and the last tick.
    pub(super) fn span(&self) -> Option<(Stamp, Stamp)> {
        let first = self.group(0)?.first;
        let last = self.group(self.len().checked_sub(1)?)?.last;
        Some((first, last))
    }

    /// The first and the last tick of a group.
    pub(super) fn bounds(&self, index: usize) -> Option<(Stamp, Stamp)> {
        self.group(index).map(|group| (group.first, group.last))
    }

    /// The samples of a group.
    pub(super) fn unpacked(&self, index: usize) -> Vec<Arc<Sample>> {
        self.look(index, <[Arc<Sample>]>::to_vec).unwrap_or_default()
    }

    /// Groups that hold a tick.
    pub(super) fn len(&self) -> usize {
        self.closed.len() + usize::from(self.open.ticks > 0)
    }

    fn group(&self, index: usize) -> Option<&Group> {
        if index == self.closed.len() && self.open.ticks > 0 {
            Some(&self.open)
        } else {
            self.closed.get(index)
        }
    }

    /// The latest tick whose stamp has been `reached`, and the one taken before it.
    pub(super) fn latest(&self, reached: impl Fn(Stamp) -> bool) -> Option<Pair> {
        let index =
            (0..self.len()).rev().find(|&at| self.group(at).is_some_and(|g| reached(g.first)))?;
        let (before, sample) = self.look(index, |samples| {
            let at = samples.iter().rposition(|sample| reached(sample.stamp))?;
            let before = at.checked_sub(1).and_then(|before| samples.get(before));
            Some((before.map(Arc::clone), Arc::clone(samples.get(at)?)))
        })??;
        let before = before.or_else(|| {
            let index = index.checked_sub(1)?;
            self.look(index, |samples| samples.last().map(Arc::clone))?
        });
        Some((before, sample))
    }

    /// Looks at the samples of one group, unpacking it where it is not among the last two.
    fn look<T>(&self, index: usize, look: impl FnOnce(&[Arc<Sample>]) -> T) -> Option<T> {
        let group = self.group(index)?;
        // What a panic elsewhere left behind is at worst a group read in part: it is read on below.
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut one = match unpacked.iter().position(|one| one.id == group.id) {
            Some(at) => unpacked.remove(at),
            None => Unpacked::new(group.id),
        };
        group.unpack(&mut one);
        if unpacked.len() >= UNPACKED {
            unpacked.remove(0);
        }
        let seen = look(&one.samples);
        unpacked.push(one);
        Some(seen)
    }

    /// All ticks in the order in which they were taken, one group unpacked at a time.
    pub(super) fn samples(&self) -> impl Iterator<Item = Arc<Sample>> + '_ {
        (0..self.len()).filter_map(|index| self.group(index)).flat_map(|group| {
            let mut unpacked = Unpacked::new(group.id);
            group.unpack(&mut unpacked);
            unpacked.samples
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pid;
    use crate::model::sample::ProcSample;

    /// Groups with `ticks` of so many processes, `apart_ms` apart, and the longest text of an open one.
    fn pushed(ticks: u64, procs: u32, apart_ms: u64) -> (Groups, usize) {
        let mut groups = Groups::default();
        let mut longest = 0;
        for seq in 0..ticks {
            let procs = (0..procs).map(|pid| ProcSample { pid: Pid(pid), ..ProcSample::default() });
            let (unix_ms, mono_ms) = (1_760_000_000_000, 50_000 + seq * apart_ms);
            groups.push(&Arc::new(Sample {
                seq,
                stamp: Stamp { unix_ms, mono_ms },
                procs: procs.collect(),
                ..Sample::default()
            }));
            longest = longest.max(groups.open.text_len());
        }
        (groups, longest)
    }

    #[test]
    fn fast_ticks_wait_in_no_more_text_than_the_packer_looks_back() {
        let (groups, longest) = pushed(200, 100, 10);
        assert!(longest > ENOUGH_TEXT / 2 && longest < ENOUGH_TEXT * 2, "{longest}");
        let texts: usize = groups.closed.iter().map(Group::text_len).sum();
        assert!(groups.closed.len() > 2 && texts > 2 * ENOUGH_TEXT, "{texts} {}", groups.len());
        let read: Vec<u64> = groups.samples().map(|sample| sample.seq).collect();
        assert!(read.into_iter().eq(0..200));
    }

    /// Names stand at the start of a group: with fewer ticks they would be most of it.
    #[test]
    fn long_ticks_a_second_apart_share_a_group_all_the_same() {
        let (groups, longest) = pushed(10, 400, 1000);
        assert!(longest > ENOUGH_TEXT && longest < MAX_TEXT, "{longest}");
        assert_eq!((groups.len(), groups.ticks()), (1, 10));
    }

    #[test]
    fn a_group_on_a_base_is_read_again_and_says_only_what_differs() {
        let (groups, _) = pushed(100, 100, 1000);
        let packed = |at: usize| match &groups.closed[at].body {
            Body::Packed(packed) => Arc::clone(packed),
            Body::Text(text) => unreachable!("not packed: {text}"),
        };
        let (base, on_it) = (packed(0), packed(5));
        assert!(base.base.is_none() && Arc::ptr_eq(&base, on_it.base.as_ref().unwrap()));
        assert!(on_it.bytes.len() < base.bytes.len() / 2);
        let seqs = |at| groups.unpacked(at).iter().map(|sample| sample.seq).collect::<Vec<_>>();
        assert_eq!(seqs(5), (50..60).collect::<Vec<_>>());
    }
}
