//! What stands at a cell of a screen, for a pointer: read off the parts that were painted, so that
//! what is pointed at is always what is seen.

use crate::app::Spot;

use super::screen::{Area, Body, Past, Screen, Stands, TextRow};

/// What stands at a cell, counted from the upper left corner.
pub fn pointed(screen: &Screen, x: u16, y: u16) -> Spot {
    let mut popup = false;
    for part in screen.parts.iter().rev() {
        let over = matches!(part.body, Body::Popup { .. });
        popup |= over;
        if !holds(part.area, x, y) {
            continue;
        }
        let (column, row) = (x - part.area.x, y - part.area.y);
        let spot = match &part.body {
            Body::Popup { .. } => Spot::Over,
            Body::Text(rows) => {
                rows.get(usize::from(row)).map_or(Spot::Ground, |row| of(row, column))
            }
            // Plots and their rules have a border column at each side.
            Body::Rule(_) | Body::Plot(_) | Body::Heat(_) | Body::Mix(_) => {
                let columns = part.area.width.saturating_sub(2);
                let past = screen.shown.filter(|_| columns > 0);
                past.map_or(Spot::Ground, |past| moment(past, column.saturating_sub(1), columns))
            }
        };
        return match spot {
            Spot::Over | Spot::Key(_) => spot,
            _ if popup => Spot::Beside,
            _ => spot,
        };
    }
    if popup { Spot::Beside } else { Spot::Ground }
}

fn holds(area: Area, x: u16, y: u16) -> bool {
    let within = |at: u16, from: u16, length: u16| at >= from && at - from < length;
    within(x, area.x, area.width) && within(y, area.y, area.height)
}

fn of(row: &TextRow, column: u16) -> Spot {
    let spot = row.spots.iter().find(|(columns, _)| columns.contains(&column));
    match spot {
        Some((_, Stands::For(spot))) => *spot,
        Some((columns, Stands::Past(past))) => {
            moment(*past, column - columns.start, columns.end - columns.start)
        }
        None => Spot::Ground,
    }
}

/// The last moment that is drawn in a column: what is shown for it is then what the column ends with.
fn moment(past: Past, column: u16, columns: u16) -> Spot {
    let length = past.to_ms.saturating_sub(past.from_ms);
    let end = u128::from(column.min(columns - 1)) + 1;
    let after = u128::from(length) * end / u128::from(columns);
    Spot::Moment(past.from_ms + (after as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;
    use crate::view::screen::{Part, Plot};

    const PAST: Past = Past { from_ms: 1_000, to_ms: 11_000 };

    fn plot() -> Body {
        Body::Plot(Plot {
            low: 0.0,
            high: 1.0,
            labels: Vec::new(),
            series: Vec::new(),
            limit: None,
            headroom: None,
            shades: Vec::new(),
            gaps: Vec::new(),
            cursor: None,
        })
    }

    /// A plot of ten columns under a row whose third column is a key.
    fn screen() -> Screen {
        let spots = vec![(2..3, Stands::For(Spot::Key(Action::Help)))];
        let row = TextRow { spots, ..TextRow::default() };
        let part = |y, height, body| Part { area: Area { x: 0, y, width: 12, height }, body };
        let parts = vec![part(0, 1, Body::Text(vec![row])), part(1, 4, plot())];
        Screen { width: 12, height: 6, parts, shown: Some(PAST) }
    }

    #[test]
    fn a_column_of_a_plot_is_the_last_moment_that_it_shows() {
        let screen = screen();
        assert_eq!(pointed(&screen, 1, 2), Spot::Moment(1_999));
        assert_eq!(pointed(&screen, 10, 4), Spot::Moment(10_999));
        // On its borders one means the column beside them.
        assert_eq!(pointed(&screen, 0, 2), pointed(&screen, 1, 2));
        assert_eq!(pointed(&screen, 11, 2), pointed(&screen, 10, 2));
        assert_eq!(pointed(&screen, 3, 5), Spot::Ground);
    }

    #[test]
    fn below_a_popup_only_keys_can_be_pointed_at() {
        let mut screen = screen();
        let popup = Body::Popup { title: Vec::new(), rows: Vec::new() };
        screen.parts.push(Part { area: Area { x: 4, y: 1, width: 4, height: 3 }, body: popup });
        assert_eq!(pointed(&screen, 5, 2), Spot::Over);
        assert_eq!(pointed(&screen, 1, 2), Spot::Beside);
        assert_eq!(pointed(&screen, 9, 5), Spot::Beside);
        assert_eq!(pointed(&screen, 2, 0), Spot::Key(Action::Help));
    }
}
