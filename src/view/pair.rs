//! A plot under its title rule, and figures beside it under their heading.

use super::build;
use super::focus::Look;
use super::screen::{Area, Body, Edge, Line, Rule, Screen};
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
        let right = fit_line(values, width.saturating_sub(least));
        let left = fit_line(title, width.saturating_sub(line_width(&right) + 8));
        // The cursor's column within a rule counts the left border too.
        let cursor = look.window.cursor.map(|column| column + 1);
        let rule = Rule { edge, left, right, ticks: Vec::new(), cursor };
        build::put(screen, self.rule, Body::Rule(rule));
        build::put(screen, self.plot, body);
    }
}
