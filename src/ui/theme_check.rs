//! What every theme of the program must hold.

use super::color::{Depth, Rgb};
use super::styles::bar_tint;
use super::theme::Theme;
use crate::view::screen::Role;

/// Read as text.
const TEXTS: &[Role] = &[
    Role::Text,
    Role::Dim,
    Role::Title,
    Role::Accent,
    Role::Key,
    Role::Good,
    Role::Info,
    Role::Warn,
    Role::High,
    Role::Critical,
    Role::Simulated,
    Role::Live,
    Role::Paused,
    Role::Gap,
    Role::WorkerRun,
    Role::WorkerQueued,
    Role::WorkerDisk,
    Role::WorkerNet,
    Role::WorkerWait,
    Role::WorkerIdle,
    Role::WorkerDead,
];

/// Seen as a line or a fill.
const MARKS: &[Role] = &[
    Role::GpuUtil,
    Role::GpuActivity,
    Role::GpuMemory,
    Role::PcieRx,
    Role::PcieTx,
    Role::DiskRead,
    Role::Queue,
    Role::Blocked,
    Role::Cursor,
    Role::Limit,
    Role::ShadeStarved,
];

/// Must be there and must not shout.
const FAINT: &[Role] = &[Role::Border, Role::Band, Role::ShadeHeadroom];

fn themes() -> impl Iterator<Item = Theme> {
    Theme::names().map(|name| Theme::builtin(name).unwrap())
}

#[expect(clippy::many_single_char_names, reason = "the letters of the colour space")]
/// Distance as the eye sees it: in OKLab.
fn difference(one: Rgb, other: Rgb) -> f64 {
    let lab = |color: Rgb| {
        let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
        let (r, g, b) = (linear(color.r), linear(color.g), linear(color.b));
        let l = (0.4122 * r + 0.5363 * g + 0.0514 * b).cbrt();
        let m = (0.2119 * r + 0.6807 * g + 0.1074 * b).cbrt();
        let s = (0.0883 * r + 0.2817 * g + 0.6300 * b).cbrt();
        [
            0.2105 * l + 0.7936 * m - 0.0041 * s,
            1.9780 * l - 2.4286 * m + 0.4506 * s,
            0.0259 * l + 0.7828 * m - 0.8087 * s,
        ]
    };
    lab(one).iter().zip(lab(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn every_theme_names_every_role_and_no_other() {
    for name in Theme::names() {
        let theme = Theme::builtin(name).unwrap();
        assert_eq!(theme.name(), name);
    }
    let dark: toml::Table = include_str!("../../themes/dark.toml").parse().unwrap();
    let named = dark["roles"].as_table().unwrap();
    for role in Role::ALL {
        assert!(named.contains_key(role.code()), "dark does not name {}", role.code());
    }
    assert_eq!(named.len(), Role::ALL.len());
}

#[test]
fn every_text_can_be_read_on_every_ground_that_it_stands_on() {
    for theme in themes() {
        let ground = theme.background();
        let selected = theme.look(Role::Selected).bg.unwrap();
        for role in TEXTS {
            let grounds = [
                ("the background", ground, 4.5),
                ("the selected row", selected, 4.5),
                ("its own verdict", bar_tint(&theme, *role), 4.5),
            ];
            for (what, ground, least) in grounds {
                let ratio = theme.color(*role).contrast(ground);
                assert!(ratio >= least, "{}: {role:?} on {what}: {ratio:.2}", theme.name());
            }
        }
        for bar in [Role::Info, Role::Warn, Role::High, Role::Critical, Role::Good] {
            for role in [Role::Text, Role::Dim, Role::Title, Role::Key, Role::Good] {
                let ratio = theme.color(role).contrast(bar_tint(&theme, bar));
                assert!(ratio >= 4.5, "{}: {role:?} in {bar:?}: {ratio:.2}", theme.name());
            }
        }
    }
}

#[test]
fn every_mark_is_seen_on_the_ground_and_in_a_starved_span() {
    for theme in themes() {
        let tint = theme.look(Role::ShadeStarved).bg.unwrap();
        for role in MARKS {
            for ground in [theme.background(), tint] {
                let ratio = theme.color(*role).contrast(ground);
                assert!(ratio >= 3.0, "{}: {role:?}: {ratio:.2}", theme.name());
            }
        }
        for role in FAINT {
            let ratio = theme.color(*role).contrast(theme.background());
            assert!((1.3..4.0).contains(&ratio), "{}: {role:?}: {ratio:.2}", theme.name());
        }
    }
}

#[test]
fn series_are_told_apart_by_colour() {
    let series = &MARKS[..8];
    for theme in themes() {
        for (index, one) in series.iter().enumerate() {
            for other in &series[index + 1..] {
                let apart = difference(theme.color(*one), theme.color(*other));
                assert!(apart >= 0.07, "{}: {one:?} {other:?}: {apart:.3}", theme.name());
            }
        }
    }
}

#[test]
fn the_severities_stay_apart_with_sixteen_colours() {
    for theme in themes() {
        let ink = |role| Depth::Sixteen.lower(theme.color(role));
        assert_ne!(ink(Role::Good), ink(Role::Critical));
        assert_ne!(ink(Role::Warn), ink(Role::Critical));
        assert_ne!(ink(Role::Text), ink(Role::Critical));
    }
}

#[test]
fn every_role_is_checked_as_text_mark_or_faint() {
    for role in Role::ALL {
        let times = [TEXTS, MARKS, FAINT].iter().filter(|list| list.contains(role)).count();
        // `selected` is a ground, and checked under every text.
        assert_eq!(times, usize::from(*role != Role::Selected), "{role:?}");
    }
}
