//! The lanes of the GPUs: how much of the time they work, and how full their memory is.

use crate::app::{GpuMode, ScreenKind};
use crate::fmt;
use crate::model::inventory::{SourceState, SourceStatus};
use crate::model::{Bound, Gap, GpuId, Inventory, Reading, Rule};

use super::focus::Look;
use super::lane::{Lane, gpu_list, mean, mean_of, most, series, value, why_none};
use super::screen::{Body, Bucket, Draw, Heat, Line, Plot, Role, Series, span, strong};
use super::text::{cut, word};
use crate::history::Track;

/// More lines than this in one lane cannot be told apart.
const OVERLAY_MAX: usize = 16;

/// More rows than this no lane has.
const HEAT_MAX: usize = 64;

/// A GPU whose figures are older than this does not answer.
const SILENT_SECONDS: f64 = 3.0;

/// Use below which what is above it counts as unused: of the memory as the oversized rule has it,
/// of the compute half.
const MEMORY_HEADROOM: f64 = 0.45;
const COMPUTE_HEADROOM: f64 = 0.5;

/// The lane of GPU utilization.
pub(super) fn util(look: &Look<'_>) -> Lane {
    let utils: Vec<Track> = look.gpus.iter().copied().map(Track::GpuUtil).collect();
    let actives: Vec<Track> = look.gpus.iter().copied().map(Track::GpuSmActive).collect();
    let points = look.points_over(&utils);
    let active = look.points_over(&actives);
    let now: Vec<Reading<f64>> = utils.iter().map(|of| look.read(of)).collect();
    let active_now: Vec<Reading<f64>> = actives.iter().map(|of| look.read(of)).collect();

    let mut values = Line::new();
    let percent = |ratio| percent_of(ratio, is_least(look, &look.gpus));
    value(&mut values, look.moment_word(), mean_of(&now).0.map(percent), Role::GpuUtil);
    value(&mut values, "mean ", mean(&points).map(percent), Role::GpuUtil);
    if let (Some(active), _) = mean_of(&active_now) {
        value(&mut values, "SM active ", Some(fmt::percent(active)), Role::GpuActivity);
    }
    let reason = no_gpu(look).unwrap_or_else(|| why_none(&now).to_owned());
    let body = match look.state.gpu_mode {
        GpuMode::Heat if several(look) => Body::Heat(heat(look)),
        GpuMode::Overlay if several(look) => {
            Body::Plot(finish_util(look, overlay(look, &utils), &active, &reason))
        }
        _ => Body::Plot(finish_util(look, aggregate(look, &points, &active), &active, &reason)),
    };
    Lane { title: util_title(look), values, body }
}

/// A share of four columns, marked where it is but the least that there is.
pub(super) fn percent_of(ratio: f64, least: bool) -> String {
    let text = fmt::percent(ratio);
    // Nothing is above all of it.
    if !least || ratio >= 0.995 {
        return text;
    }
    let marked = format!("{}{}", Bound::Lower.mark(), text.trim_start());
    super::text::right(&marked, 4)
}

/// Whether utilization and memory of one of these is but the least that there is: a sum over the
/// processes that may be looked at.
pub(super) fn is_least(look: &Look<'_>, gpus: &[GpuId]) -> bool {
    let mut rows = look.frame.iter().flat_map(|frame| &frame.sample.gpus);
    rows.any(|row| gpus.contains(&row.gpu) && row.usage_bound == Reading::Is(Bound::Lower))
}

/// Whether the lane is of several GPUs, so that it makes a difference how they are drawn. The screen of
/// the GPUs has a map of its own.
fn several(look: &Look<'_>) -> bool {
    !look.gpus.is_empty() && look.state.screen != ScreenKind::Gpus
}

fn util_title(look: &Look<'_>) -> Line {
    let mut title = vec![strong("GPU util", Role::GpuUtil)];
    if !look.gpus.is_empty() {
        title.push(span(format!("  GPU {}", gpu_list(&look.gpus)), Role::Dim));
    }
    if look.gpus.len() > 1 {
        let mode = match look.state.gpu_mode {
            GpuMode::Aggregate => "  mean, least to most",
            GpuMode::Overlay => "  a line each",
            GpuMode::Heat => "  a row each",
        };
        title.push(span(mode, Role::Dim));
    }
    if let Some(trouble) = silent_gpus(look) {
        title.push(span(format!("  {trouble}"), Role::Warn));
    }
    title
}

