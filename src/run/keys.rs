//! The terminal library's keys as mltop's.

use crossterm::event::{KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::{Key, KeyCode};

/// The keys of an event that mltop can bind, in the order in which they were pressed; a release is
/// none.
///
/// Alt and a key is Esc and that key: over a slow line both arrive at once and are told as Alt, which
/// mltop binds to nothing, and whoever leaves a popup and goes on typing would lose both.
pub(super) fn keys(event: &KeyEvent) -> impl Iterator<Item = Key> {
    let key = key(event);
    let esc = key.filter(|key| key.alt).map(|_| Key::plain(KeyCode::Esc));
    esc.into_iter().chain(key.map(|key| Key { alt: false, ..key }))
}

fn key(event: &KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let code = match event.code {
        Code::Char(char) => KeyCode::Char(char),
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        Code::Tab => KeyCode::Tab,
        Code::BackTab => KeyCode::BackTab,
        Code::Backspace => KeyCode::Backspace,
        Code::F(number) => KeyCode::F(number),
        _ => return None,
    };
    Some(Key {
        code,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        alt: event.modifiers.contains(KeyModifiers::ALT),
        shift: event.modifiers.contains(KeyModifiers::SHIFT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_and_a_key_that_arrive_at_once_are_both_pressed() {
        let event = KeyEvent::new(Code::Char('q'), KeyModifiers::ALT);
        let pressed: Vec<Key> = keys(&event).collect();
        assert_eq!(pressed, [Key::plain(KeyCode::Esc), Key::char('q')]);
    }

    #[test]
    fn a_release_is_no_key() {
        let mut event = KeyEvent::new(Code::Char('q'), KeyModifiers::NONE);
        assert_eq!(keys(&event).count(), 1);
        event.kind = KeyEventKind::Release;
        assert_eq!(keys(&event).count(), 0);
    }
}
