//! The screen of the GPUs: all of them over time, and one of them with a lane for each of its
//! quantities, over the same time axis as the lanes.

mod card;
mod figures;
mod full;
mod health;
mod lanes;
mod list;
mod place;
mod small;
mod words;

use crate::app::gpus::gpu_rows;
use crate::model::GpuId;
use crate::view::build;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::pair::Pair;
use crate::view::screen::{Area, Body, Edge, Line, Role, Screen, TextRow, span, strong};
use crate::view::told;
use crate::view::verdict::{Room, verdict};

use card::Card;
use place::{GpuLane, Places, Wanted};

pub(in crate::view) use full::popup;

/// Rows that the verdict may count as absent: it stands in full on the first screen.
const VERDICT_LESS: u16 = 12;
/// Columns that the title of a plot keeps.
const TITLE_LEAST: usize = 16;

/// Columns of the time axis.
pub(super) fn columns(width: u16) -> usize {
    usize::from(place::left_width(width).saturating_sub(2))
}

/// Puts the screen together.
pub(super) fn put(screen: &mut Screen, look: &Look<'_>) {
    let (width, height) = (screen.width, screen.height);
    let said = verdict(look, usize::from(width), Room::of(height.saturating_sub(VERDICT_LESS)));
    let gpu = look.state.shown_gpu();
    let told = words::words(look, gpu);
    let all = gpu_rows(look.state).len();
    let wanted = Wanted {
        verdict: said.len() as u16,
        gpus: all.min(usize::from(u16::MAX)) as u16,
        slice: gpu.is_some_and(|gpu| gpu.slice_index().is_some()),
        nvlink: gpu.is_some_and(|gpu| Card::of(look, gpu).has_nvlink()),
        words: told::wanted(&told, usize::from(width)),
    };
    let Some(places) = place::places(width, height, wanted) else {
        let rows = small::numbers(look, gpu, &told, usize::from(width), usize::from(height));
        build::put(screen, Area { x: 0, y: 0, width, height }, Body::Text(rows));
        return;
    };
    let mut text = |area: Area, rows: Vec<TextRow>| build::put(screen, area, Body::Text(rows));
    text(places.header, vec![header(look, usize::from(width))]);
    text(places.verdict, said);
    let room = usize::from(places.words.height);
    text(places.words, told::rows(&told, usize::from(width), room));
    text(places.footer, vec![footer(look, usize::from(width))]);
    map(screen, look, &places, all);
    for (at, (of, pair)) in places.lanes.iter().enumerate() {
        let edge = if at == 0 && places.all.is_none() { Edge::Top } else { Edge::Middle };
        one_lane(screen, look, gpu, (*of, pair, edge), &places);
    }
    build::put_axis(screen, look, places.axis);
}

/// All GPUs over time, and their figures.
fn map(screen: &mut Screen, look: &Look<'_>, places: &Places, all: usize) {
    let Some(pair) = &places.all else { return };
    let shown = list::shown(look, usize::from(pair.plot.height));
    let mut title = vec![strong("GPUs", Role::Title)];
    if shown.len() < all
        && let (Some(first), Some(last)) = (shown.first(), shown.last())
    {
        title.push(span(format!("  {first} to {last} of {all}"), Role::Dim));
    }
    title.push(span("  utilization, a row each", Role::Dim));
    let heat = Body::Heat(list::map(look, &shown));
    pair.plot(screen, look, (Edge::Top, TITLE_LEAST), (title, Line::new()), heat);
    build::put(screen, pair.head, Body::Text(vec![list::heading(pair.head.width)]));
    let figures = list::figures(look, &shown, pair.figures.width);
    build::put(screen, pair.figures, Body::Text(figures));
}

/// A lane of the chosen GPU with its figures.
fn one_lane(
    screen: &mut Screen,
    look: &Look<'_>,
    gpu: Option<GpuId>,
    (of, pair, edge): (GpuLane, &Pair, Edge),
    places: &Places,
) {
    let shown = gpu.unwrap_or_default();
    let lane = lanes::lane(look, shown, of);
    pair.plot(screen, look, (edge, TITLE_LEAST), (lane.title, lane.values), lane.body);
    let Some(gpu) = gpu else { return };
    let card = Card::of(look, gpu);
    let Area { width, height, .. } = pair.figures;
    let apart = places.lanes.iter().any(|(lane, _)| *lane == GpuLane::Nvlink);
    let (title, remark, mut rows) = match of {
        GpuLane::Util => {
            let name = card.info.map(|info| crate::view::text::safe(&info.name));
            ("Activity", name.unwrap_or_default() + " ", figures::activity(&card, width))
        }
        GpuLane::Memory => {
            let rows = figures::processes(look, &card, width, height);
            ("Processes", String::new(), rows)
        }
        GpuLane::Power => ("Clocks and heat", String::new(), figures::power(&card, width)),
        GpuLane::Pcie => {
            let rows = figures::links(&card, width, !apart);
            ("Links", figures::link_words(&card), rows)
        }
        GpuLane::Nvlink => ("NVLink", String::new(), figures::nvlink(&card, width)),
    };
    rows.truncate(usize::from(height));
    build::put(screen, pair.head, Body::Text(vec![figures::heading(title, remark)]));
    build::put(screen, pair.figures, Body::Text(rows));
}
