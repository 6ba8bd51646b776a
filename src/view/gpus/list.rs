//! All GPUs, a row each: a map of their utilization over time, and beside it their figures, so that
//! the one that differs is seen at once.

use crate::app::Spot;
use crate::app::gpus::gpu_rows;
use crate::fmt;
use crate::history::Track;
use crate::model::{Bound, GpuId};
use crate::view::focus::Look;
use crate::view::gpu_lanes::percent_of;
use crate::view::screen::{Heat, Line, Role, TextRow, span, strong};
use crate::view::text::{left, line_width, right};

use super::card::{Card, User, users};
use super::health;

/// Columns of the number.
const NUMBER: usize = 5;
/// Columns of the word on its health.
const STATE: usize = 12;

/// A figure of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Util,
    Sm,
    Tensor,
    Memory,
    Power,
    Celsius,
    Pcie,
    Nvlink,
    Clock,
}

impl Figure {
    /// In the order of the screen.
    const ALL: [Self; 9] = [
        Self::Util,
        Self::Sm,
        Self::Tensor,
        Self::Memory,
        Self::Power,
        Self::Celsius,
        Self::Pcie,
        Self::Nvlink,
        Self::Clock,
    ];

    /// The order in which figures are taken in while there is room.
    const WORTH: [Self; 9] = [
        Self::Util,
        Self::Memory,
        Self::Power,
        Self::Sm,
        Self::Celsius,
        Self::Pcie,
        Self::Tensor,
        Self::Nvlink,
        Self::Clock,
    ];

    const fn head(self) -> &'static str {
        match self {
            Self::Util => "UTIL",
            Self::Sm => "SM",
            Self::Tensor => "TENS",
            Self::Memory => "MEM",
            Self::Power => "POWER",
            Self::Celsius => "TEMP",
            Self::Pcie => "PCIe▲",
            Self::Nvlink => "NVLINK",
            Self::Clock => "MHz",
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Util | Self::Sm | Self::Tensor | Self::Memory | Self::Clock => 4,
            Self::Power => 6,
            Self::Celsius => 5,
            Self::Pcie | Self::Nvlink => 9,
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Util => Role::GpuUtil,
            Self::Sm | Self::Tensor => Role::GpuActivity,
            Self::Memory => Role::GpuMemory,
            Self::Pcie | Self::Nvlink => Role::PcieRx,
            Self::Power | Self::Celsius | Self::Clock => Role::Text,
        }
    }

    fn text(self, card: &Card<'_>) -> Option<String> {
        let least = card.read(|row| row.usage_bound) == Some(Bound::Lower);
        Some(match self {
            Self::Util => percent_of(card.read(|row| row.utilization_ratio)?, least),
            Self::Sm => fmt::percent(card.read(|row| row.sm_active_ratio)?),
            Self::Tensor => fmt::percent(card.read(|row| row.tensor_active_ratio)?),
            Self::Memory => percent_of(card.rate(|rates| rates.memory_used_ratio)?, least),
            Self::Power => fmt::watts(card.read(|row| row.power_watts)?),
            Self::Celsius => fmt::celsius(card.read(|row| row.temperature_celsius)?),
            Self::Pcie => fmt::rate(card.rate(|rates| rates.pcie_rx_bytes_per_second)?),
            Self::Nvlink => fmt::rate(card.rate(|rates| rates.nvlink_rx_bytes_per_second)?),
            Self::Clock => (card.read(|row| row.sm_clock_hertz)? / 1_000_000).to_string(),
        })
    }
}

/// What a width has room for.
fn figures_in(width: usize) -> Vec<Figure> {
    let mut room = width.saturating_sub(NUMBER + 1 + STATE + 1);
    let mut chosen = Vec::new();
    for figure in Figure::WORTH {
        let needed = figure.width() + 1;
        if needed > room {
            break;
        }
        room -= needed;
        chosen.push(figure);
    }
    Figure::ALL.into_iter().filter(|figure| chosen.contains(figure)).collect()
}

/// The first GPU that is shown where there is no room for all, so that the chosen one is among them.
pub(super) fn first(rows: &[GpuId], chosen: Option<GpuId>, room: usize) -> usize {
    let at = rows.iter().position(|gpu| Some(*gpu) == chosen).unwrap_or(0);
    (at + 1).saturating_sub(room)
}

/// The GPUs that have a row.
pub(super) fn shown(look: &Look<'_>, room: usize) -> Vec<GpuId> {
    let rows = gpu_rows(look.state);
    let first = first(&rows, look.state.shown_gpu(), room);
    rows.into_iter().skip(first).take(room).collect()
}

