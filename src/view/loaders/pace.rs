//! How fast the workers could make batches and the loop could take them.

use crate::fmt;
use crate::history::Track;
use crate::view::bar::bar;
use crate::view::focus::Look;
use crate::view::screen::{Line, Role, TextRow, span, strong};
use crate::view::text::{left, right};

use super::over::{Over, mean};

/// Columns of the words before a bar, and of the figure behind it.
const LABEL: usize = 18;
const FIGURE: usize = 9;
/// Below so many columns the time of a step is left out: it is the rate the other way round.
const NARROW: u16 = 48;

/// What stands over the figures: the pace itself.
pub(super) fn heading(over: &Over, width: u16) -> TextRow {
    let mut line = Line::new();
    if let Some(steps) = over.steps {
        line.push(span(format!("{} steps/s", number(steps)), Role::Text));
        if width < NARROW {
            line.push(span(" ", Role::Dim));
        } else if steps > 0.0 {
            let step = fmt::seconds(1.0 / steps);
            line.push(span(format!(" · {} a step ", step.trim()), Role::Dim));
        }
    }
    let mut left = vec![strong(" Pace", Role::Title)];
    if over.seconds > 0 {
        left.push(span(format!("  {} s", over.seconds), Role::Dim));
    }
    TextRow { left, right: line, ..TextRow::default() }
}

/// The figures, the most telling first.
pub(super) fn rows(look: &Look<'_>, over: &Over, width: u16) -> Vec<TextRow> {
    if look.loader.is_none() {
        return Vec::new();
    }
    let (supply, demand) = (over.supply(), over.demand());
    let most = supply.into_iter().chain(demand).fold(0.0, f64::max);
    let room = usize::from(width).saturating_sub(LABEL + FIGURE + 1);
    let gauge = |label: &str, value: Option<f64>, mark: &str, role| {
        let share = value.filter(|_| most > 0.0).map_or(0.0, |value| value / most);
        let figure = value.map(|value| format!("{mark}{}/s", number(value)));
        let figure_role = if figure.is_some() { Role::Text } else { Role::Gap };
        row(vec![
            span(left(label, LABEL), Role::Text),
            span(left(&bar(share, room), room), role),
            span(right(figure.as_deref().unwrap_or(fmt::NONE), FIGURE), figure_role),
        ])
    };
    vec![
        gauge(" workers can make", supply, "", Role::Queue),
        gauge(" loop can take", demand, over.mark(), Role::GpuUtil),
        waits(over),
        doing(look, over.seconds),
        main_thread(look),
    ]
}

/// What each batch is waited for.
fn waits(over: &Over) -> TextRow {
    let mut line = vec![span(" loop waits ", Role::Text)];
    match over.wait_seconds() {
        Some(seconds) => {
            let text = format!("{}{} a batch", over.mark(), fmt::seconds(seconds).trim());
            line.push(span(text, Role::Blocked));
        }
        None => line.push(span(fmt::NONE, Role::Gap)),
    }
    if let Some(empty) = over.empty {
        let text = format!(" · queue empty {}", fmt::percent(empty).trim_start());
        line.push(span(text, Role::Dim));
    }
    row(line)
}

/// What the workers' time was made up of.
fn doing(look: &Look<'_>, seconds: u64) -> TextRow {
    let Some(loader) = look.loader else { return TextRow::default() };
    let id = loader.loader;
    let parts = [
        (Track::WorkersRun(id), "run", Role::WorkerRun),
        (Track::WorkersQueued(id), "no CPU", Role::WorkerQueued),
        (Track::WorkersDisk(id), "disk", Role::WorkerDisk),
        (Track::WorkersNet(id), "net", Role::WorkerNet),
        (Track::WorkersOther(id), "other", Role::WorkerWait),
        (Track::WorkersIdle(id), "idle", Role::WorkerIdle),
    ];
    let mut line = vec![span(" workers ", Role::Text)];
    for (track, word, role) in parts {
        let share = mean(look, &track, seconds).filter(|share| *share >= 0.005);
        if let Some(share) = share {
            line.push(span(format!(" {word} {} ", fmt::percent(share).trim_start()), role));
        }
    }
    if line.len() == 1 {
        line.push(span(fmt::NONE, Role::Gap));
    }
    row(line)
}

/// What the main thread does instead of waiting, as its Python stack told in the last tick; nothing
/// where it is not read.
fn main_thread(look: &Look<'_>) -> TextRow {
    let rates = look.loader.zip(look.frame).and_then(|(loader, frame)| {
        frame.loaders.iter().find(|rates| rates.loader == loader.loader)
    });
    let Some(rates) = rates else { return TextRow::default() };
    let parts = [
        (rates.main_forward_ratio, "forward"),
        (rates.main_backward_ratio, "backward"),
        (rates.main_optimizer_ratio, "optimizer"),
        (rates.main_collective_ratio, "other ranks"),
        (rates.main_workers_ratio, "starts workers"),
        (rates.main_checkpoint_ratio, "checkpoint"),
        (rates.main_compile_ratio, "compiles"),
        (rates.main_logging_ratio, "logs"),
        (rates.main_import_ratio, "imports"),
    ];
    let mut line = Line::new();
    for (share, word) in parts {
        let Some(share) = share.ok().filter(|share| *share >= 0.005) else { continue };
        if line.is_empty() {
            line.push(span(" loop    ", Role::Text));
        }
        line.push(span(format!(" {word} {} ", fmt::percent(share).trim_start()), Role::GpuUtil));
    }
    row(line)
}

fn row(left: Line) -> TextRow {
    TextRow { left, ..TextRow::default() }
}

/// Three digits of a count a second.
pub(super) fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() || value < 0.0 => fmt::NONE.to_owned(),
        value if value >= 9999.5 => ">9999".to_owned(),
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
