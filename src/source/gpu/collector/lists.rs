//! What the driver keeps of the seconds before: samples of utilization, and utilization by process.
//!
//! The wrapper asks for the number of entries first, and then for them. Asked with room to spare, the
//! driver is called once.

use std::os::raw::c_uint;

use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};

use super::raw::symbol;

/// Entries that there is always room for: more than drivers keep of one GPU (100 to 120 samples).
const ROOM: usize = 128;
/// Entries that room is made for at the most.
const MOST: usize = 16 * 1024;
/// `NVML_GPU_UTILIZATION_SAMPLES`
const UTILIZATION: c_uint = 1;

/// Asks for a list with at least `room` entries of room. One that does not fit is asked for the next
/// time with the room that it needs: the driver keeps it for longer than that.
fn list<T: Copy + Default>(
    room: &mut usize,
    call: impl FnOnce(&mut c_uint, *mut T) -> c_uint,
) -> Result<Vec<T>, NvmlError> {
    let mut entries = vec![T::default(); (*room).clamp(ROOM, MOST)];
    let mut count = entries.len() as c_uint;
    match nvml_try(call(&mut count, entries.as_mut_ptr())) {
        Ok(()) => {
            entries.truncate(count as usize);
            Ok(entries)
        }
        // Nothing new.
        Err(NvmlError::NotFound) => Ok(Vec::new()),
        Err(NvmlError::InsufficientSize(_)) if entries.len() < MOST => {
            *room = (count as usize).saturating_add(ROOM);
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// `nvmlSample_t`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sample {
    timestamp: u64,
    value: u64,
}

const _: () = assert!(size_of::<Sample>() == 16);

/// The samples of utilization that the driver buffered since a moment: when, and percent where the
/// value is of a type that we know.
#[expect(unsafe_code, reason = "the wrapper calls twice")]
pub(super) fn utilization(
    nvml: &Nvml,
    device: &Device<'_>,
    since: u64,
    room: &mut usize,
) -> Result<Vec<(u64, Option<f64>)>, NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetSamples)?;
    let mut kind = 0;
    // SAFETY: the handle is alive as long as `nvml`; the call writes at most `count` entries of its own
    // layout, whose size is checked above, into a list of that many.
    let samples: Vec<Sample> = list(room, |count, at: *mut Sample| unsafe {
        call(device.handle(), UTILIZATION, since, &raw mut kind, count, at.cast())
    })?;
    Ok(samples.iter().map(|sample| (sample.timestamp, number(kind, sample.value))).collect())
}

/// A value by its type (`nvmlValueType_t`); the bytes of a shorter one are the first ones.
fn number(kind: c_uint, value: u64) -> Option<f64> {
    match kind {
        1 => Some(f64::from(value as u32)),
        2 | 3 => Some(value as f64),
        _ => None,
    }
}

/// `nvmlProcessUtilizationSample_t`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProcessUse {
    pub(super) pid: c_uint,
    /// Microseconds of the driver's clock.
    pub(super) timestamp: u64,
    /// Percent of the time in which its kernels ran.
    pub(super) sm: c_uint,
    _memory: c_uint,
    _encoder: c_uint,
    _decoder: c_uint,
}

const _: () = assert!(size_of::<ProcessUse>() == 32);

/// How much of the time processes had kernels running, since a moment.
#[expect(unsafe_code, reason = "the wrapper calls twice")]
pub(super) fn processes(
    nvml: &Nvml,
    device: &Device<'_>,
    since: u64,
    room: &mut usize,
) -> Result<Vec<ProcessUse>, NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetProcessUtilization)?;
    // SAFETY: as above.
    list(room, |count, at: *mut ProcessUse| unsafe {
        call(device.handle(), at.cast(), count, since)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver that has so many entries.
    fn driver(has: usize) -> impl Fn(&mut c_uint, *mut u64) -> c_uint {
        move |count, _| {
            let fits = has <= *count as usize;
            *count = has as c_uint;
            if has == 0 {
                6
            } else if fits {
                0
            } else {
                7
            }
        }
    }

    #[test]
    fn a_list_that_does_not_fit_has_its_room_the_next_time() {
        let mut room = 0;
        assert_eq!(list(&mut room, driver(100)).unwrap().len(), 100);
        assert!(list(&mut room, driver(300)).unwrap().is_empty());
        assert_eq!(list(&mut room, driver(300)).unwrap().len(), 300);
        assert!(list(&mut room, driver(0)).unwrap().is_empty());
    }

    #[test]
    fn a_list_without_end_is_an_error_and_not_nothing() {
        let mut room = 0;
        assert!(list(&mut room, driver(1 << 30)).unwrap().is_empty());
        assert!(list(&mut room, driver(1 << 30)).is_err());
        assert!(list(&mut room, |_, _: *mut u64| 3).is_err());
    }

    #[test]
    fn a_sample_is_read_by_its_type() {
        assert_eq!(number(1, 0xdead_0000_0025), Some(37.0));
        assert_eq!(number(3, 37), Some(37.0));
        assert_eq!(number(0, 1.5_f64.to_bits()), None);
    }
}
