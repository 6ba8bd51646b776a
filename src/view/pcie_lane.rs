//! The lane of the PCIe link: what goes to the GPU as an area, what comes back hanging from the top,
//! both of what the link in use now can carry.

use crate::fmt;
use crate::model::sample::GpuSample;
use crate::model::{Bound, GpuId, Reading};

use super::focus::Look;
use super::gpu_lanes::no_gpu;
use super::lane::{Lane, most, series, value, why_none};
use super::screen::{Body, Draw, Line, Role, span, strong};
use crate::history::Track;

/// The shares of the link that the lane's top edge can stand for. A link that is hardly used would be
/// an empty lane otherwise; the label at the edge always tells which it is.
const TOPS: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// The lane.
pub(super) fn pcie(look: &Look<'_>) -> Lane {
    let received: Vec<Track> = look.gpus.iter().copied().map(Track::PcieRx).collect();
    let sent: Vec<Track> = look.gpus.iter().copied().map(Track::PcieTx).collect();
    let rx = look.points_over(&received);
    let tx = look.points_over(&sent);
    let now: Vec<Reading<f64>> = received.iter().map(|of| look.read(of)).collect();
    let reason = no_gpu(look).unwrap_or_else(|| why_none(&now).to_owned());
    let link = look.gpus.iter().filter_map(|gpu| link_rate(look, *gpu)).reduce(f64::max);
    let peak = most(&rx).unwrap_or(0.0).max(most(&tx).unwrap_or(0.0));
    let (high, label) = scale(link, peak);
    let all = vec![series(Role::PcieRx, Draw::Area, rx), series(Role::PcieTx, Draw::Hanging, tx)];
    let mut plot = look.plot(high, all, &reason);
    plot.labels = vec![(high, label)];
    let title = vec![
        strong("PCIe", Role::PcieRx),
        span("  ▲ to GPU", Role::PcieRx),
        span("  ▼ from GPU", Role::PcieTx),
    ];
    Lane { title, values: values(look, &now), body: Body::Plot(plot) }
}

/// The value and the label of the top edge: a share of the link, or where the link is not known the
/// most that was seen.
pub(super) fn scale(link: Option<f64>, peak: f64) -> (f64, String) {
    match link {
        Some(link) => {
            let share = TOPS.into_iter().find(|top| peak <= top * link).unwrap_or(1.0);
            let high = (share * link).max(peak);
            (high, format!("{:.0}% of link", share * 100.0))
        }
        None if peak > 0.0 => (peak, fmt::rate(peak).trim().to_owned()),
        None => (1.0, String::new()),
    }
}

fn sample<'a>(look: &Look<'a>, gpu: GpuId) -> Option<&'a GpuSample> {
    look.frame?.sample.gpus.iter().find(|row| row.gpu == gpu)
}

/// What the link of a GPU can carry now, one way.
fn link_rate(look: &Look<'_>, gpu: GpuId) -> Option<f64> {
    let rates = look.frame?.gpus.iter().find(|row| row.gpu == gpu)?;
    rates.pcie_link_bytes_per_second.ok().filter(|rate| rate.is_finite() && *rate > 0.0)
}

/// The GPU that receives most.
fn values(look: &Look<'_>, now: &[Reading<f64>]) -> Line {
    let known = look.gpus.iter().zip(now).filter_map(|(gpu, rate)| rate.ok().map(|r| (*gpu, r)));
    let mut line = Line::new();
    let Some((gpu, rx)) = known.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else {
        value(&mut line, "", None, Role::PcieRx);
        return line;
    };
    let row = sample(look, gpu);
    // A rate whose bound was not told is not thereby exact.
    let bound = row.and_then(|row| row.pcie_bound.ok()).unwrap_or(Bound::Doubtful);
    let mark = bound.mark();
    let label =
        if look.gpus.len() > 1 { format!("busiest GPU {gpu} ▲") } else { "▲".to_owned() };
    value(&mut line, &label, Some(marked(mark, rx)), Role::PcieRx);
    let tx = look.read(&Track::PcieTx(gpu)).ok().map(|tx| marked(mark, tx));
    value(&mut line, "▼", tx, Role::PcieTx);
    let mut share = link_rate(look, gpu)
        .map_or_else(String::new, |link| format!("{mark}{}", share_of(rx / link)));
    let wiring = row.and_then(|row| row.pcie_link_gen.ok().zip(row.pcie_link_width.ok()));
    if let Some((generation, lanes)) = wiring {
        let of = if share.is_empty() { "" } else { " of " };
        share = format!("{share}{of}gen{} x{}", generation.min(99), lanes.min(99));
    }
    if !share.is_empty() {
        line.push(span(format!(" · {share}"), Role::Dim));
    }
    line
}

/// A share as words: what is little is not nothing.
pub(super) fn share_of(ratio: f64) -> String {
    if ratio > 0.0 && ratio < 0.005 {
        return "<1%".to_owned();
    }
    fmt::percent(ratio).trim_start().to_owned()
}

/// A rate with its mark in front, in a fixed width.
fn marked(mark: &str, rate: f64) -> String {
    format!("{:>10}", format!("{mark}{}", fmt::rate(rate).trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_of_the_link_is_not_nothing_of_it() {
        assert_eq!([0.0, 0.001, 0.04].map(share_of), ["0%", "<1%", "4%"]);
    }

    #[test]
    fn the_top_edge_is_a_told_share_of_the_link() {
        assert_eq!(scale(Some(64e9), 1.2e9), (6.4e9, "10% of link".to_owned()));
        assert_eq!(scale(Some(64e9), 30e9), (32e9, "50% of link".to_owned()));
        assert!(scale(Some(64e9), 70e9).0 >= 70e9);
        assert_eq!(scale(None, 2e9), (2e9, "2.00 GB/s".to_owned()));
        let none: Vec<Option<super::super::screen::Bucket>> = Vec::new();
        assert_eq!(scale(None, most(&none).unwrap_or(0.0)), (1.0, String::new()));
    }
}
