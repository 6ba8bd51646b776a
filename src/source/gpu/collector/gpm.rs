//! Activity by GPM, the hardware's own averages between two samples (Hopper and later).

use std::ffi::CStr;
use std::os::raw::{c_char, c_uint, c_void};
use std::time::{Duration, Instant};

use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::gpm::GpmSample;
use nvml_wrapper::{Device, Nvml};

use super::super::check;
use super::driver;
use super::raw::symbol;
use crate::model::sample::GpuSample;
use crate::model::{Gap, Reading};

/// GPM needs this much between two samples.
const APART: Duration = Duration::from_millis(100);

/// What is asked, in this order (`nvmlGpmMetricId_t`): multiprocessors, warps, tensor, memory, then
/// received and sent over PCIe and NVLink.
const METRICS: [c_uint; 8] = [2, 3, 5, 10, 21, 20, 60, 61];
/// And where there is a link to a Grace CPU: received and sent over it.
const METRICS_C2C: [c_uint; 2] = [101, 100];
/// A MIG instance has no links of its own.
const METRICS_OF_SLICE: usize = 4;

/// The samples of one GPU or MIG instance.
#[derive(Default)]
pub(super) struct Gpm {
    before: Option<(GpmSample<'static>, Instant)>,
    /// The one before that, to be filled anew: to make a sample and to give it back are calls, too.
    spare: Option<GpmSample<'static>>,
    calls: u64,
}

/// What a look told.
#[derive(Debug)]
pub(super) enum Look {
    /// Too soon after the last one: what that told stands.
    Early,
    /// A second sample will tell.
    First,
    /// The answers, in the order in which they were asked for.
    Values(Vec<Value>),
    /// None, and the error.
    Failed(NvmlError),
}

/// A value with its unit in the driver's words.
pub(super) type Value = Reading<(f64, String)>;

/// Which metrics are worth asking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Of the card; with those of the link to a Grace CPU.
    Card { c2c: bool },
    /// Of a GPU instance of it, by the driver's number.
    Slice { instance: u32 },
}

impl Wanted {
    fn metrics(self) -> Vec<c_uint> {
        match self {
            Self::Card { c2c: false } => METRICS.to_vec(),
            Self::Card { c2c: true } => [&METRICS[..], &METRICS_C2C[..]].concat(),
            Self::Slice { .. } => METRICS[..METRICS_OF_SLICE].to_vec(),
        }
    }
}

impl Gpm {
    /// Takes a sample and compares it with the one before.
    pub(super) fn look(
        &mut self,
        nvml: &'static Nvml,
        card: &Device<'static>,
        wanted: Wanted,
    ) -> Look {
        // The wrapper would panic where a sample cannot be given back.
        if nvml.lib().nvmlGpmSampleFree.is_err() {
            return Look::Failed(NvmlError::NotSupported);
        }
        let now = Instant::now();
        if self.before.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < APART) {
            return Look::Early;
        }
        let sample = match self.sample(nvml, card, wanted) {
            Ok(sample) => sample,
            Err(error) => {
                self.before = None;
                return Look::Failed(error);
            }
        };
        let Some((before, _)) = self.before.replace((sample, now)) else { return Look::First };
        let Some((sample, _)) = &self.before else { return Look::First };
        self.calls += 1;
        let values = metrics(nvml, &before, sample, &wanted.metrics());
        self.spare = Some(before);
        values.map_or_else(Look::Failed, Look::Values)
    }

    /// A sample of now.
    fn sample(
        &mut self,
        nvml: &'static Nvml,
        card: &Device<'static>,
        wanted: Wanted,
    ) -> Result<GpmSample<'static>, NvmlError> {
        self.calls += 1;
        if let Some(sample) = self.spare.take() {
            return fill_anew(nvml, card, wanted, &sample).map(|()| sample);
        }
        // One for its memory.
        self.calls += 1;
        match wanted {
            Wanted::Card { .. } => card.gpm_sample(),
            Wanted::Slice { instance } => card.gpm_mig_sample(instance),
        }
    }

    /// Calls that were made since this was asked last.
    pub(super) fn calls(&mut self) -> u64 {
        std::mem::take(&mut self.calls)
    }
}

#[expect(unsafe_code, reason = "the wrapper makes a new sample each time")]
fn fill_anew(
    nvml: &Nvml,
    card: &Device<'_>,
    wanted: Wanted,
    sample: &GpmSample<'_>,
) -> Result<(), NvmlError> {
    let lib = nvml.lib();
    // SAFETY: the handle and the sample are alive as long as `nvml`, and nobody else uses the sample.
    nvml_try(unsafe {
        match wanted {
            Wanted::Card { .. } => symbol(&lib.nvmlGpmSampleGet)?(card.handle(), sample.handle()),
            Wanted::Slice { instance } => {
                symbol(&lib.nvmlGpmMigSampleGet)?(card.handle(), instance, sample.handle())
            }
        }
    })
}