/// The map of these GPUs.
pub(super) fn map(look: &Look<'_>, shown: &[GpuId]) -> Heat {
    let window = &look.window;
    let rows = shown.iter().map(|gpu| {
        // Of a MIG instance the driver tells no utilization; GPM tells its activity.
        let util = Track::GpuUtil(*gpu);
        let of = if gpu.slice_index().is_some() { Track::GpuSmActive(*gpu) } else { util };
        let mut buckets = look.past.buckets(&of, window.from_ms, window.to_ms, window.columns);
        buckets.resize(window.columns, None);
        let cells = buckets.into_iter().map(|bucket| {
            let mean = bucket.map(|bucket| bucket.mean).filter(|mean| mean.is_finite());
            mean.map(|mean| mean.clamp(0.0, 1.0))
        });
        (format!("{gpu}"), cells.collect())
    });
    Heat { rows: rows.collect(), role: Role::GpuUtil, cursor: window.cursor }
}

/// The heading of the figures.
pub(super) fn heading(width: u16) -> TextRow {
    let mut text = left(" GPU", NUMBER + 1);
    for figure in figures_in(usize::from(width)) {
        text.push_str(&right(figure.head(), figure.width()));
        text.push(' ');
    }
    text.push_str("STATE / WHO");
    TextRow { left: vec![strong(text, Role::Dim)], ..TextRow::default() }
}

/// The figures, a row each.
pub(super) fn figures(look: &Look<'_>, shown: &[GpuId], width: u16) -> Vec<TextRow> {
    let chosen = look.state.picked_gpu;
    let about = look.state.shown_gpu();
    let width = usize::from(width);
    let rows = shown.iter().map(|gpu| {
        let card = Card::of(look, *gpu);
        let mark = if Some(*gpu) == about { "▸" } else { " " };
        let number = left(&format!("{mark}{gpu}"), NUMBER + 1);
        let mut line: Line = vec![strong(number, Role::Title)];
        let mut used = NUMBER + 1;
        for figure in figures_in(width) {
            let text = figure.text(&card);
            let role = if text.is_some() { figure.role() } else { Role::Gap };
            let text = right(text.as_deref().unwrap_or(fmt::NONE), figure.width());
            line.push(span(text + " ", role));
            used += figure.width() + 1;
        }
        let room = width.saturating_sub(used);
        line.extend(state(look, &card, room));
        TextRow { left: line, selected: chosen == Some(*gpu), ..TextRow::default() }
            .standing_for(Spot::Gpu(*gpu))
    });
    rows.collect()
}

/// What is the matter, and who is on it, as far as there is room.
fn state(look: &Look<'_>, card: &Card<'_>, room: usize) -> Line {
    let mut line = Line::new();
    let users = look.frame.map(|frame| users(frame, card.gpu)).unwrap_or_default();
    let worst = health::word(card);
    let grave = worst
        .as_ref()
        .is_some_and(|(_, role)| matches!(role, Role::Critical | Role::Warn | Role::High));
    if let Some((word, role)) = worst
        && (grave || room >= STATE * 2 || users.is_empty())
    {
        let columns = if room >= STATE * 2 { STATE } else { room };
        line.push(span(left(&word, columns), role));
        if columns == room {
            return line;
        }
        line.push(span(" ", Role::Dim));
    } else if room >= STATE * 2 {
        line.push(span(" ".repeat(STATE + 1), Role::Dim));
    }
    let mig = card.info.and_then(|info| info.mig.as_ref());
    let profile = mig.map(|mig| crate::view::text::safe(&mig.profile)).unwrap_or_default();
    if !profile.is_empty() {
        line.push(span(format!("{} ", crate::view::text::cut(&profile, 12)), Role::Text));
    }
    let rest = room.saturating_sub(line_width(&line));
    line.extend(who(&users, rest));
    crate::view::text::cut_line(line, room)
}

fn who(users: &[User], room: usize) -> Line {
    let Some(first) = users.first() else { return Line::new() };
    let role = if first.seen { Role::Text } else { Role::Gap };
    let more = if users.len() > 1 { format!(" +{}", users.len() - 1) } else { String::new() };
    let name = first.name_in(room.saturating_sub(more.len()));
    vec![span(name.to_owned(), role), span(more, Role::Dim)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_never_need_more_than_the_width() {
        for width in 0..200 {
            let used: usize = figures_in(width).iter().map(|figure| figure.width() + 1).sum();
            assert!(used == 0 || used + NUMBER + 1 + STATE < width + 1, "{width}");
        }
        assert_eq!(figures_in(39), [Figure::Util, Figure::Memory, Figure::Power]);
        assert_eq!(figures_in(99).len(), Figure::ALL.len());
    }

    #[test]
    fn the_chosen_gpu_is_among_those_that_are_shown() {
        let rows: Vec<GpuId> = (0..16).map(GpuId).collect();
        for chosen in 0..16 {
            let first = first(&rows, Some(GpuId(chosen)), 6);
            assert!((first..first + 6).contains(&(chosen as usize)), "{chosen} {first}");
        }
        assert_eq!(first(&rows, None, 6), 0);
    }
}
