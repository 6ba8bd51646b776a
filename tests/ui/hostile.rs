//! Screens that no view would make.

use mltop::export::{svg, text};
use mltop::ui::{Depth, Glyphs, Styles, Theme, paint, picture};
use mltop::view::screen::{
    Area, Body, Bucket, Draw, Edge, Heat, Line, Mix, Part, Plot, Role, Rule, Screen, Series, Shade,
    Span, TextRow,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,30}",
        any::<String>(),
        "[学習é\u{301}\u{200d}\u{202e}\u{1b}\t🔥👩≤…→]{0,20}",
        Just("x".repeat(70_000)),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    proptest::sample::select(Role::ALL)
}

fn line() -> impl Strategy<Value = Line> {
    let span = (words(), role(), any::<bool>());
    vec(span.prop_map(|(text, role, strong)| Span { text, role, strong }), 0..4)
}

fn row() -> impl Strategy<Value = TextRow> {
    (line(), line(), option::of(role()), any::<bool>()).prop_map(|(left, right, bar, selected)| {
        TextRow { left, right, bar, selected, spots: Vec::new() }
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let edge = proptest::sample::select(&[Edge::Top, Edge::Middle, Edge::Bottom][..]);
    let ticks = vec((any::<u16>(), words()), 0..4);
    (edge, line(), line(), ticks, option::of(any::<u16>()))
        .prop_map(|(edge, left, right, ticks, cursor)| Rule { edge, left, right, ticks, cursor })
}

fn number() -> impl Strategy<Value = f64> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0, 0.0, 1.0];
    prop_oneof![proptest::sample::select(odd.to_vec()), -2.0..200.0f64, any::<f64>()]
}

fn series() -> impl Strategy<Value = Series> {
    let draws = [Draw::Area, Draw::Step, Draw::Line, Draw::Band, Draw::Hanging];
    let bucket = (number(), number(), number()).prop_map(|(min, mean, max)| Bucket {
        min: min as f32,
        mean: mean as f32,
        max: max as f32,
    });
    (role(), proptest::sample::select(draws.to_vec()), vec(option::of(bucket), 0..90))
        .prop_map(|(role, draw, points)| Series { role, draw, points })
}

fn plot() -> impl Strategy<Value = Plot> {
    let shade = proptest::sample::select(vec![Shade::None, Shade::Starved, Shade::Gap]);
    let gap = (any::<u16>(), any::<u16>(), words());
    (
        (number(), number()),
        vec((number(), words()), 0..4),
        vec(series(), 0..4),
        (option::of(number()), option::of((number(), vec(any::<bool>(), 0..60)))),
        (vec(shade, 0..60), vec(gap, 0..3), option::of(0..60u16)),
    )
        .prop_map(
            |((low, high), labels, series, (limit, headroom), (shades, gaps, cursor))| Plot {
                low,
                high,
                labels,
                series,
                limit,
                headroom,
                shades,
                gaps,
                cursor,
            },
        )
}

fn body() -> impl Strategy<Value = Body> {
    let values = vec(option::of(number().prop_map(|value| value as f32)), 0..60);
    let heat = (vec((words(), values), 0..8), role(), option::of(any::<u16>()));
    let shares = [(); 5].map(|()| number().prop_map(|value| value as f32));
    let shares = option::of(shares);
    let parts = [(); 5].map(|()| (role(), any::<char>()));
    let mix = (vec(vec(shares, 0..60), 0..8), parts, option::of(any::<u16>()));
    prop_oneof![
        mix.prop_map(|(rows, parts, cursor)| Body::Mix(Mix { rows, parts, cursor })),
        vec(row(), 0..6).prop_map(Body::Text),
        rule().prop_map(Body::Rule),
        plot().prop_map(Body::Plot),
        heat.prop_map(|(rows, role, cursor)| Body::Heat(Heat { rows, role, cursor })),
        (line(), vec(row(), 0..4)).prop_map(|(title, rows)| Body::Popup { title, rows }),
    ]
}

fn area() -> impl Strategy<Value = Area> {
    let side = || prop_oneof![0..60u16, any::<u16>()];
    (side(), side(), side(), side()).prop_map(|(x, y, width, height)| Area { x, y, width, height })
}

fn styles() -> impl Strategy<Value = Styles> {
    let depths = vec![Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True];
    let glyphs = vec![Glyphs::Unicode, Glyphs::Ascii];
    (proptest::sample::select(depths), proptest::sample::select(glyphs))
        .prop_map(|(depth, glyphs)| Styles::new(Theme::default(), depth, glyphs))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_screen_can_be_painted_and_exported(
        size in (0..300u16, 0..100u16),
        parts in vec((area(), body()), 0..5),
        styles in styles(),
    ) {
        let parts = parts.into_iter().map(|(area, body)| Part { area, body }).collect();
        let screen = Screen { width: size.0, height: size.1, parts, shown: None };
        let shown = picture(&screen, &styles);
        prop_assert_eq!(shown.cells.len(), usize::from(size.0) * usize::from(size.1));
        prop_assert!(shown.cells.iter().all(|dot| !dot.symbol.chars().any(char::is_control)));
        if styles.glyphs() == Glyphs::Ascii {
            prop_assert!(text(&shown).is_ascii());
        }
        prop_assert!(svg(&shown, "any").ends_with("</svg>\n"));
    }

    #[test]
    fn a_theme_of_any_text_is_a_theme_or_an_error_that_is_safe_to_show(
        text in any::<String>(),
        cut in any::<proptest::sample::Index>(),
        name in any::<String>(),
    ) {
        let whole = include_str!("../../themes/dark.toml");
        let cut = cut.index(whole.len());
        let mutated = format!("{}{text}{}", &whole[..cut], &whole[cut..]);
        for text in [&text, &mutated] {
            if let Err(error) = Theme::parse(text, &name) {
                let message = error.to_string();
                prop_assert!(!message.chars().any(char::is_control), "{message:?}");
                prop_assert!(message.len() < 4000 && !error.remedy.is_empty());
            }
        }
    }

    #[test]
    fn a_part_paints_inside_its_area_only(area in area(), body in body(), styles in styles()) {
        // A buffer that does not begin at 0,0 and is larger than the screen.
        let mut buffer = Buffer::empty(Rect::new(3, 2, 70, 40));
        for cell in &mut buffer.content {
            cell.set_symbol("~");
        }
        let screen = Screen { width: 60, height: 30, parts: vec![Part { area, body }], shown: None };
        paint(&screen, &styles, &mut buffer);
        let inside = |from: u16, size: u16, at: u16, end: u16| {
            u32::from(at) >= u32::from(from) && u32::from(at) < u32::from(from) + u32::from(size) && at < end
        };
        for y in 0..40u16 {
            for x in 0..70u16 {
                let within = inside(area.x, area.width, x, 60) && inside(area.y, area.height, y, 30);
                if !within {
                    prop_assert_eq!(buffer[(x + 3, y + 2)].symbol(), "~", "{} {}", x, y);
                }
            }
        }
    }
}
