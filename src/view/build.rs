//! The screens, put together.

use crate::app::rows::rows;
use crate::app::{GpuMode, ScreenKind, State};

use super::findings;
use super::focus::Look;
use super::footer::footer;
use super::gpus;
use super::header::header;
use super::host;
use super::lane::LaneKind;
use super::lanes::Plotted;
use super::layout::{LINE_BELOW, Layout, layout};
use super::loaders;
use super::popup::popup;
use super::processes;
use super::screen::{Area, Body, Edge, Part, Rule, Screen, TextRow};
use super::small;
use super::strip;
use super::table::table;
use super::text::{fit_line, line_width};
use super::verdict::{Room, verdict};

/// The screen of a state at a size. A pure function: the same state gives the same screen.
///
/// A replay has one row more below its header, the whole session; all else is what a live screen of
/// one row less shows.
pub fn build(state: &State, past: &dyn Plotted, width: u16, height: u16) -> Screen {
    let rows = strip::rows(state, width, height);
    let mut screen = without_strip(state, past, width, height - rows);
    let Some(row) = strip::strip(state, usize::from(width)).filter(|_| rows > 0) else {
        return screen;
    };
    screen.height = height;
    for part in screen.parts.iter_mut().filter(|part| part.area.y > 0) {
        part.area.y += rows;
    }
    // Below whatever lies over the lanes.
    let area = Area { x: 0, y: 1, width, height: rows };
    screen.parts.insert(0, Part { area, body: Body::Text(vec![row]) });
    screen
}

fn without_strip(state: &State, past: &dyn Plotted, width: u16, height: u16) -> Screen {
    let mut screen = Screen { width, height, parts: Vec::new(), shown: None };
    if width == 0 || height == 0 {
        return screen;
    }
    let columns = match state.screen {
        ScreenKind::Lanes => usize::from(width.saturating_sub(2)),
        ScreenKind::Gpus => gpus::columns(width),
        ScreenKind::Findings => findings::columns(width, height),
        ScreenKind::Loaders => loaders::columns(width),
        ScreenKind::Processes => 0,
        ScreenKind::Host => host::columns(width),
    };
    let look = Look::new(state, past, columns);
    screen.shown = Some(look.window.standing(state));
    let whole = Area { x: 0, y: 0, width, height };
    if width < LINE_BELOW.0 || height < LINE_BELOW.1 {
        let rows = small::line(&look, usize::from(width), usize::from(height));
        put(&mut screen, whole, Body::Text(rows));
        return screen;
    }
    match state.screen {
        ScreenKind::Lanes => lanes(&mut screen, &look),
        ScreenKind::Gpus => gpus::put(&mut screen, &look),
        ScreenKind::Loaders => loaders::put(&mut screen, &look),
        ScreenKind::Processes => processes::put(&mut screen, &look),
        ScreenKind::Findings => findings::put(&mut screen, &look),
        ScreenKind::Host => host::put(&mut screen, &look),
    }
    if let Some(part) = popup(&look, width, height) {
        put(&mut screen, part.area, part.body);
    }
    screen
}

/// The lanes, or their numbers where there is no room for plots.
fn lanes(screen: &mut Screen, look: &Look<'_>) {
    let (state, width, height) = (look.state, screen.width, screen.height);
    let said = verdict(look, usize::from(width), Room::of(height));
    let heat = if state.gpu_mode == GpuMode::Heat { look.gpus.len() as u16 } else { 0 };
    // Where there is no run the table says what was looked for, in four rows.
    let table_rows = match rows(state).len().min(usize::from(u16::MAX) - 1) {
        0 => 4,
        rows => rows as u16 + 1,
    };
    if let Some(places) = layout(width, height, said.len() as u16, table_rows, heat) {
        lanes_screen(screen, look, &places, said);
    } else {
        let rows = small::numbers(look, usize::from(width), usize::from(height));
        put(screen, Area { x: 0, y: 0, width, height }, Body::Text(rows));
    }
}

fn lanes_screen(screen: &mut Screen, look: &Look<'_>, places: &Layout, said: Vec<TextRow>) {
    let width = usize::from(screen.width);
    put(screen, places.header, Body::Text(vec![header(look, width)]));
    put(screen, places.verdict, Body::Text(said));
    for (at, (kind, rule, plot)) in places.lanes.iter().enumerate() {
        let edge = if at == 0 { Edge::Top } else { Edge::Middle };
        put_lane(screen, look, *kind, (edge, *rule, *plot));
    }
    put_axis(screen, look, places.axis);
    let rows = table(look, width, usize::from(places.table.height));
    put(screen, places.table, Body::Text(rows));
    put(screen, places.footer, Body::Text(vec![footer(look, width)]));
}

/// Puts a lane on the screen: its rule with title and values, and its plot.
pub(super) fn put_lane(
    screen: &mut Screen,
    look: &Look<'_>,
    kind: LaneKind,
    (edge, rule, plot): (Edge, Area, Area),
) {
    let width = usize::from(rule.width);
    let lane = kind.build(look);
    // The values are what one looks for: the title gives way before them.
    let right = fit_line(lane.values, width.saturating_sub(24));
    let left = fit_line(lane.title, width.saturating_sub(line_width(&right) + 8));
    let cursor = cursor(look);
    put(screen, rule, Body::Rule(Rule { edge, left, right, ticks: Vec::new(), cursor }));
    put(screen, plot, lane.body);
}

/// Puts the time axis on the screen.
pub(super) fn put_axis(screen: &mut Screen, look: &Look<'_>, area: Area) {
    let ticks = look.window.ticks(look.state, look.present());
    let (left, right) = (Vec::new(), Vec::new());
    let axis = Rule { edge: Edge::Bottom, left, right, ticks, cursor: cursor(look) };
    put(screen, area, Body::Rule(axis));
}

/// The cursor's column within a rule, which counts the left border too.
fn cursor(look: &Look<'_>) -> Option<u16> {
    look.window.cursor.map(|column| column + 1)
}

/// Puts a part on the screen, cut to the screen.
pub(super) fn put(screen: &mut Screen, area: Area, body: Body) {
    let x = area.x.min(screen.width);
    let y = area.y.min(screen.height);
    let area = Area {
        x,
        y,
        width: area.width.min(screen.width - x),
        height: area.height.min(screen.height - y),
    };
    if area.width > 0 && area.height > 0 {
        screen.parts.push(Part { area, body });
    }
}
