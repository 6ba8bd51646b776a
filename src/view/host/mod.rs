//! The screen of the box: CPUs, memory and pressure over the time axis, what disks and networks do,
//! the limits in force, what mltop costs, and what it could not read.

mod cores;
mod facts;
mod lanes;
mod own;
mod place;
mod small;
mod sources;
mod tables;

use super::build;
use super::focus::Look;
use super::footer::footer;
use super::header::header;
use super::screen::{Area, Body, Edge, Role, Screen, TextRow, span};
use super::verdict::{Room, verdict};

use place::{HostLane, Places};

/// Rows that the verdict may count as absent: it stands in full on the first screen.
const VERDICT_LESS: u16 = 12;
/// Columns that the title of a plot keeps.
const TITLE_LEAST: usize = 16;
/// From this many columns on the lists stand beside one another.
const BESIDE_FROM: usize = 140;

/// Columns of the time axis.
pub(super) fn columns(width: u16) -> usize {
    usize::from(place::left_width(width).saturating_sub(2))
}

/// Puts the screen together.
pub(super) fn put(screen: &mut Screen, look: &Look<'_>) {
    let (width, height) = (screen.width, screen.height);
    let said = verdict(look, usize::from(width), Room::of(height.saturating_sub(VERDICT_LESS)));
    let Some(places) = place::places(width, height, said.len() as u16) else {
        let rows = small::numbers(look, usize::from(width), usize::from(height));
        build::put(screen, Area { x: 0, y: 0, width, height }, Body::Text(rows));
        return;
    };
    let mut text = |area: Area, rows: Vec<TextRow>| build::put(screen, area, Body::Text(rows));
    text(places.header, vec![header(look, usize::from(width))]);
    text(places.verdict, said);
    text(places.footer, vec![footer(look, usize::from(width))]);
    plots(screen, look, &places);
    lists(screen, look, places.lists);
}

fn plots(screen: &mut Screen, look: &Look<'_>, places: &Places) {
    for (at, (of, pair)) in places.lanes.iter().enumerate() {
        let edge = if at == 0 { Edge::Top } else { Edge::Middle };
        let lane = lanes::lane(look, *of);
        pair.plot(screen, look, (edge, TITLE_LEAST), (lane.title, lane.values), lane.body);
        let Area { width, height, .. } = pair.figures;
        let (head, mut rows) = match of {
            HostLane::Cpu => (cores::heading(look), cores::cores(look, width, height)),
            HostLane::Memory => (lanes::memory_heading(look), lanes::memory(look, width)),
            HostLane::Pressure => (lanes::pressure_heading(), lanes::pressure(look)),
        };
        rows.truncate(usize::from(height));
        build::put(screen, pair.head, Body::Text(vec![head]));
        build::put(screen, pair.figures, Body::Text(rows));
    }
    build::put_axis(screen, look, places.axis);
}

/// The lists below the plots, scrolled together.
fn lists(screen: &mut Screen, look: &Look<'_>, area: Area) {
    let width = usize::from(area.width);
    if width < BESIDE_FROM {
        let rows = [about_the_box(look, width), about_mltop(look, width)].concat();
        build::put(screen, area, Body::Text(scrolled(look, rows, usize::from(area.height))));
        return;
    }
    let half = area.width / 2;
    let left = Area { width: half - 1, ..area };
    let right = Area { x: area.x + half + 1, width: area.width - half - 1, ..area };
    let height = usize::from(area.height);
    let rows = about_the_box(look, usize::from(left.width));
    build::put(screen, left, Body::Text(scrolled(look, rows, height)));
    let rows = about_mltop(look, usize::from(right.width));
    build::put(screen, right, Body::Text(scrolled(look, rows, height)));
}

fn about_the_box(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    [
        tables::disks(look, width),
        tables::data(look, width),
        tables::limits(look, width),
        tables::networks(look, width),
    ]
    .concat()
}

fn about_mltop(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    [own::own(look, width), sources::sources(look, width), facts::facts(look, width)].concat()
}

/// As many rows as there is room for, from where the user has scrolled to.
pub(super) fn scrolled(look: &Look<'_>, rows: Vec<TextRow>, height: usize) -> Vec<TextRow> {
    let first = look.state.host_scroll.min(rows.len().saturating_sub(height));
    let more = rows.len().saturating_sub(first + height);
    let mut rows: Vec<TextRow> = rows.into_iter().skip(first).take(height).collect();
    if (more > 0 || first > 0)
        && let Some(last) = rows.last_mut()
    {
        let text = if more > 0 { format!("↓ {more} more ") } else { "↑ ".to_owned() };
        last.right = vec![span(text, Role::Key)];
    }
    rows
}
