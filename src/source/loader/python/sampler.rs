//! What an iterator's sampler tells of its epochs.

use crate::model::Gap;

use super::layout::{ITEMS, SIZE};
use super::memory::{is_object, word_at};
use super::objects::{Attributes, Heap, Kind};
use super::search::{generator_frame, held};

/// The local variables of a sampler that are looked at.
const LOCALS: usize = 16;
/// Holders that what a sampler goes over has at most.
const HELD_BY: u32 = 16;
/// More samples than any data has.
const LONGEST: u64 = 1 << 48;
/// In a `range`: its length, an integer.
const RANGE_LENGTH: u64 = 40;

/// Samples in a batch, where the index sampler is one of batches.
pub(super) fn batch_size(heap: &mut Heap, iterator: &Attributes) -> Option<u32> {
    let sampler = iterator.value("_index_sampler").ok()?;
    let size = heap.attributes(sampler).ok()?.value("batch_size").ok()?;
    u32::try_from(heap.integer(size).ok()?).ok().filter(|&size| size > 0)
}

/// Batches in an epoch, where the sampler tells how many samples it goes over.
pub(super) fn epoch_batches(heap: &mut Heap, iterator: &Attributes) -> Option<u64> {
    count(heap, iterator).ok().filter(|&batches| batches > 0)
}

fn count(heap: &mut Heap, iterator: &Attributes) -> Result<u64, Gap> {
    let batches = heap.attributes(iterator.value("_index_sampler")?)?;
    let size = heap.integer(batches.value("batch_size")?)?;
    let drop_last = heap.integer(batches.value("drop_last")?)? != 0;
    let sampler = batches.value("sampler")?;
    let samples = stated(heap, sampler)
        .or_else(|_| underway(heap, iterator.value("_sampler_iter")?))
        .or_else(|_| all_of(heap, sampler))?;
    let size = u64::try_from(size).ok().filter(|&size| size > 0).ok_or(Gap::Failed)?;
    Ok(if drop_last { samples / size } else { samples.div_ceil(size) })
}

/// The number that the sampler of samples was given, or the share of one rank.
fn stated(heap: &mut Heap, sampler: u64) -> Result<u64, Gap> {
    let samples = heap.attributes(sampler)?;
    let number = samples.value("num_samples").or_else(|_| samples.value("_num_samples"))?;
    // Where none was given there is None, behind which stands anything.
    if heap.class_of(number)? != "int" {
        return Err(Gap::NotYet);
    }
    u64::try_from(heap.integer(number)?).map_err(|_| Gap::Failed)
}

/// The length of the data of a sampler that goes over all of it, where it is plain to be seen: that
/// of a class of its own only its code can tell.
fn all_of(heap: &mut Heap, sampler: u64) -> Result<u64, Gap> {
    if !matches!(heap.class_of(sampler)?.as_str(), "SequentialSampler" | "RandomSampler") {
        return Err(Gap::Unsupported);
    }
    let data = heap.attributes(sampler)?.value("data_source")?;
    let length = match heap.class_of(data)?.as_str() {
        "list" | "tuple" => heap.remote.word(data + SIZE)?,
        "range" => {
            let length = heap.remote.word(data + RANGE_LENGTH)?;
            u64::try_from(heap.integer(length)?).map_err(|_| Gap::Failed)?
        }
        _ => return Err(Gap::Unsupported),
    };
    if length < LONGEST { Ok(length) } else { Err(Gap::Failed) }
}

/// What the generator of batches goes over while it is underway: a range, or the generator of
/// PyTorch's `RandomSampler`, which keeps the length in a variable.
fn underway(heap: &mut Heap, batches: u64) -> Result<u64, Gap> {
    if kind(heap, batches)? != Kind::Generator {
        return Err(Gap::Unsupported);
    }
    let frame = generator_frame(heap, batches)?;
    for value in held(heap, frame)?.values {
        let samples = match kind(heap, value) {
            Ok(Kind::Range) => range(heap, value),
            // The sampler's: what stands behind it is not.
            Ok(Kind::Generator) => return random(heap, value),
            _ => continue,
        };
        if samples.is_ok() {
            return samples;
        }
    }
    Err(Gap::NotYet)
}

fn kind(heap: &mut Heap, object: u64) -> Result<Kind, Gap> {
    let kind = heap.type_of(object)?;
    heap.kind(kind)
}

/// The length of a range that counts up by one.
fn range(heap: &mut Heap, iterator: u64) -> Result<u64, Gap> {
    // What was left in a frame may be gone: then another thing stands in place of the count.
    if !(1..=HELD_BY).contains(&heap.remote.half(iterator)?) {
        return Err(Gap::Failed);
    }
    let words: [u8; 32] = heap.remote.bytes(iterator + SIZE)?;
    let (step, length) = if heap.layout.minor >= 12 {
        // The start moves on, and what is left becomes less.
        (word_at(&words, 8), word_at(&words, 0).checked_add(word_at(&words, 16)))
    } else {
        (word_at(&words, 16), Some(word_at(&words, 24)))
    };
    length.filter(|&length| step == 1 && length < LONGEST).ok_or(Gap::Failed)
}

/// The variable `n` of `RandomSampler.__iter__`.
fn random(heap: &mut Heap, generator: u64) -> Result<u64, Gap> {
    let frame = generator_frame(heap, generator)?;
    let held = held(heap, frame)?;
    let file = heap.remote.word(held.code.wrapping_add(heap.layout.code.file))?;
    if !heap.text(file)?.ends_with("torch/utils/data/sampler.py") {
        return Err(Gap::Unsupported);
    }
    let names = heap.remote.word(held.code.wrapping_add(heap.layout.code.names))?;
    if !is_object(names) {
        return Err(Gap::Failed);
    }
    let count = heap.remote.word(names + SIZE)?.min(LOCALS as u64);
    let names = heap.remote.words(names + ITEMS, count as usize)?;
    for (name, &value) in names.into_iter().zip(&held.values) {
        if heap.text(name)? == "n" {
            return u64::try_from(heap.integer(value)?).map_err(|_| Gap::Failed);
        }
    }
    Err(Gap::NotYet)
}
