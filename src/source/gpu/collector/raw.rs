//! The calls that the wrapper does not make, or makes with a buffer that some drivers overrun.

use std::mem::MaybeUninit;
use std::os::raw::c_uint;

use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};

use super::super::wire::MOST_PROCS;

/// Bytes of an entry that no driver exceeds.
const ENTRY_MOST: usize = 40;
/// `NVML_ERROR_INSUFFICIENT_SIZE`: the count is set and nothing else.
const INSUFFICIENT_SIZE: c_uint = 7;

/// What a process holds: its id, and bytes where the driver can tell.
pub(super) type Held = (u32, Option<u64>);

pub(super) fn symbol<T, E: std::fmt::Display>(symbol: &Result<T, E>) -> Result<&T, NvmlError> {
    symbol.as_ref().map_err(|error| NvmlError::FailedToLoadSymbol(error.to_string()))
}

/// Total and used bytes by the first version of the call, for drivers before R510. What the driver
/// reserves counts as used there.
#[expect(unsafe_code, reason = "the wrapper has only the second version of this call")]
pub(super) fn memory_v1(nvml: &Nvml, device: &Device<'_>) -> Result<(u64, u64), NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetMemoryInfo)?;
    let mut info = MaybeUninit::zeroed();
    // SAFETY: the handle is alive as long as `nvml`, and the struct is the call's own, zeroed.
    let info = unsafe {
        nvml_try(call(device.handle(), info.as_mut_ptr()))?;
        info.assume_init()
    };
    Ok((info.total, info.used))
}

/// The reasons for the clocks as they are: the wrapper drops bits that it does not know.
#[expect(unsafe_code, reason = "the wrapper drops bits that it does not know")]
pub(super) fn clock_reasons(nvml: &Nvml, device: &Device<'_>) -> Result<u64, NvmlError> {
    let lib = nvml.lib();
    let mut bits = 0;
    // SAFETY: the handle is alive as long as `nvml`; the call writes one integer.
    unsafe {
        let rc = match (
            &lib.nvmlDeviceGetCurrentClocksEventReasons,
            &lib.nvmlDeviceGetCurrentClocksThrottleReasons,
        ) {
            (Ok(call), _) | (_, Ok(call)) => call(device.handle(), &raw mut bits),
            (_, Err(error)) => return Err(NvmlError::FailedToLoadSymbol(error.to_string())),
        };
        nvml_try(rc)?;
    }
    Ok(bits)
}

/// Share of time in which a JPEG decoder worked, in percent.
#[expect(unsafe_code, reason = "the wrapper does not make this call")]
pub(super) fn jpeg_percent(nvml: &Nvml, device: &Device<'_>) -> Result<u32, NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetJpgUtilization)?;
    let (mut percent, mut period) = (0, 0);
    // SAFETY: the handle is alive as long as `nvml`; the call writes two integers.
    unsafe { nvml_try(call(device.handle(), &raw mut percent, &raw mut period))? };
    Ok(percent)
}

/// Rows of the device's memory that were replaced by spare ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// After errors that could be corrected.
    pub(super) corrected: u32,
    /// After errors that could not.
    pub(super) uncorrected: u32,
    /// More wait for a reset.
    pub(super) pending: bool,
    /// One could not be replaced.
    pub(super) failed: bool,
}

/// The rows that were replaced.
#[expect(unsafe_code, reason = "the wrapper does not make this call")]
pub(super) fn remapped_rows(nvml: &Nvml, device: &Device<'_>) -> Result<Rows, NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetRemappedRows)?;
    let (mut corrected, mut uncorrected, mut pending, mut failed) = (0, 0, 0, 0);
    // SAFETY: the handle is alive as long as `nvml`; the call writes four integers.
    unsafe {
        nvml_try(call(
            device.handle(),
            &raw mut corrected,
            &raw mut uncorrected,
            &raw mut pending,
            &raw mut failed,
        ))?;
    }
    Ok(Rows { corrected, uncorrected, pending: pending != 0, failed: failed != 0 })
}

/// The driver's numbers of a MIG instance: the GPU instance, and the compute instance within it.
#[expect(unsafe_code, reason = "the wrapper does not make these calls")]
pub(super) fn instance_ids(nvml: &Nvml, device: &Device<'_>) -> (Option<u32>, Option<u32>) {
    let lib = nvml.lib();
    let (mut gpu, mut compute) = (0, 0);
    // SAFETY: the handle is alive as long as `nvml`; each call writes one integer.
    unsafe {
        let gpu_known = symbol(&lib.nvmlDeviceGetGpuInstanceId)
            .and_then(|call| nvml_try(call(device.handle(), &raw mut gpu)));
        let compute_known = symbol(&lib.nvmlDeviceGetComputeInstanceId)
            .and_then(|call| nvml_try(call(device.handle(), &raw mut compute)));
        (gpu_known.ok().map(|()| gpu), compute_known.ok().map(|()| compute))
    }
}

/// Which processes a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With a compute context.
    Compute,
    /// With a graphics context.
    Graphics,
    /// Through the multi-process service.
    Mps,
}