fn aggregate(look: &Look<'_>, points: &[Option<Bucket>], active: &[Option<Bucket>]) -> Vec<Series> {
    let mut all = Vec::new();
    if look.gpus.len() > 1 {
        all.push(series(Role::Band, Draw::Band, points.to_vec()));
    }
    all.push(series(Role::GpuUtil, Draw::Area, points.to_vec()));
    if active.iter().any(Option::is_some) {
        all.push(series(Role::GpuActivity, Draw::Line, active.to_vec()));
    }
    all
}

fn overlay(look: &Look<'_>, utils: &[Track]) -> Vec<Series> {
    let lines = utils.iter().take(OVERLAY_MAX);
    lines.map(|of| series(Role::GpuUtil, Draw::Line, look.points(of))).collect()
}

fn finish_util(look: &Look<'_>, all: Vec<Series>, active: &[Option<Bucket>], reason: &str) -> Plot {
    let mut plot = look.plot(1.0, all, reason);
    plot.labels = percent_labels();
    // Utilization tells how often the GPU works, not how much of it: only the multiprocessors at work
    // show room, and a GPU that is starved has room for another reason.
    let peak = most(active).filter(|peak| *peak < COMPUTE_HEADROOM);
    if let Some(peak) = peak
        && !look.state.holds(Rule::Starved)
    {
        plot.headroom = Some((peak, active_columns(active)));
    }
    plot
}

/// One row a GPU; where there are more than a lane can hold, the least used ones, for a straggler is
/// among them.
fn heat(look: &Look<'_>) -> Heat {
    let window = &look.window;
    let mut rows: Vec<(f64, GpuId, Vec<Option<f32>>)> = Vec::new();
    for gpu in &look.gpus {
        let of = Track::GpuUtil(*gpu);
        let mut buckets = look.past.buckets(&of, window.from_ms, window.to_ms, window.columns);
        buckets.resize(window.columns, None);
        let mean = mean(&buckets).unwrap_or(f64::INFINITY);
        let cells = buckets.into_iter().map(|bucket| {
            bucket
                .map(|bucket| bucket.mean)
                .filter(|mean| mean.is_finite())
                .map(|m| m.clamp(0.0, 1.0))
        });
        rows.push((mean, *gpu, cells.collect()));
    }
    if rows.len() > HEAT_MAX {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows.truncate(HEAT_MAX);
        rows.sort_by_key(|row| row.1);
    }
    let rows = rows.into_iter().map(|(_, gpu, cells)| (format!("{gpu}"), cells)).collect();
    Heat { rows, role: Role::GpuUtil, cursor: window.cursor }
}

/// The lane of device memory.
pub(super) fn memory(look: &Look<'_>) -> Lane {
    let quantities: Vec<Track> = look.gpus.iter().copied().map(Track::GpuMemory).collect();
    let points = look.points_over(&quantities);
    let now: Vec<Reading<f64>> = quantities.iter().map(|of| look.read(of)).collect();
    let mut all = Vec::new();
    if look.gpus.len() > 1 {
        all.push(series(Role::GpuMemory, Draw::Band, points.clone()));
    }
    all.push(series(Role::GpuMemory, Draw::Area, points.clone()));
    let reason = no_gpu(look).unwrap_or_else(|| why_none(&now).to_owned());
    let mut plot = look.plot(1.0, all, &reason);
    plot.labels = percent_labels();
    let peak = most(&points).filter(|peak| *peak <= MEMORY_HEADROOM);
    let oversized = look.state.holds(Rule::OversizedMemory);
    if let Some(peak) = peak.or_else(|| most(&points).filter(|_| oversized)) {
        plot.headroom = Some((peak, active_columns(&points)));
    }
    let title = vec![strong("GPU mem", Role::GpuMemory)];
    Lane { title, values: memory_values(look, &now), body: Body::Plot(plot) }
}

