//! A screen as plain text: enough to read it in a test, and no more.

use mltop::view::Screen;
use mltop::view::screen::{Area, Body, Draw, Edge, Heat, Line, Mix, Plot, Rule, Shade, TextRow};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text of a line.
pub(crate) fn text(line: &Line) -> String {
    line.iter().map(|span| span.text.as_str()).collect()
}

/// The rows of a screen.
pub(crate) fn paint(screen: &Screen) -> Vec<String> {
    let mut grid = Grid {
        width: screen.width,
        cells: vec![vec![' '; usize::from(screen.width)]; usize::from(screen.height)],
    };
    for part in &screen.parts {
        match &part.body {
            Body::Text(rows) => grid.rows(part.area, rows),
            Body::Rule(rule) => grid.rule(part.area, rule),
            Body::Plot(plot) => grid.plot(part.area, plot),
            Body::Heat(heat) => grid.heat(part.area, heat),
            Body::Mix(mix) => grid.mix(part.area, mix),
            Body::Popup { title, rows } => grid.popup(part.area, title, rows),
        }
    }
    let rows = grid.cells.into_iter();
    rows.map(|row| row.into_iter().filter(|char| *char != '\0').collect()).collect()
}

struct Grid {
    width: u16,
    cells: Vec<Vec<char>>,
}

impl Grid {
    fn set(&mut self, x: u16, y: u16, char: char) {
        if let Some(cell) =
            self.cells.get_mut(usize::from(y)).and_then(|r| r.get_mut(usize::from(x)))
        {
            *cell = char;
        }
    }

    fn write(&mut self, x: u16, y: u16, end: u16, text: &str) {
        let mut x = x;
        for char in text.chars() {
            let wide = char.width().unwrap_or(0) as u16;
            if x + wide > end.min(self.width) {
                return;
            }
            self.set(x, y, char);
            for skipped in 1..wide {
                self.set(x + skipped, y, '\0');
            }
            x += wide;
        }
    }

    fn rows(&mut self, area: Area, rows: &[TextRow]) {
        for (at, row) in rows.iter().take(usize::from(area.height)).enumerate() {
            let y = area.y + at as u16;
            let end = area.x + area.width;
            let right = text(&row.right);
            let from = end.saturating_sub(right.width() as u16).max(area.x);
            self.write(area.x, y, from, &text(&row.left));
            self.write(from, y, end, &right);
            if row.bar.is_some() {
                self.set(area.x, y, '▌');
            }
            if row.selected {
                self.set(area.x, y, '>');
            }
        }
    }

    fn rule(&mut self, area: Area, rule: &Rule) {
        let end = area.x + area.width;
        for x in area.x..end {
            self.set(x, area.y, '─');
        }
        let (left, right) = match rule.edge {
            Edge::Top => ('┌', '┐'),
            Edge::Middle => ('├', '┤'),
            Edge::Bottom => ('└', '┘'),
        };
        self.set(area.x, area.y, left);
        self.set(end - 1, area.y, right);
        for (column, label) in &rule.ticks {
            self.write(area.x + column, area.y, end, label);
        }
        let pad =
            |line: &Line| if line.is_empty() { String::new() } else { format!(" {} ", text(line)) };
        let titles = (pad(&rule.left), pad(&rule.right));
        let from = (end - 1).saturating_sub(titles.1.width() as u16).max(area.x + 1);
        self.write(area.x + 1, area.y, from, &titles.0);
        self.write(from, area.y, end - 1, &titles.1);
        if let Some(cursor) = rule.cursor.filter(|_| rule.edge == Edge::Bottom) {
            self.set(area.x + cursor, area.y, '▲');
        }
    }

    fn plot(&mut self, area: Area, plot: &Plot) {
        const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        for y in area.y..area.y + area.height {
            self.set(area.x, y, '│');
            self.set(area.x + area.width - 1, y, '│');
        }
        let height = f64::from(area.height);
        for column in 0..area.width.saturating_sub(2) {
            if plot.shades.get(usize::from(column)) == Some(&Shade::Starved) {
                for y in area.y..area.y + area.height {
                    self.set(area.x + 1 + column, y, '░');
                }
            }
            let filled = plot
                .series
                .iter()
                .filter(|s| matches!(s.draw, Draw::Area | Draw::Step | Draw::Line));
            for series in filled {
                let points = series.points.iter().skip(usize::from(column) * 2).take(2).flatten();
                let Some(mean) = points.map(|point| f64::from(point.mean)).reduce(f64::max) else {
                    continue;
                };
                let share = ((mean - plot.low) / (plot.high - plot.low)).clamp(0.0, 1.0);
                let eighths = (share * height * 8.0).round() as u16;
                for row in 0..area.height {
                    let here = eighths.saturating_sub(row * 8).min(8);
                    if here > 0 && series.draw != Draw::Line {
                        let y = area.y + area.height - 1 - row;
                        self.set(area.x + 1 + column, y, BARS[usize::from(here)]);
                    }
                }
            }
            if plot.cursor == Some(column) {
                for y in area.y..area.y + area.height {
                    self.set(area.x + 1 + column, y, '|');
                }
            }
        }
        for (value, label) in &plot.labels {
            let share = ((value - plot.low) / (plot.high - plot.low)).clamp(0.0, 1.0);
            let row = ((1.0 - share) * (height - 1.0)).round() as u16;
            self.write(area.x + 1, area.y + row, area.x + area.width - 1, label);
        }
        for (first, columns, reason) in &plot.gaps {
            let from = area.x + 1 + first;
            self.write(from + 1, area.y + area.height / 2, from + columns, reason);
        }
    }

    fn heat(&mut self, area: Area, heat: &Heat) {
        const RAMP: [char; 5] = [' ', '░', '▒', '▓', '█'];
        for (at, (label, values)) in heat.rows.iter().take(usize::from(area.height)).enumerate() {
            let y = area.y + at as u16;
            for (column, value) in values.iter().enumerate().take(usize::from(area.width) - 2) {
                let char = value.map_or('?', |value| RAMP[(value * 4.0).round() as usize]);
                self.set(area.x + 1 + column as u16, y, char);
            }
            self.write(area.x + 1, y, area.x + area.width - 1, label);
        }
    }

    fn mix(&mut self, area: Area, mix: &Mix) {
        for (at, row) in mix.rows.iter().take(usize::from(area.height)).enumerate() {
            let y = area.y + at as u16;
            self.set(area.x, y, '│');
            self.set(area.x + area.width - 1, y, '│');
            for (x, shares) in row.iter().enumerate() {
                let Some(shares) = shares else { continue };
                let most = (0..5).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
                self.set(area.x + 1 + x as u16, y, mix.parts[most].1);
            }
        }
    }

    fn popup(&mut self, area: Area, title: &Line, rows: &[TextRow]) {
        for y in area.y..area.y + area.height {
            for x in area.x..area.x + area.width {
                let rim = y == area.y || y + 1 == area.y + area.height;
                let side = x == area.x || x + 1 == area.x + area.width;
                self.set(
                    x,
                    y,
                    if rim {
                        '═'
                    } else if side {
                        '║'
                    } else {
                        ' '
                    },
                );
            }
        }
        self.write(area.x + 2, area.y, area.x + area.width - 1, &text(title));
        let inner =
            Area { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 };
        self.rows(inner, rows);
    }
}
