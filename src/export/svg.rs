//! A screen as an SVG picture: the same bytes for the same screen.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::shapes::{CELL_HEIGHT, CELL_WIDTH, Rect, Shape, shape};
use crate::model::text::Escaped;
use crate::ui::{Dot, Picture, Rgb};

/// Around the cells, and height of the window's bar.
const MARGIN: f64 = 14.0;
const BAR: f64 = 34.0;
/// From the top of a cell to the foot of its letters.
const BASELINE: f64 = 14.5;
const FONT: &str = "ui-monospace,'JetBrains Mono','SF Mono',Menlo,'DejaVu Sans Mono',Consolas,\
                    'Liberation Mono',monospace";

/// The picture in a window with a title.
pub fn svg(picture: &Picture, title: &str) -> String {
    let layers = Layers::of(picture);
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = layers.write(picture, title, &mut out);
    out
}

/// What is drawn, in the order of drawing; each colour once.
#[derive(Default)]
struct Layers {
    grounds: BTreeMap<Rgb, Vec<Rect>>,
    fills: BTreeMap<(Rgb, u8), Vec<Rect>>,
    outlines: BTreeMap<Rgb, String>,
    strokes: BTreeMap<Rgb, String>,
    texts: Vec<Run>,
}

/// Letters of one style that stand side by side.
struct Run {
    row: usize,
    column: usize,
    cells: usize,
    text: String,
    look: (Rgb, bool, bool, bool),
}

impl Layers {
    fn of(picture: &Picture) -> Self {
        let mut layers = Self::default();
        for (row, dots) in picture.rows().enumerate() {
            for (column, dot) in dots.iter().enumerate() {
                if dot.bg != picture.background {
                    let cell = Rect { x: 0.0, y: 0.0, width: CELL_WIDTH, height: CELL_HEIGHT };
                    push(layers.grounds.entry(dot.bg).or_default(), moved(cell, column, row));
                }
                let mut glyphs = dot.symbol.chars();
                match (glyphs.next().and_then(shape), glyphs.next()) {
                    (Some(shape), None) => layers.draw(shape, dot, column, row),
                    _ => layers.letter(dot, column, row),
                }
            }
        }
        layers
    }

    fn draw(&mut self, shape: Shape, dot: &Dot, column: usize, row: usize) {
        let (left, top) = origin(column, row);
        match shape {
            Shape::Fill(opacity, rects) => {
                let group = self.fills.entry((dot.fg, opacity)).or_default();
                for rect in rects {
                    push(group, moved(rect, column, row));
                }
            }
            Shape::Dots(dots) => {
                let path = self.outlines.entry(dot.fg).or_default();
                for (x, y) in dots {
                    let (x, y) = (left + x - 1.3, top + y);
                    let _ = write!(path, "M{x} {y}a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0 -2.6 0z");
                }
            }
            Shape::Outline(points) => {
                let path = self.outlines.entry(dot.fg).or_default();
                for (index, (x, y)) in points.iter().enumerate() {
                    let order = if index == 0 { 'M' } else { 'L' };
                    let _ = write!(path, "{order}{} {}", left + x, top + y);
                }
                path.push('z');
            }
            Shape::Stroke((x, y), rest) => {
                let path = self.strokes.entry(dot.fg).or_default();
                let _ = write!(path, "M{} {}{rest}", left + x, top + y);
            }
        }
    }

    /// Adds a cell to the run before it, or begins a new one. A single blank is part of a run, so
    /// that a sentence stays one element and can be searched for.
    fn letter(&mut self, dot: &Dot, column: usize, row: usize) {
        let look = (dot.fg, dot.bold, dot.italic, dot.underline);
        if dot.symbol.is_empty() {
            return;
        }
        let blank = dot.symbol == " ";
        let cells = dot.symbol.width().max(1);
        if let Some(last) = self.texts.last_mut()
            && last.row == row
            && last.column + last.cells == column
            && last.look == look
            && !(blank && last.text.ends_with(' '))
        {
            last.text.push_str(&dot.symbol);
            last.cells += cells;
        } else if !blank {
            let text = dot.symbol.clone();
            self.texts.push(Run { row, column, cells, text, look });
        }
    }

