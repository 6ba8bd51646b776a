//! What the painter draws, cell by cell.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "ui/demo.rs"]
mod demo;
#[path = "ui/hostile.rs"]
mod hostile;

use mltop::export::{svg, text};
use mltop::ui::{Depth, Glyphs, Picture, Styles, Theme, paint, picture};
use mltop::view::screen::{
    Area, Body, Bucket, Draw, Edge, Heat, Mix, Part, Plot, Role, Rule, Screen, Series, Shade,
    TextRow, span,
};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

fn styles(depth: Depth, glyphs: Glyphs) -> Styles {
    Styles::new(Theme::default(), depth, glyphs)
}

fn one(width: u16, height: u16, body: Body) -> Screen {
    let area = Area { x: 0, y: 0, width, height };
    Screen { width, height, parts: vec![Part { area, body }], shown: None }
}

fn painted(width: u16, height: u16, body: Body) -> Picture {
    picture(&one(width, height, body), &Styles::default())
}

fn drawn(width: u16, height: u16, body: Body) -> String {
    text(&painted(width, height, body))
}

fn drawn_in_ascii(width: u16, height: u16, body: Body) -> String {
    text(&picture(&one(width, height, body), &styles(Depth::None, Glyphs::Ascii)))
}

fn row(left: &str, right: &str) -> TextRow {
    let line = |text| vec![span(text, Role::Text)];
    TextRow { left: line(left), right: line(right), ..TextRow::default() }
}

fn values(draw: Draw, values: &[f32]) -> Series {
    let bucket = |value: &f32| {
        value.is_finite().then_some(Bucket { min: *value / 2.0, mean: *value, max: *value })
    };
    Series { role: Role::GpuUtil, draw, points: values.iter().map(bucket).collect() }
}

fn plot(series: Vec<Series>) -> Plot {
    Plot {
        low: 0.0,
        high: 8.0,
        labels: Vec::new(),
        series,
        limit: None,
        headroom: None,
        shades: Vec::new(),
        gaps: Vec::new(),
        cursor: None,
    }
}

const NONE: f32 = f32::NAN;

#[test]
fn a_row_keeps_its_right_part_and_cuts_the_left_with_an_ellipsis() {
    assert_eq!(drawn(12, 1, Body::Text(vec![row("left", "right")])), "left   right\n");
    assert_eq!(drawn(12, 1, Body::Text(vec![row("a long left", "right")])), "a lon… right\n");
    assert_eq!(drawn(3, 1, Body::Text(vec![row("left", "right")])), "ri…\n");
}

#[test]
fn a_wide_character_is_never_cut_in_half() {
    assert_eq!(drawn(4, 1, Body::Text(vec![row("学習中", "")])), "学…\n");
    let picture = painted(6, 1, Body::Text(vec![row("学習中", "")]));
    assert_eq!(picture.cells[1].symbol, "", "the second half of a wide character is empty");
}

#[test]
fn a_box_over_half_of_a_wide_character_leaves_no_half() {
    let mut screen = one(6, 3, Body::Text(vec![row("学学学", ""), row("学学学", "")]));
    let popup = Body::Popup { title: Vec::new(), rows: Vec::new() };
    screen.parts.push(Part { area: Area { x: 1, y: 0, width: 3, height: 2 }, body: popup });
    assert_eq!(text(&picture(&screen, &Styles::default())), " ╭─╮学\n ╰─╯学\n\n");
}

#[test]
fn control_characters_and_changes_of_direction_never_reach_the_screen() {
    let hostile = "a\u{1b}[31mb\u{7}\u{202e}c\u{200d}\u{fe0f}d\r\n";
    assert_eq!(drawn(12, 1, Body::Text(vec![row(hostile, "")])), "a[31mbcd\n");
    let marks = format!("e{}x", "\u{301}".repeat(50));
    assert_eq!(drawn(12, 1, Body::Text(vec![row(&marks, "")])), "e\u{301}\u{301}x\n");
}

#[test]
fn a_verdict_has_a_bar_and_its_text_begins_after_it() {
    let mut verdict = row("STARVED", "");
    verdict.bar = Some(Role::Critical);
    let picture = painted(10, 1, Body::Text(vec![verdict]));
    assert_eq!(text(&picture), "▌STARVED\n");
    assert_eq!(picture.cells[0].fg, Theme::default().color(Role::Critical));
    assert_ne!(picture.cells[9].bg, picture.background, "its ground reaches to the right edge");
}