/// The fullest GPU: it is the one that runs out.
fn memory_values(look: &Look<'_>, now: &[Reading<f64>]) -> Line {
    let known = look.gpus.iter().zip(now).filter_map(|(gpu, ratio)| ratio.ok().map(|r| (*gpu, r)));
    let fullest = known.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let mut values = Line::new();
    let Some((gpu, ratio)) = fullest else {
        value(&mut values, "", None, Role::GpuMemory);
        return values;
    };
    let percent = percent_of(ratio, is_least(look, &[gpu]));
    let label = if look.gpus.len() > 1 { format!("fullest GPU {gpu} ") } else { String::new() };
    let total = look
        .frame
        .and_then(|frame| frame.sample.gpus.iter().find(|row| row.gpu == gpu))
        .and_then(|row| row.memory_total_bytes.ok())
        .or_else(|| look.inventory()?.gpu(gpu)?.memory_bytes);
    if let Some(total) = total {
        let total = total as f64;
        let text = format!("{} of {}", fmt::bytes(ratio * total), fmt::bytes(total).trim());
        value(&mut values, &label, Some(text), Role::GpuMemory);
        value(&mut values, "", Some(percent), Role::GpuMemory);
    } else {
        value(&mut values, &label, Some(percent), Role::GpuMemory);
    }
    values
}

/// Labels of a lane that goes from nothing to all.
pub(super) fn percent_labels() -> Vec<(f64, String)> {
    [(1.0, "100"), (0.5, " 50"), (0.0, "  0")].map(|(at, text)| (at, text.to_owned())).to_vec()
}

fn active_columns(points: &[Option<Bucket>]) -> Vec<bool> {
    points.chunks(2).map(|pair| pair.iter().any(Option::is_some)).collect()
}

/// Why there is no GPU at all, with what would mend it; `None` where there is one.
pub(super) fn no_gpu(look: &Look<'_>) -> Option<String> {
    let inventory = look.inventory()?;
    if !inventory.gpus.is_empty() {
        return None;
    }
    let told = gpu_source(inventory).filter(|source| !source.message.is_empty());
    let reason = told.map_or_else(
        || "no GPU found".to_owned(),
        |source| {
            let remedy = if source.remedy.is_empty() { "" } else { ": " };
            format!("{}{remedy}{}", source.message, source.remedy)
        },
    );
    // A reason that is wider than the plot would not be written at all.
    Some(cut(&super::text::safe(&reason), look.window.columns))
}

/// The source that reads GPUs and has something to say.
fn gpu_source(inventory: &Inventory) -> Option<&SourceStatus> {
    let of_gpus = inventory.sources.iter().filter(|source| {
        ["nvml", "gpu", "nvidia"].iter().any(|name| source.source.to_lowercase().contains(name))
    });
    of_gpus.map(|source| &**source).find(|source| source.state != SourceState::Ok)
}

/// The GPUs of the lane that do not answer, in words: `GPU 3: no answer for 12 s`.
pub(super) fn silent_gpus(look: &Look<'_>) -> Option<String> {
    let inventory = look.inventory()?;
    let mut told = Vec::new();
    for gpu in &inventory.gpus {
        let age = look
            .frame
            .and_then(|frame| frame.sample.gpus.iter().find(|row| row.gpu == gpu.gpu))
            .and_then(|row| row.age_seconds.ok())
            .filter(|age| age.is_finite() && *age >= SILENT_SECONDS);
        if let Some(age) = age {
            told.push(format!(
                "GPU {}: {} for {}",
                gpu.gpu,
                Gap::Late.words(),
                fmt::ago(age as u64)
            ));
        } else if let Some(trouble) = &gpu.trouble {
            told.push(format!("GPU {}: {}", gpu.gpu, cut(&word(trouble, Role::Warn).text, 60)));
        }
    }
    match told.len() {
        0 => None,
        1 | 2 => Some(told.join(", ")),
        more => Some(format!("{}, and {} more", told[0], more - 1)),
    }
}
