//! The screen of the loaders: one loader with its workers, over the same time axis as the lanes.

mod depths;
mod epoch;
mod list;
mod over;
mod pace;
mod place;
mod small;
mod words;
mod worker;
mod workers;

use crate::view::build;
use crate::view::focus::Look;
use crate::view::footer::footer;
use crate::view::header::header;
use crate::view::lane::LaneKind;
use crate::view::screen::{Area, Body, Edge, Line, Role, Screen, TextRow, span, strong};
use crate::view::told;
use crate::view::verdict::{Room, verdict};

use over::Over;
use place::{Places, Wanted};
use workers::Worker;

pub(super) use worker::popup;

/// Rows that the verdict may count as absent: it stands in full on the first screen.
const VERDICT_LESS: u16 = 8;
/// Columns that the title of a plot keeps.
const TITLE_LEAST: usize = 20;

/// Columns of the time axis.
pub(super) fn columns(width: u16) -> usize {
    usize::from(place::left_width(width).saturating_sub(2))
}

/// Puts the screen together.
pub(super) fn put(screen: &mut Screen, look: &Look<'_>) {
    let (width, height) = (screen.width, screen.height);
    let said = verdict(look, usize::from(width), Room::of(height.saturating_sub(VERDICT_LESS)));
    let all = look.loader_info().map(|info| workers::workers(look.frame, info));
    let all = all.unwrap_or_default();
    let over = look.loader.map(|loader| Over::of(look, loader.loader)).unwrap_or_default();
    let told = words::words(look, &over, &all);
    let wanted = Wanted {
        verdict: said.len() as u16,
        list: list::wanted(look),
        workers: all.len().min(usize::from(u16::MAX)) as u16,
        words: told::wanted(&told, usize::from(width)),
    };
    let Some(places) = place::places(width, height, wanted) else {
        let rows =
            small::numbers(look, &over, &all, &told, usize::from(width), usize::from(height));
        build::put(screen, Area { x: 0, y: 0, width, height }, Body::Text(rows));
        return;
    };
    let mut text = |area: Area, rows: Vec<TextRow>| build::put(screen, area, Body::Text(rows));
    text(places.header, vec![header(look, usize::from(width))]);
    text(places.verdict, said);
    text(places.list, list::list(look, usize::from(width), usize::from(places.list.height)));
    let room = usize::from(places.words.height);
    text(places.words, told::rows(&told, usize::from(width), room));
    text(places.footer, vec![footer(look, usize::from(width))]);
    plots(screen, look, &over, &places);
    worker_part(screen, look, &over, &all, &places);
}

/// Depth and wait, each with its figures.
fn plots(screen: &mut Screen, look: &Look<'_>, over: &Over, places: &Places) {
    let queue = LaneKind::Queue.build(look);
    let histogram = match &queue.body {
        Body::Plot(plot) => {
            let Area { width, height, .. } = places.depth.figures;
            depths::histogram(look, plot, height, width)
        }
        _ => Vec::new(),
    };
    places.depth.plot(
        screen,
        look,
        (Edge::Top, TITLE_LEAST),
        (queue.title, queue.values),
        queue.body,
    );
    build::put(
        screen,
        places.depth.head,
        Body::Text(vec![depths::heading(look, places.depth.head.width)]),
    );
    build::put(screen, places.depth.figures, Body::Text(histogram));

    let wait = LaneKind::Blocked.build(look);
    places.wait.plot(
        screen,
        look,
        (Edge::Middle, TITLE_LEAST),
        (wait.title, wait.values),
        wait.body,
    );
    build::put(
        screen,
        places.wait.head,
        Body::Text(vec![pace::heading(over, places.wait.head.width)]),
    );
    let mut rows = pace::rows(look, over, places.wait.figures.width);
    rows.truncate(usize::from(places.wait.figures.height));
    build::put(screen, places.wait.figures, Body::Text(rows));
}

/// The workers over the axis, their figures, and the axis.
fn worker_part(screen: &mut Screen, look: &Look<'_>, over: &Over, all: &[Worker], places: &Places) {
    let pair = &places.workers;
    let room = usize::from(pair.plot.height);
    let chosen = look.state.picked.worker.filter(|at| *at < all.len());
    let first = chosen.map_or(0, |at| (at + 1).saturating_sub(room));
    let shown: Vec<Worker> = all.iter().skip(first).take(room).cloned().collect();
    let remote =
        look.loader_info().is_some_and(|info| info.storage.first().is_some_and(|s| s.remote));
    let mut title = vec![strong("Workers", Role::Title)];
    if shown.len() < all.len() {
        let last = first + shown.len();
        title.push(span(
            format!("  {first}–{} of {}", last.saturating_sub(1), all.len()),
            Role::Dim,
        ));
    }
    if let (Some(loader), false) = (look.loader, shown.is_empty()) {
        let mix = Body::Mix(workers::mix(look, loader.loader, remote, &shown));
        pair.plot(screen, look, (Edge::Middle, TITLE_LEAST), (title, legend(remote)), mix);
        build::put(screen, pair.head, Body::Text(vec![workers::heading(pair.head.width)]));
        let figures = workers::figures(look, over, &shown, all.len(), pair.figures.width);
        build::put(screen, pair.figures, Body::Text(figures));
    } else {
        let plot = look.plot(1.0, Vec::new(), words::no_workers(look));
        pair.plot(
            screen,
            look,
            (Edge::Middle, TITLE_LEAST),
            (title, Line::new()),
            Body::Plot(plot),
        );
    }
    build::put_axis(screen, look, places.axis);
}

/// What the colours of the workers' bars mean.
fn legend(remote: bool) -> Line {
    let fetch = if remote { "net" } else { "disk" };
    let words = ["run", "no CPU", fetch, "other", "idle"];
    let mut line = Line::new();
    for ((role, letter), word) in workers::parts(remote).into_iter().zip(words) {
        if !line.is_empty() {
            line.push(span("  ", Role::Dim));
        }
        line.push(span(format!("{letter} {word}"), role));
    }
    line
}