#[test]
fn the_selected_row_is_marked_over_its_whole_width_with_and_without_colours() {
    let mut selected = row("x", "");
    selected.selected = true;
    let screen = one(5, 1, Body::Text(vec![selected]));
    let shown = picture(&screen, &Styles::default());
    assert!(shown.cells.iter().all(|cell| cell.bg != shown.background));
    let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 1));
    paint(&screen, &styles(Depth::None, Glyphs::Unicode), &mut buffer);
    assert!(buffer.content().iter().all(|cell| cell.modifier.contains(Modifier::REVERSED)));
}

fn rule(edge: Edge, left: &str, right: &str) -> Rule {
    let line = |text: &str| vec![span(text, Role::Title)];
    Rule { edge, left: line(left), right: line(right), ticks: Vec::new(), cursor: None }
}

#[test]
fn a_rule_has_its_title_left_and_its_figures_right() {
    let body = |edge| Body::Rule(rule(edge, "GPU", "31%"));
    assert_eq!(drawn(18, 1, body(Edge::Top)), "┌ GPU ────── 31% ┐\n");
    assert_eq!(drawn(18, 1, body(Edge::Middle)), "├ GPU ────── 31% ┤\n");
    assert_eq!(drawn_in_ascii(18, 1, body(Edge::Bottom)), "+ GPU ------ 31% +\n");
}

#[test]
fn a_narrow_rule_keeps_its_title_and_cuts_or_drops_the_figures() {
    let body = || Body::Rule(rule(Edge::Top, "GPU", "31% of all"));
    assert_eq!(drawn(16, 1, body()), "┌ GPU ─ 31% o… ┐\n");
    assert_eq!(drawn(12, 1, body()), "┌ GPU ─────┐\n");
}

#[test]
fn the_time_axis_stays_within_its_corners_and_marks_the_cursor() {
    let mut axis = rule(Edge::Bottom, "", "");
    axis.ticks = vec![(0, "60s".into()), (10, "30s".into()), (19, "now".into())];
    axis.cursor = Some(5);
    assert_eq!(drawn(20, 1, Body::Rule(axis)), "└60s─▲───30s────now┘\n");
}

#[test]
fn an_area_fills_in_eighths_and_keeps_steps_within_a_column() {
    let series = values(Draw::Area, &[1.0, 1.0, 4.0, 4.0, 8.0, 8.0, 0.0, 8.0]);
    assert_eq!(drawn(6, 1, Body::Plot(plot(vec![series]))), "│▁▄█▐│\n");
    let series = values(Draw::Step, &[4.0, 4.0, 6.0, 6.0]);
    assert_eq!(drawn(4, 2, Body::Plot(plot(vec![series]))), "│ ▄│\n│██│\n");
}

#[test]
fn a_measured_zero_is_a_line_and_a_gap_is_blank() {
    let series = values(Draw::Area, &[0.0, 0.0, NONE, NONE, 0.0, 0.0]);
    assert_eq!(drawn(5, 1, Body::Plot(plot(vec![series.clone()]))), "│▁ ▁│\n");
    assert_eq!(drawn_in_ascii(5, 1, Body::Plot(plot(vec![series]))), "|_ _|\n");
}

#[test]
fn the_second_direction_hangs_from_the_top() {
    let down = values(Draw::Hanging, &[4.0, 4.0, 2.0, 2.0]);
    let picture = painted(4, 1, Body::Plot(plot(vec![down])));
    assert_eq!(text(&picture), "│▀▆│\n");
    let (cell, ground) = (&picture.cells[2], picture.background);
    assert!(cell.fg == ground && cell.bg != ground, "two eighths from above are six unfilled");
}

#[test]
fn a_line_runs_in_braille_over_the_fill() {
    let line = values(Draw::Line, &[0.0, 0.0, 8.0, 8.0]);
    assert_eq!(drawn(4, 1, Body::Plot(plot(vec![line.clone()]))), "│⣀⠏│\n");
    assert_eq!(drawn_in_ascii(4, 1, Body::Plot(plot(vec![line]))), "|**|\n");
}