/// The processes of a list. The buffer has room for the largest entry that any driver writes, and
/// the entries are told apart by what they hold: drivers 535.43 to 535.97 write 32 bytes under an
/// unchanged name, and others have been seen with 16.
#[expect(unsafe_code, reason = "the wrapper's buffer is too small for some drivers")]
pub(super) fn processes(
    nvml: &Nvml,
    device: &Device<'_>,
    kind: Kind,
) -> Result<Vec<Held>, NvmlError> {
    let lib = nvml.lib();
    // SAFETY: `call` writes at most `count` entries of at most `ENTRY_MOST` bytes into `room`, which is
    // that large and aligned for the entries' widest field; the handle is alive as long as `nvml`.
    let read = |room: &mut Vec<u64>, count: &mut c_uint| unsafe {
        let (handle, at, newest) = (device.handle(), room.as_mut_ptr(), &lib);
        macro_rules! call {
            ($v3:ident, $v2:ident) => {
                match (&newest.$v3, &newest.$v2) {
                    (Ok(call), _) => Ok(call(handle, count, at.cast())),
                    (Err(_), Ok(call)) => Ok(call(handle, count, at.cast())),
                    (_, Err(error)) => Err(NvmlError::FailedToLoadSymbol(error.to_string())),
                }
            };
        }
        match kind {
            Kind::Compute => {
                call!(
                    nvmlDeviceGetComputeRunningProcesses_v3,
                    nvmlDeviceGetComputeRunningProcesses_v2
                )
            }
            Kind::Graphics => {
                call!(
                    nvmlDeviceGetGraphicsRunningProcesses_v3,
                    nvmlDeviceGetGraphicsRunningProcesses_v2
                )
            }
            Kind::Mps => call!(
                nvmlDeviceGetMPSComputeRunningProcesses_v3,
                nvmlDeviceGetMPSComputeRunningProcesses_v2
            ),
        }
    };
    let mut room = 16;
    for _ in 0..3 {
        let mut count = room as c_uint;
        let mut buffer = vec![0_u64; room * ENTRY_MOST / 8];
        let rc = read(&mut buffer, &mut count)?;
        if rc == INSUFFICIENT_SIZE {
            // More may start between two calls.
            room = (count as usize).saturating_add(16).clamp(32, MOST_PROCS * 4);
            continue;
        }
        nvml_try(rc)?;
        let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let count = (count as usize).min(room);
        return decode(&bytes, count, wide_entries(nvml)).ok_or(NvmlError::Unknown);
    }
    Err(NvmlError::InsufficientSize(None))
}

/// Whether this driver is of the line that writes 32 bytes an entry: it has one call of its time and
/// lacks another.
fn wide_entries(nvml: &Nvml) -> bool {
    let lib = nvml.lib();
    lib.nvmlDeviceGetConfComputeMemSizeInfo.is_ok()
        && lib.nvmlDeviceGetRunningProcessDetailList.is_err()
}

/// `count` entries of the likeliest size in which all of them make sense.
fn decode(bytes: &[u8], count: usize, wide: bool) -> Option<Vec<Held>> {
    let sizes: [usize; 3] = if wide { [32, 24, 16] } else { [24, 32, 16] };
    sizes.into_iter().find_map(|size| {
        (0..count).map(|index| entry(bytes.get(index * size..(index + 1) * size)?)).collect()
    })
}

/// Pid, memory and MIG instance of an entry: laid out alike in every size of it.
fn entry(bytes: &[u8]) -> Option<Held> {
    let pid = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let padding = bytes.get(4..8)?;
    let held = u64::from_ne_bytes(bytes.get(8..16)?.try_into().ok()?);
    // The kernel's own upper bound of a pid.
    let sane_pid = (1..=4_194_304).contains(&pid);
    let sane_held = held == u64::MAX || held <= 1 << 50;
    let sane_instance = bytes.get(16..20).is_none_or(|instance| {
        instance.try_into().is_ok_and(|instance| {
            let instance = u32::from_ne_bytes(instance);
            instance == u32::MAX || instance < 16
        })
    });
    (sane_pid && sane_held && sane_instance && padding.len() == 4)
        .then(|| (pid, (held != u64::MAX).then_some(held)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(size: usize, pids: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for pid in pids {
            let mut one = vec![0_u8; size];
            one[..4].copy_from_slice(&pid.to_ne_bytes());
            one[8..16].copy_from_slice(&(u64::from(*pid) << 20).to_ne_bytes());
            if size >= 24 {
                one[16..24].fill(0xff);
            }
            bytes.extend(one);
        }
        bytes.resize(bytes.len() + pids.len() * ENTRY_MOST, 0);
        bytes
    }

    #[test]
    fn entries_of_every_size_are_told_apart_by_what_they_hold() {
        let pids = [1200, 1201, 77_000];
        for size in [16, 24, 32] {
            let held = decode(&entries(size, &pids), 3, false).unwrap();
            assert_eq!(held.iter().map(|held| held.0).collect::<Vec<_>>(), pids);
            assert_eq!(held[2].1, Some(77_000 << 20));
        }
    }

    #[test]
    fn entries_that_make_no_sense_are_no_list() {
        assert_eq!(decode(&[0xff; 400], 3, false), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..400), count in 0_usize..40) {
            let _ = decode(&bytes, count, true);
        }
    }
}
