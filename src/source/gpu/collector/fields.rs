//! Field values: many figures of a GPU in one call.

use std::os::raw::{c_int, c_uint};

use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};

use super::driver;
use super::raw::symbol;
use crate::model::{Gap, Reading};

// Ids of nvml.h that mean the same in every driver. Those of 251 and above do not.
pub(super) const ECC_CORRECTED: u32 = 3;
pub(super) const ECC_UNCORRECTED: u32 = 4;
pub(super) const ECC_UNCORRECTED_EVER: u32 = 6;
pub(super) const RETIRED_CORRECTED: u32 = 29;
pub(super) const RETIRED_UNCORRECTED: u32 = 30;
pub(super) const RETIRE_PENDING: u32 = 31;
pub(super) const NVLINK_ERRORS: [u32; 4] = [38, 45, 52, 59];
pub(super) const POWER_THROTTLE: u32 = 74;
pub(super) const THERMAL_THROTTLE: u32 = 75;
pub(super) const MEMORY_TEMPERATURE: u32 = 82;
pub(super) const ENERGY: u32 = 83;
pub(super) const NVLINK_SPEED: u32 = 90;
pub(super) const NVLINK_LINKS: u32 = 91;
pub(super) const PCIE_REPLAYS: u32 = 94;
pub(super) const NVLINK_TX: u32 = 138;
pub(super) const NVLINK_RX: u32 = 139;
pub(super) const C2C_LINKS: u32 = 170;
pub(super) const C2C_SPEED: u32 = 172;
pub(super) const PCIE_TX: u32 = 197;
pub(super) const PCIE_RX: u32 = 198;

/// The scope that means all links together; other fields have none.
const fn scope(id: u32) -> c_uint {
    match id {
        NVLINK_TX | NVLINK_RX => c_uint::MAX,
        _ => 0,
    }
}

/// `nvmlFieldValue_t`, for the scope, which the wrapper leaves at 0.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FieldValue {
    id: c_uint,
    scope: c_uint,
    timestamp: i64,
    latency: i64,
    kind: c_uint,
    rc: c_uint,
    value: u64,
}

const _: () = assert!(size_of::<FieldValue>() == 40);
const _: () = assert!(std::mem::offset_of!(FieldValue, value) == 32);

/// The values of these fields, in their order.
#[expect(unsafe_code, reason = "the wrapper has no scope and knows fewer types of values")]
pub(super) fn read(
    nvml: &Nvml,
    device: &Device<'_>,
    ids: &[u32],
) -> Result<Vec<Reading<u64>>, NvmlError> {
    let call = symbol(&nvml.lib().nvmlDeviceGetFieldValues)?;
    let mut values: Vec<FieldValue> = ids
        .iter()
        .map(|id| FieldValue { id: *id, scope: scope(*id), ..FieldValue::default() })
        .collect();
    let count = c_int::try_from(values.len()).unwrap_or(0);
    // SAFETY: the handle is alive as long as `nvml`; the list has `count` entries of the call's own
    // layout, whose size and offsets are checked above.
    unsafe { nvml_try(call(device.handle(), count, values.as_mut_ptr().cast()))? };
    Ok(values.iter().map(number).collect())
}

/// A value by its type (`nvmlValueType_t`); the bytes of a shorter one are the first ones.
fn number(field: &FieldValue) -> Reading<u64> {
    match nvml_try(field.rc) {
        Ok(()) => {}
        // An unknown field is refused with either of two codes.
        Err(NvmlError::InvalidArg) => return Reading::Not(Gap::Unsupported),
        Err(error) => return Reading::Not(driver::gap(&error)),
    }
    let signed = |value: i64| Reading::from_option(u64::try_from(value).ok(), Gap::Failed);
    match field.kind {
        1 => Reading::Is(u64::from(field.value as u32)),
        2 | 3 => Reading::Is(field.value),
        4 => signed(field.value as i64),
        5 => signed(i64::from(field.value as u32 as i32)),
        6 => Reading::Is(u64::from(field.value as u16)),
        // A fraction is none of these counts.
        _ => Reading::Not(Gap::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_by_its_type() {
        let of = |kind, value| number(&FieldValue { kind, value, ..FieldValue::default() });
        assert_eq!(of(1, 0xdead_0000_0007), Reading::Is(7));
        assert_eq!(of(3, 1 << 40), Reading::Is(1 << 40));
        assert_eq!(of(5, u64::from(u32::MAX)), Reading::Not(Gap::Failed));
        assert_eq!(of(6, 0x1_0009), Reading::Is(9));
        assert_eq!(of(0, 1.5_f64.to_bits()), Reading::Not(Gap::Failed));
        let refused = |rc| number(&FieldValue { rc, ..FieldValue::default() });
        assert_eq!(refused(3), Reading::Not(Gap::Unsupported));
        assert_eq!(refused(2), Reading::Not(Gap::Unsupported));
        assert_eq!(refused(4), Reading::Not(Gap::Denied));
    }
}
