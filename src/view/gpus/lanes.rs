//! The lanes of the chosen GPU that no other screen has.

use crate::fmt;
use crate::history::Track;
use crate::model::{GpuId, Reading};
use crate::view::focus::Look;
use crate::view::gpu_lanes::percent_labels;
use crate::view::lane::{Lane, LaneKind, most, series, value, why_none};
use crate::view::pcie_lane::scale;
use crate::view::screen::{Body, Draw, Line, Role, span, strong};

use super::card::Card;
use super::place::GpuLane;

/// A lane of a GPU.
pub(super) fn lane(look: &Look<'_>, gpu: GpuId, of: GpuLane) -> Lane {
    match of {
        GpuLane::Util => LaneKind::GpuUtil.build(look),
        GpuLane::Memory => LaneKind::GpuMemory.build(look),
        GpuLane::Pcie => LaneKind::Pcie.build(look),
        GpuLane::Power => power(look, gpu),
        GpuLane::Nvlink => nvlink(look, gpu),
    }
}

/// Power as a share of the limit in force: with utilization it tells work from waiting.
fn power(look: &Look<'_>, gpu: GpuId) -> Lane {
    let track = Track::GpuPowerRatio(gpu);
    let points = look.points(&track);
    let now = look.read(&track);
    let reason = why_none(&[now]).to_owned();
    let mut plot = look.plot(1.0, vec![series(Role::GpuUtil, Draw::Area, points)], &reason);
    plot.labels = percent_labels();
    let card = Card::of(look, gpu);
    let mut values = Line::new();
    let watts = look.read(&Track::GpuPower(gpu)).ok();
    let limit = card.read(|row| row.power_limit_watts);
    let text = watts.map(|watts| match limit {
        Some(limit) => format!("{} of {}", fmt::watts(watts), fmt::watts(limit).trim()),
        None => fmt::watts(watts),
    });
    value(&mut values, look.moment_word(), text, Role::GpuUtil);
    if let Reading::Is(ratio) = now {
        value(&mut values, "", Some(fmt::percent(ratio)), Role::GpuUtil);
    }
    let title = vec![strong("Power", Role::GpuUtil), span("  of the limit", Role::Dim)];
    Lane { title, values, body: Body::Plot(plot) }
}

/// NVLink, drawn as PCIe is.
fn nvlink(look: &Look<'_>, gpu: GpuId) -> Lane {
    let (received, sent) = (Track::NvlinkRx(gpu), Track::NvlinkTx(gpu));
    let (rx, tx) = (look.points(&received), look.points(&sent));
    let now = look.read(&received);
    let card = Card::of(look, gpu);
    let limit = card
        .read(|row| row.nvlink_limit_bytes_per_second)
        .filter(|limit| limit.is_finite() && *limit > 0.0);
    let peak = most(&rx).unwrap_or(0.0).max(most(&tx).unwrap_or(0.0));
    let (high, label) = scale(limit, peak);
    let all = vec![series(Role::PcieRx, Draw::Area, rx), series(Role::PcieTx, Draw::Hanging, tx)];
    let mut plot = look.plot(high, all, why_none(&[now]));
    plot.labels = vec![(high, label)];
    let mut values = Line::new();
    value(&mut values, "▲", now.ok().map(fmt::rate), Role::PcieRx);
    value(&mut values, "▼", look.read(&sent).ok().map(fmt::rate), Role::PcieTx);
    if let Some(links) = card.read(|row| row.nvlink_links) {
        values.push(span(format!(" · {links} links"), Role::Dim));
    }
    let title = vec![
        strong("NVLink", Role::PcieRx),
        span("  ▲ received", Role::PcieRx),
        span("  ▼ sent", Role::PcieTx),
    ];
    Lane { title, values, body: Body::Plot(plot) }
}