#[test]
fn a_band_shows_faintly_above_the_mean() {
    let mut band = values(Draw::Band, &[8.0, 8.0]);
    band.role = Role::Band;
    let area = values(Draw::Area, &[4.0, 4.0]);
    let picture = painted(3, 1, Body::Plot(plot(vec![band, area])));
    assert_eq!(text(&picture), "│▄│\n");
    assert_eq!(picture.cells[1].bg, Theme::default().color(Role::Band));
}

#[test]
fn a_starved_span_is_shaded_with_colour_and_dotted_without() {
    let mut lane = plot(vec![values(Draw::Area, &[4.0, 4.0, NONE, NONE])]);
    lane.shades = vec![Shade::Starved, Shade::Starved];
    let picture = painted(4, 2, Body::Plot(lane.clone()));
    let tint = Theme::default().look(Role::ShadeStarved).bg;
    assert_eq!(Some(picture.cells[1].bg), tint);
    assert_eq!(drawn_in_ascii(4, 2, Body::Plot(lane)), "|::|\n|#:|\n");
}

#[test]
fn a_gap_says_why_and_hides_what_is_there() {
    let mut lane = plot(vec![values(Draw::Area, &[8.0; 20])]);
    lane.shades = [vec![Shade::None; 2], vec![Shade::Gap; 6], vec![Shade::None; 2]].concat();
    lane.gaps = vec![(2, 6, "late".into())];
    lane.limit = Some(8.0);
    assert_eq!(drawn_in_ascii(12, 2, Body::Plot(lane.clone())), "|## late ##|\n|##      ##|\n");
    lane.gaps = vec![(2, 6, "too long a reason".into())];
    assert_eq!(drawn_in_ascii(12, 2, Body::Plot(lane)), "|##      ##|\n|##      ##|\n");
}

#[test]
fn limit_headroom_labels_and_cursor_each_have_their_place() {
    let mut lane = plot(vec![values(Draw::Area, &[1.0; 16])]);
    lane.limit = Some(5.0);
    lane.headroom = Some((1.0, vec![true, true, true, true, false, false, false, false]));
    lane.labels = vec![(8.0, "8".into()), (7.9, "no room".into()), (0.0, "0".into())];
    lane.cursor = Some(6);
    let expected = "│8╱╱╱  │ │\n│╱╱╱╱  │ │\n│┄┄┄┄┄┄│┄│\n│╱╱╱╱  │ │\n│0▄▄▄▄▄▄▄│\n";
    lane.high = 10.0;
    lane.labels[0].0 = 10.0;
    lane.labels[1].0 = 9.9;
    let got = drawn(10, 5, Body::Plot(lane));
    assert_eq!(got, expected);
}

#[test]
fn a_scale_without_a_height_draws_no_value() {
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let mut lane = plot(vec![values(Draw::Area, &[1.0, 1.0])]);
        (lane.low, lane.high) = (low, high);
        assert_eq!(drawn(3, 1, Body::Plot(lane)), "│ │\n");
    }
}

#[test]
fn a_heat_map_tells_zero_from_a_gap_and_falls_back_to_a_ramp() {
    let rows = vec![(String::new(), vec![Some(0.0), None, Some(1.0), Some(f32::NAN)])];
    let heat = || Body::Heat(Heat { rows: rows.clone(), role: Role::GpuUtil, cursor: None });
    let picture = painted(6, 1, heat());
    let grounds: Vec<_> = picture.cells.iter().map(|cell| cell.bg).collect();
    assert_ne!(grounds[1], picture.background);
    assert_eq!(grounds[2], picture.background);
    assert_eq!(grounds[3], Theme::default().color(Role::GpuUtil));
    assert_eq!(grounds[4], picture.background);
    assert_eq!(drawn_in_ascii(6, 1, heat()), "|. # |\n");
}

#[test]
fn a_bar_of_shares_shows_the_two_largest_and_without_colours_the_letter_of_the_largest() {
    let parts = [
        (Role::WorkerRun, 'R'),
        (Role::WorkerQueued, 'Q'),
        (Role::WorkerDisk, 'D'),
        (Role::WorkerWait, 'S'),
        (Role::WorkerIdle, '·'),
    ];
    let rows = vec![vec![
        Some([0.25, 0.0, 0.75, 0.0, 0.0]),
        None,
        Some([0.0, 0.0, 0.0, 0.0, 1.0]),
        Some([f32::NAN; 5]),
    ]];
    let mix = || Body::Mix(Mix { rows: rows.clone(), parts, cursor: None });
    let picture = painted(6, 1, mix());
    assert_eq!(picture.cells[1].symbol, "▂", "a quarter on a CPU, below");
    assert_ne!(picture.cells[1].bg, picture.background, "the rest is the disk's colour");
    assert_eq!((picture.cells[2].symbol.as_str(), picture.cells[2].bg), (" ", picture.background));
    assert_eq!(drawn_in_ascii(6, 1, mix()).chars().take(4).collect::<String>(), "|D .");
}

