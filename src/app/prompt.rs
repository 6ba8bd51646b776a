//! A line that the user types at the foot of the screen.

use super::key::{Key, KeyCode};

/// The most characters of a line.
const LONGEST: usize = 200;

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A note for a mark.
    Note,
    /// A moment to go to.
    Time,
    /// Which processes are shown.
    Filter,
    /// The name of an action to run.
    Command,
}

impl Asked {
    /// The question before the line.
    pub const fn question(self) -> &'static str {
        match self {
            Self::Note => "mark this moment; a note:",
            Self::Time => "go to time:",
            Self::Filter => "processes with this in name, command, user, group or pid:",
            Self::Command => "run:",
        }
    }
}

/// The line while it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub asked: Asked,
    /// What was typed so far.
    pub text: String,
}

/// What a key did to the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It goes on.
    On,
    /// It was left without an answer.
    Left,
    /// It is complete.
    Done(String),
}

impl Prompt {
    /// An empty line.
    pub const fn new(asked: Asked) -> Self {
        Self { asked, text: String::new() }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Typed {
        match key.code {
            KeyCode::Esc => return Typed::Left,
            KeyCode::Char('c' | 'C') if key.ctrl => return Typed::Left,
            KeyCode::Char('u' | 'U') if key.ctrl => self.text.clear(),
            KeyCode::Enter => return Typed::Done(self.text.trim().to_owned()),
            KeyCode::Backspace => {
                self.text.pop();
            }
            KeyCode::Char(char)
                if !key.ctrl
                    && !key.alt
                    && !char.is_control()
                    && self.text.chars().count() < LONGEST =>
            {
                self.text.push(char);
            }
            _ => {}
        }
        Typed::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> (Prompt, Typed) {
        let mut prompt = Prompt::new(Asked::Note);
        let last = keys.iter().map(|key| prompt.key(*key)).last();
        (prompt, last.unwrap())
    }

    #[test]
    fn a_line_is_typed_mended_and_given() {
        let keys = [Key::char(' '), Key::char('a'), Key::char('b'), Key::plain(KeyCode::Backspace)];
        let (mut prompt, last) = typed(&keys);
        assert_eq!((prompt.text.as_str(), last), (" a", Typed::On));
        assert_eq!(prompt.key(Key::plain(KeyCode::Enter)), Typed::Done("a".to_owned()));
        prompt.key(Key::ctrl('u'));
        assert_eq!(prompt.text, "");
    }

    #[test]
    fn a_line_is_left_and_no_key_of_the_screen_is_meant() {
        assert_eq!(typed(&[Key::char('q'), Key::plain(KeyCode::Esc)]).1, Typed::Left);
        assert_eq!(typed(&[Key::ctrl('c')]).1, Typed::Left);
    }

    #[test]
    fn a_line_has_an_end() {
        let (prompt, _) = typed(&[Key::char('x'); 300]);
        assert_eq!(prompt.text.len(), 200);
    }
}