    fn write(&self, picture: &Picture, title: &str, out: &mut String) -> fmt::Result {
        let width = f64::from(picture.width).mul_add(CELL_WIDTH, 2.0 * MARGIN);
        let height = f64::from(picture.height).mul_add(CELL_HEIGHT, BAR + MARGIN);
        frame(picture, title, (width, height), out)?;
        writeln!(out, r#"<g transform="translate({MARGIN} {BAR})">"#)?;
        writeln!(out, r#"<g shape-rendering="crispEdges">"#)?;
        for (color, rects) in &self.grounds {
            writeln!(out, r#"<path fill="{}" d="{}"/>"#, color.hex(), path(rects)?)?;
        }
        for ((color, opacity), rects) in &self.fills {
            write!(out, r#"<path fill="{}""#, color.hex())?;
            if *opacity < 100 {
                write!(out, r#" fill-opacity=".{opacity}""#)?;
            }
            writeln!(out, r#" d="{}"/>"#, path(rects)?)?;
        }
        writeln!(out, "</g>")?;
        for (color, d) in &self.outlines {
            writeln!(out, r#"<path fill="{}" d="{d}"/>"#, color.hex())?;
        }
        for (color, d) in &self.strokes {
            writeln!(out, r#"<path fill="none" stroke="{}" d="{d}"/>"#, color.hex())?;
        }
        writeln!(out, r#"<g font-family="{FONT}" font-size="15" xml:space="preserve">"#)?;
        self.texts.iter().try_for_each(|run| run.write(out))?;
        writeln!(out, "</g>\n</g>\n</svg>")
    }
}

impl Run {
    fn write(&self, out: &mut String) -> fmt::Result {
        let text = self.text.trim_end_matches(' ');
        let cells = self.cells - (self.text.len() - text.len());
        let (x, y) = origin(self.column, self.row);
        let (color, bold, italic, underline) = self.look;
        write!(out, r#"<text x="{x}" y="{}" fill="{}""#, y + BASELINE, color.hex())?;
        if cells > 1 {
            let length = cells as f64 * CELL_WIDTH;
            write!(out, r#" textLength="{length}" lengthAdjust="spacingAndGlyphs""#)?;
        }
        for (set, attribute) in [
            (bold, r#" font-weight="bold""#),
            (italic, r#" font-style="italic""#),
            (underline, r#" text-decoration="underline""#),
        ] {
            out.push_str(if set { attribute } else { "" });
        }
        writeln!(out, ">{}</text>", Escaped(text))
    }
}

/// The window: its ground, three dots and the title.
fn frame(
    picture: &Picture,
    title: &str,
    (width, height): (f64, f64),
    out: &mut String,
) -> fmt::Result {
    let (ground, text) = (picture.background, picture.text);
    let (edge, knob, faint) =
        (ground.mix(text, 0.16), ground.mix(text, 0.22), ground.mix(text, 0.6));
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">"#
    )?;
    writeln!(out, "<title>{}</title>", Escaped(title))?;
    writeln!(
        out,
        r#"<rect x=".5" y=".5" width="{}" height="{}" rx="9" fill="{}" stroke="{}"/>"#,
        width - 1.0,
        height - 1.0,
        ground.hex(),
        edge.hex()
    )?;
    for x in [20, 38, 56] {
        writeln!(out, r#"<circle cx="{x}" cy="17" r="5" fill="{}"/>"#, knob.hex())?;
    }
    writeln!(
        out,
        r#"<text x="{}" y="21.5" text-anchor="middle" font-family="{FONT}" font-size="13" fill="{}">{}</text>"#,
        width / 2.0,
        faint.hex(),
        Escaped(title)
    )
}

fn origin(column: usize, row: usize) -> (f64, f64) {
    (column as f64 * CELL_WIDTH, row as f64 * CELL_HEIGHT)
}

fn moved(rect: Rect, column: usize, row: usize) -> Rect {
    let (x, y) = origin(column, row);
    Rect { x: rect.x + x, y: rect.y + y, ..rect }
}

/// Adds a rectangle; one that continues the last makes it longer.
fn push(group: &mut Vec<Rect>, rect: Rect) {
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    match group.last_mut() {
        Some(last)
            if near(last.y, rect.y)
                && near(last.height, rect.height)
                && near(last.x + last.width, rect.x) =>
        {
            last.width += rect.width;
        }
        _ => group.push(rect),
    }
}

fn path(rects: &[Rect]) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for Rect { x, y, width, height } in rects {
        write!(out, "M{x} {y}h{width}v{height}h-{width}z")?;
    }
    Ok(out)
}