#[test]
fn a_popup_clears_what_lies_under_it() {
    let mut screen = one(10, 4, Body::Text(vec![row("##########", ""); 4]));
    let popup =
        Body::Popup { title: vec![span("Keys", Role::Title)], rows: vec![row("q quit", "")] };
    screen.parts.push(Part { area: Area { x: 0, y: 0, width: 10, height: 3 }, body: popup });
    let shown = text(&picture(&screen, &Styles::default()));
    assert_eq!(shown, "╭─ Keys ─╮\n│ q quit │\n╰────────╯\n##########\n");
}

fn demos() -> [Screen; 3] {
    [demo::lanes_screen(None), demo::lanes_screen(Some(70)), demo::heat_screen()]
}

#[test]
fn without_utf8_every_cell_is_ascii_and_lines_keep_their_length() {
    for screen in demos() {
        let shown = picture(&screen, &styles(Depth::True, Glyphs::Ascii));
        assert!(text(&shown).is_ascii());
    }
}

#[test]
fn no_color_emits_no_colour() {
    for screen in demos() {
        for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
            let mut buffer = Buffer::empty(Rect::new(0, 0, screen.width, screen.height));
            paint(&screen, &styles(Depth::None, glyphs), &mut buffer);
            let colours = buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg]);
            assert!(colours.into_iter().all(|colour| colour == Color::Reset));
        }
    }
}

#[test]
fn fewer_colours_are_never_exceeded() {
    let screen = demo::lanes_screen(Some(3));
    let mut buffer = Buffer::empty(Rect::new(0, 0, screen.width, screen.height));
    paint(&screen, &styles(Depth::Sixteen, Glyphs::Unicode), &mut buffer);
    let exceeds = |colour| matches!(colour, Color::Rgb(..) | Color::Indexed(_));
    assert!(!buffer.content().iter().any(|cell| exceeds(cell.fg) || exceeds(cell.bg)));
}

#[test]
fn a_picture_is_the_same_every_time_and_well_formed() {
    for screen in demos() {
        let shown = picture(&screen, &Styles::default());
        let once = svg(&shown, "a <title> & \"more\" \u{1b}");
        assert_eq!(once, svg(&shown, "a <title> & \"more\" \u{1b}"));
        assert!(once.contains("a &lt;title&gt; &amp; &quot;more&quot; </title>"));
        assert_eq!(once.matches("<text").count(), once.matches("</text>").count());
        assert_eq!(once.matches("<g").count(), once.matches("</g>").count());
        assert!(!once.contains("NaN") && !once.contains("inf\""));
        let glyphs = ['█', '▄', '─', '│', '⣀', '╱', '┄'];
        assert!(!once.contains(glyphs), "blocks, boxes and braille are shapes");
    }
}

/// `MLTOP_PICTURES=folder cargo test --test ui` leaves the demo screens there, to be looked at.
#[test]
fn the_demo_can_be_looked_at() {
    let Some(folder) = std::env::var_os("MLTOP_PICTURES").map(std::path::PathBuf::from) else {
        return;
    };
    let unicode = Glyphs::Unicode;
    for (name, depth, glyphs) in [
        ("dark", Depth::True, unicode),
        ("light", Depth::True, unicode),
        ("dark", Depth::Indexed, unicode),
        ("dark", Depth::Sixteen, unicode),
        ("dark", Depth::None, unicode),
        ("dark", Depth::None, Glyphs::Ascii),
    ] {
        let styles = Styles::new(Theme::builtin(name).unwrap(), depth, glyphs);
        for (index, screen) in demos().iter().enumerate() {
            let file = folder.join(format!("{name}-{depth:?}-{glyphs:?}-{index}.svg"));
            std::fs::write(file, svg(&picture(screen, &styles), "mltop")).unwrap();
        }
    }
}