/// Puts the shares of activity into a row.
pub(super) fn fill(row: &mut GpuSample, values: &[Value], gap: Gap) {
    let share = |index: usize| match values.get(index) {
        Some(Reading::Is((value, _))) => check::percent(*value),
        Some(Reading::Not(gap)) => Reading::Not(*gap),
        None => Reading::Not(gap),
    };
    row.sm_active_ratio = share(0);
    row.sm_occupancy_ratio = share(1);
    row.tensor_active_ratio = share(2);
    row.dram_active_ratio = share(3);
}

/// The rates received and sent over PCIe, NVLink (1) and C2C (2), where both are there in a unit that
/// we know.
pub(super) fn rates(values: &[Value], link: usize) -> Option<(f64, f64)> {
    let rate = |index: usize| match values.get(index) {
        Some(Reading::Is((value, unit))) if value.is_finite() && *value >= 0.0 => {
            check::rate_unit(unit).map(|factor| value * factor)
        }
        _ => None,
    };
    let first = METRICS_OF_SLICE + link * 2;
    rate(first).zip(rate(first + 1))
}

/// `nvmlGpmMetric_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Metric {
    id: c_uint,
    rc: c_uint,
    value: f64,
    short: *const c_char,
    long: *const c_char,
    unit: *const c_char,
}

/// Metrics that a request has room for in the newest header. The library touches those alone that it
/// is asked for.
const ROOM: usize = 333;

/// `nvmlGpmMetricsGet_t`.
#[repr(C)]
struct Request {
    version: c_uint,
    count: c_uint,
    first: *mut c_void,
    second: *mut c_void,
    metrics: [Metric; ROOM],
}

const _: () = assert!(size_of::<Metric>() == 40);
const _: () = assert!(std::mem::offset_of!(Request, metrics) == 24);

#[expect(unsafe_code, reason = "the wrapper knows no metrics of the link to a Grace CPU")]
fn metrics(
    nvml: &Nvml,
    before: &GpmSample<'_>,
    now: &GpmSample<'_>,
    ids: &[c_uint],
) -> Result<Vec<Value>, NvmlError> {
    let call = symbol(&nvml.lib().nvmlGpmMetricsGet)?;
    let null = std::ptr::null();
    let none = Metric { id: 0, rc: 0, value: 0.0, short: null, long: null, unit: null };
    let mut request = Box::new(Request {
        version: 1,
        count: ids.len().min(ROOM) as c_uint,
        first: std::ptr::null_mut(),
        second: std::ptr::null_mut(),
        metrics: [none; ROOM],
    });
    for (metric, id) in request.metrics.iter_mut().zip(ids) {
        metric.id = *id;
    }
    // SAFETY: both samples are alive, and the request has the call's own layout, checked above.
    unsafe {
        request.first = before.handle().cast();
        request.second = now.handle().cast();
        nvml_try(call(std::ptr::from_mut(&mut *request).cast()))?;
    }
    let answers = request.metrics.iter().take(ids.len());
    Ok(answers
        .map(|metric| match nvml_try(metric.rc) {
            Ok(()) if metric.unit.is_null() => Reading::Is((metric.value, String::new())),
            Ok(()) => {
                // SAFETY: the library's own text, with its end, which lives as long as the library.
                let unit = unsafe { CStr::from_ptr(metric.unit) };
                Reading::Is((metric.value, unit.to_string_lossy().into_owned()))
            }
            Err(NvmlError::InvalidArg) => Reading::Not(Gap::Unsupported),
            Err(error) => Reading::Not(driver::gap(&error)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_s_rates_need_both_directions_in_a_known_unit() {
        let of = |value: f64, unit: &str| Reading::Is((value, unit.to_owned()));
        let mut values: Vec<Value> = vec![Reading::Not(Gap::Unsupported); 4];
        values.extend([of(2.0, "MiB/s"), of(1.0, "MiB/s"), of(3.0, "bytes/s"), of(4.0, "?")]);
        assert_eq!(rates(&values, 0), Some((2_097_152.0, 1_048_576.0)));
        assert_eq!(rates(&values, 1), None, "a unit that we do not know");
        assert_eq!(rates(&values, 2), None, "was not asked for");
    }
}
