//! A plot under its title rule, and figures beside it under their heading.

use super::build;
use super::focus::Look;
use super::screen::{Area, Body, Edge, Line, Role, Rule, Screen};
use super::text::{fit_line, line_width};

/// The places of a plot at the left, and of its figures at the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) rule: Area,
    pub(super) plot: Area,
    pub(super) head: Area,
    pub(super) figures: Area,
}

/// Pairs one below the other on a screen of this width.
#[derive(Debug)]
pub(super) struct Pairs {
    width: u16,
    left: u16,
    y: u16,
}

impl Pairs {
    /// From row `y` on, with plots of `left` columns.
    pub(super) const fn new(width: u16, left: u16, y: u16) -> Self {
        Self { width, left, y }
    }

    /// The next one, whose plot has `height` rows.
    pub(super) const fn next(&mut self, height: u16) -> Pair {
        let Self { width, left, y } = *self;
        let (x, right) = (left + 1, width - left - 1);
        self.y += 1 + height;
        Pair {
            rule: Area { x: 0, y, width: left, height: 1 },
            plot: Area { x: 0, y: y + 1, width: left, height },
            head: Area { x, y, width: right, height: 1 },
            figures: Area { x, y: y + 1, width: right, height },
        }
    }

    /// The time axis below the last one.
    pub(super) const fn axis(&self) -> Area {
        Area { x: 0, y: self.y, width: self.left, height: 1 }
    }
}

/// The line without the parts at its end for which there is no room: half a figure, or half a word of a
/// legend, says nothing. What is the matter may be cut, and the first part stays.
fn whole(mut line: Line, room: usize) -> Line {
    let long = |line: &Line| line_width(line) > room;
    if !long(&line) {
        return line;
    }
    let firsts = line.iter().take_while(|span| span.role == Role::Dim).count() + 1;
    let warns = |line: &Line| line.last().is_some_and(|span| span.role == Role::Warn);
    // A figure goes with its label, and with what stands between it and the one before.
    let hangs = |line: &Line| line.last().is_some_and(|span| span.role == Role::Dim);
    let mut cut = false;
    while line.len() > firsts && !warns(&line) && (long(&line) || cut && hangs(&line)) {
        cut |= line.pop().is_some_and(|span| span.role != Role::Dim);
    }
    line
}

impl Pair {
    /// Puts the plot under its rule. The title keeps `least` columns, whatever the values need.
    pub(super) fn plot(
        &self,
        screen: &mut Screen,
        look: &Look<'_>,
        (edge, least): (Edge, usize),
        (title, values): (Line, Line),
        body: Body,
    ) {
        let width = usize::from(self.rule.width);
        let right =
            fit_line(whole(values, width.saturating_sub(least)), width.saturating_sub(least));
        let room = width.saturating_sub(line_width(&right) + 8);
        let left = fit_line(whole(title, room), room);
        // The cursor's column within a rule counts the left border too.
        let cursor = look.window.cursor.map(|column| column + 1);
        let rule = Rule { edge, left, right, ticks: Vec::new(), cursor };
        build::put(screen, self.rule, Body::Rule(rule));
        build::put(screen, self.plot, body);
    }
}

#[cfg(test)]
mod tests {
    use super::super::screen::span;
    use super::*;

    #[test]
    fn a_figure_that_has_no_room_goes_with_its_label_and_a_warning_is_cut() {
        let line = || {
            let text = [("  ", Role::Dim), ("12%", Role::GpuUtil), ("  ", Role::Dim)];
            let more = [("SM active ", Role::Dim), ("75%", Role::GpuActivity)];
            text.into_iter().chain(more).map(|(text, role)| span(text, role)).collect::<Line>()
        };
        let text = |line: Line| line.iter().map(|span| span.text.clone()).collect::<String>();
        assert_eq!(text(whole(line(), 20)), "  12%  SM active 75%");
        assert_eq!(text(whole(line(), 19)), "  12%");
        let remarked = || line().into_iter().chain([span(" · of 8", Role::Dim)]).collect::<Line>();
        assert_eq!(text(whole(remarked(), 22)), "  12%  SM active 75%", "the remark alone goes");
        assert_eq!(text(whole(line(), 3)), "  12%", "the first is cut by whom it is handed to");
        let mut warned = line();
        warned.push(span("GPU 3: no answer", Role::Warn));
        assert_eq!(text(whole(warned.clone(), 25)), text(warned));
    }
}
