//! Which key leads to which action: data, from which footer and help are made.

use super::action::Action;
use super::key::{Key, KeyCode};

/// The keys, in the order in which help names them.
pub const KEYS: &[(Key, Action)] = &[
    (Key::char(' '), Action::Pause),
    (Key::plain(KeyCode::Left), Action::ScrubLeft),
    (Key::plain(KeyCode::Right), Action::ScrubRight),
    (Key::shift(KeyCode::Left), Action::ScrubFarLeft),
    (Key::shift(KeyCode::Right), Action::ScrubFarRight),
    (Key::char('<'), Action::ScrubFarLeft),
    (Key::char('>'), Action::ScrubFarRight),
    (Key::char(','), Action::StepBack),
    (Key::char('.'), Action::StepForward),
    (Key::char('t'), Action::GoToTime),
    (Key::plain(KeyCode::Home), Action::Start),
    (Key::plain(KeyCode::End), Action::Live),
    (Key::char('+'), Action::ZoomIn),
    (Key::char('='), Action::ZoomIn),
    (Key::char('-'), Action::ZoomOut),
    (Key::char('['), Action::PrevFinding),
    (Key::char(']'), Action::NextFinding),
    (Key::char('{'), Action::Slower),
    (Key::char('}'), Action::Faster),
    (Key::plain(KeyCode::Enter), Action::Enter),
    (Key::char('y'), Action::CopyAdvice),
    (Key::char('x'), Action::Dismiss),
    (Key::plain(KeyCode::Esc), Action::Back),
    (Key::plain(KeyCode::Up), Action::SelectUp),
    (Key::char('k'), Action::SelectUp),
    (Key::plain(KeyCode::Down), Action::SelectDown),
    (Key::char('j'), Action::SelectDown),
    (Key::plain(KeyCode::PageUp), Action::PageUp),
    (Key::plain(KeyCode::PageDown), Action::PageDown),
    (Key::char('e'), Action::Expand),
    (Key::plain(KeyCode::Tab), Action::Expand),
    (Key::char('/'), Action::Filter),
    (Key::char('s'), Action::Sort),
    (Key::char('r'), Action::Reverse),
    (Key::char('l'), Action::Flat),
    (Key::char('K'), Action::Signal),
    (Key::plain(KeyCode::F(9)), Action::Signal),
    (Key::char('g'), Action::GpuMode),
    (Key::char('b'), Action::Bell),
    (Key::char('T'), Action::Theme),
    (Key::char('?'), Action::Help),
    (Key::plain(KeyCode::F(1)), Action::Help),
    (Key::ctrl('l'), Action::Redraw),
    (Key::ctrl('z'), Action::Suspend),
    (Key::char('q'), Action::Quit),
    (Key::ctrl('c'), Action::Quit),
    (Key::char('1'), Action::Screen(1)),
    (Key::char('2'), Action::Screen(2)),
    (Key::char('3'), Action::Screen(3)),
    (Key::char('4'), Action::Screen(4)),
    (Key::char('5'), Action::Screen(5)),
    (Key::char('6'), Action::Screen(6)),
    (Key::char('m'), Action::Mark),
    (Key::char('R'), Action::Record),
    (Key::char('S'), Action::SaveLast),
    (Key::char(':'), Action::Command),
];

/// What a key asks for; `None` where it is bound to nothing.
pub fn action_for(key: Key) -> Option<Action> {
    let key = key.normal();
    KEYS.iter().find(|(bound, _)| *bound == key).map(|(_, action)| *action)
}

/// The labels of all keys of an action, in the order of the key map.
pub fn keys_of(action: Action) -> Vec<String> {
    KEYS.iter().filter(|(_, bound)| *bound == action).map(|(key, _)| key.label()).collect()
}

/// The label of the first key of an action; empty where it has none.
pub fn key_of(action: Action) -> String {
    keys_of(action).into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        for (at, (key, _)) in KEYS.iter().enumerate() {
            assert_eq!(*key, key.normal(), "{} can never match", key.label());
            let again = KEYS[at + 1..].iter().find(|(other, _)| other == key);
            assert!(again.is_none(), "{} is bound twice", key.label());
        }
    }

    #[test]
    fn every_action_has_a_key_and_a_line_of_help() {
        for action in Action::ALL {
            assert!(!keys_of(*action).is_empty(), "{action:?} cannot be reached");
            assert!(!action.help().is_empty(), "{action:?} has no help");
        }
        for (key, action) in KEYS {
            assert!(
                Action::ALL.contains(action),
                "{} leads to what help does not list",
                key.label()
            );
        }
    }

    #[test]
    fn a_shifted_character_is_found_however_the_terminal_tells_it() {
        assert_eq!(action_for(Key { shift: true, ..Key::char('T') }), Some(Action::Theme));
        assert_eq!(action_for(Key { shift: true, ..Key::char('?') }), Some(Action::Help));
        assert_eq!(action_for(Key::ctrl('C')), Some(Action::Quit));
        assert_eq!(action_for(Key::char('T')), Some(Action::Theme));
        assert_ne!(action_for(Key::char('t')), Some(Action::Theme));
    }
}
