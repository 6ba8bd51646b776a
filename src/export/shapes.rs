//! Blocks, boxes and braille as shapes, so that a picture does not hang on the reader's font.

/// Width of a cell in pixels.
pub(super) const CELL_WIDTH: f64 = 9.0;
/// Height of a cell in pixels.
pub(super) const CELL_HEIGHT: f64 = 20.0;
/// Middle of the lines of boxes within a cell.
const MIDDLE: (f64, f64) = (4.5, 10.0);

/// A filled rectangle within a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A glyph as geometry, in pixels from the upper left corner of its cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Rectangles with an opacity in percent.
    Fill(u8, Vec<Rect>),
    /// Dots, by their middle.
    Dots(Vec<(f64, f64)>),
    /// A closed outline, filled.
    Outline(&'static [(f64, f64)]),
    /// A line along an SVG path, whose first point is given apart: all else is relative to it.
    Stroke((f64, f64), &'static str),
}

/// The shape of a glyph; `None` for one that is text.
pub(super) fn shape(glyph: char) -> Option<Shape> {
    match glyph {
        '▀'..='▟' => block(glyph),
        '\u{2800}'..='\u{28ff}' => Some(braille(glyph)),
        '─' | '│' | '┌'..='┼' | '┄' | '╌' | '╴'..='╷' => arms(glyph),
        '╭' => Some(Shape::Stroke((4.5, 20.0), "v-5q0 -5 4.5 -5")),
        '╮' => Some(Shape::Stroke((4.5, 20.0), "v-5q0 -5 -4.5 -5")),
        '╰' => Some(Shape::Stroke((4.5, 0.0), "v5q0 5 4.5 5")),
        '╯' => Some(Shape::Stroke((4.5, 0.0), "v5q0 5 -4.5 5")),
        '╱' => Some(Shape::Stroke((0.0, 20.0), "l9 -20")),
        '╲' => Some(Shape::Stroke((0.0, 0.0), "l9 20")),
        '▲' => Some(Shape::Outline(&[(0.5, 14.5), (8.5, 14.5), (4.5, 6.5)])),
        '▼' => Some(Shape::Outline(&[(0.5, 6.5), (8.5, 6.5), (4.5, 14.5)])),
        '▸' => Some(Shape::Outline(&[(2.0, 7.0), (7.5, 10.5), (2.0, 14.0)])),
        '▾' => Some(Shape::Outline(&[(1.0, 8.0), (8.0, 8.0), (4.5, 13.5)])),
        _ => None,
    }
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> Rect {
    Rect { x, y, width, height }
}

fn block(glyph: char) -> Option<Shape> {
    let (w, h) = (CELL_WIDTH, CELL_HEIGHT);
    let code = u32::from(glyph) - 0x2580;
    let eighth = h / 8.0;
    let fill = |rects| Some(Shape::Fill(100, rects));
    match glyph {
        '▀' => fill(vec![rect(0.0, 0.0, w, h / 2.0)]),
        '▁'..='█' => {
            let height = f64::from(code) * eighth;
            fill(vec![rect(0.0, h - height, w, height)])
        }
        '▉'..='▏' => fill(vec![rect(0.0, 0.0, w * f64::from(0x10 - code) / 8.0, h)]),
        '▐' => fill(vec![rect(w / 2.0, 0.0, w / 2.0, h)]),
        '░' => Some(Shape::Fill(25, vec![rect(0.0, 0.0, w, h)])),
        '▒' => Some(Shape::Fill(45, vec![rect(0.0, 0.0, w, h)])),
        '▓' => Some(Shape::Fill(70, vec![rect(0.0, 0.0, w, h)])),
        '▔' => fill(vec![rect(0.0, 0.0, w, eighth)]),
        '▕' => fill(vec![rect(w * 7.0 / 8.0, 0.0, w / 8.0, h)]),
        _ => {
            // Which quarters: upper left, upper right, lower left, lower right.
            let quarters = match glyph {
                '▖' => 0b0010,
                '▗' => 0b0001,
                '▘' => 0b1000,
                '▙' => 0b1011,
                '▚' => 0b1001,
                '▛' => 0b1110,
                '▜' => 0b1101,
                '▝' => 0b0100,
                '▞' => 0b0110,
                '▟' => 0b0111,
                _ => return None,
            };
            let places =
                [(0b1000, 0.0, 0.0), (0b0100, 0.5, 0.0), (0b0010, 0.0, 0.5), (1, 0.5, 0.5)];
            let filled = places.into_iter().filter(|(bit, _, _)| quarters & bit != 0);
            fill(filled.map(|(_, x, y)| rect(x * w, y * h, w / 2.0, h / 2.0)).collect())
        }
    }
}

fn braille(glyph: char) -> Shape {
    let bits = u32::from(glyph) - 0x2800;
    // Dots 1 to 8 of the standard: three down on the left, three on the right, then the feet.
    let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let dots = places.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let at = |column: u8, row: u8| {
        (f64::from(column).mul_add(4.5, 2.25), f64::from(row).mul_add(5.0, 2.5))
    };
    Shape::Dots(dots.map(|(_, (column, row))| at(column, row)).collect())
}

/// Lines from the middle of the cell to its edges.
fn arms(glyph: char) -> Option<Shape> {
    let (up, right, down, left) = match glyph {
        '─' => (false, true, false, true),
        '│' => (true, false, true, false),
        '┌' => (false, true, true, false),
        '┐' => (false, false, true, true),
        '└' => (true, true, false, false),
        '┘' => (true, false, false, true),
        '├' => (true, true, true, false),
        '┤' => (true, false, true, true),
        '┬' => (false, true, true, true),
        '┴' => (true, true, false, true),
        '┼' => (true, true, true, true),
        '┄' | '╌' => {
            let dash = |x| rect(x, MIDDLE.1, 2.5, 1.0);
            return Some(Shape::Fill(100, vec![dash(0.5), dash(5.0)]));
        }
        '╴' => (false, false, false, true),
        '╵' => (true, false, false, false),
        '╶' => (false, true, false, false),
        '╷' => (false, false, true, false),
        _ => return None,
    };
    let mut rects = Vec::new();
    let (x, y) = (MIDDLE.0 - 0.5, MIDDLE.1);
    if left || right {
        let from = if left { 0.0 } else { x };
        let to = if right { CELL_WIDTH } else { x + 1.0 };
        rects.push(rect(from, y, to - from, 1.0));
    }
    if up || down {
        let from = if up { 0.0 } else { y };
        let to = if down { CELL_HEIGHT } else { y + 1.0 };
        rects.push(rect(x, from, 1.0, to - from));
    }
    Some(Shape::Fill(100, rects))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_and_every_box_that_is_drawn_is_a_shape_within_its_cell() {
        let boxes = "─│┌┐└┘├┤┬┴┼┄╌╴╵╶╷".chars();
        for glyph in ('▀'..='▟').chain(boxes) {
            let Some(Shape::Fill(_, rects)) = shape(glyph) else { panic!("{glyph}") };
            for rect in rects {
                let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
                assert!(rect.x >= 0.0 && right <= CELL_WIDTH, "{glyph} {rect:?}");
                assert!(rect.y >= 0.0 && bottom <= CELL_HEIGHT, "{glyph} {rect:?}");
            }
        }
    }

    #[test]
    fn braille_has_a_dot_for_every_bit() {
        for bits in 0..=255u32 {
            let glyph = char::from_u32(0x2800 + bits).unwrap();
            let Some(Shape::Dots(dots)) = shape(glyph) else { panic!("{glyph}") };
            assert_eq!(dots.len() as u32, bits.count_ones());
        }
    }

    #[test]
    fn letters_are_text() {
        assert!("aZ9%·é学 …".chars().all(|glyph| shape(glyph).is_none()));
    }
}
