//! What an iterator's sampler tells of its epochs.

use crate::model::Gap;

use super::objects::{Attributes, Heap};

/// Samples in a batch, where the index sampler is one of batches.
pub(super) fn batch_size(heap: &mut Heap, iterator: &Attributes) -> Option<u32> {
    let sampler = iterator.value("_index_sampler").ok()?;
    let size = heap.attributes(sampler).ok()?.value("batch_size").ok()?;
    u32::try_from(heap.integer(size).ok()?).ok().filter(|&size| size > 0)
}

/// Batches in an epoch, where the sampler counts its samples itself: one drawn in a given number, or
/// the share of one rank.
pub(super) fn epoch_batches(heap: &mut Heap, iterator: &Attributes) -> Option<u64> {
    count(heap, iterator).ok().filter(|&batches| batches > 0)
}

fn count(heap: &mut Heap, iterator: &Attributes) -> Result<u64, Gap> {
    let batches = heap.attributes(iterator.value("_index_sampler")?)?;
    let size = heap.integer(batches.value("batch_size")?)?;
    let drop_last = heap.integer(batches.value("drop_last")?)? != 0;
    let samples = heap.attributes(batches.value("sampler")?)?;
    // A sampler for distributed training has `num_samples`; one with a given number `_num_samples`.
    let number = samples.value("num_samples").or_else(|_| samples.value("_num_samples"))?;
    let number = heap.integer(number)?;
    let (size, number) = (u64::try_from(size), u64::try_from(number));
    let (Ok(size @ 1..), Ok(number)) = (size, number) else { return Err(Gap::Failed) };
    Ok(if drop_last { number / size } else { number.div_ceil(size) })
}
