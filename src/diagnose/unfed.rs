//! What a starved run is told instead of a smaller size: its GPU looks too large only because it is unfed.

use super::oversized::{Case, blocked, p95_of};
use super::oversized_compute::{ACTIVE, POWER, UTILIZATION};
use super::settings::Settings;
use super::words;
use crate::model::Evidence;

/// The line beside the starvation, where the last quarter of an hour looks oversized.
pub(super) fn line(case: &Case<'_>, settings: &Settings) -> Option<Evidence> {
    let points = case.sizing.newest(settings)?;
    let lost = blocked(&points)?.clamp(0.0, 0.9);
    let active = p95_of(&points, |point| point.sm);
    let (series, at_work, most, what) = if let Some(active) = active {
        ("gpus.sm_active_ratio", active, settings.of(&ACTIVE), "of its multiprocessors at work")
    } else {
        let power = p95_of(&points, |point| point.power)?;
        let util = p95_of(&points, |point| point.util)?;
        if power >= settings.of(&POWER) {
            return None;
        }
        ("gpus.utilization_ratio", util, settings.of(&UTILIZATION), "utilized")
    };
    if at_work >= most {
        return None;
    }
    let fed = (at_work / (1.0 - lost)).min(1.0);
    let (now, then) = (words::percent(at_work), words::percent(fed));
    let gpu = case.gpu;
    let text = if fed >= most {
        format!(
            "GPU {gpu} looks oversized only because it is unfed: {now} {what} at most, {then} if it were fed"
        )
    } else {
        format!(
            "GPU {gpu} is judged for its size once it is fed: {now} {what} at most, {then} if it were fed"
        )
    };
    let span = case.span;
    Some(words::evidence(span, series, format!("gpu {gpu}"), at_work, Some(most), text))
}
