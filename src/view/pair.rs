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
