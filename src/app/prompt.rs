//! A question that is answered by typing, in the last row of the screen.

use super::key::{Key, KeyCode};

/// Characters of an answer.
const LONGEST: usize = 200;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A moment to go to.
    Time,
}

impl Asks {
    /// The question.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Time => "go to time",
        }
    }
}

/// A question and what was typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What is asked for.
    pub asks: Asks,
    /// What was typed.
    pub text: String,
}

/// What a key did to a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is still open.
    On,
    /// The answer is given.
    Done,
    /// The user thought better of it.
    Left,
}

impl Prompt {
    /// An open question.
    pub const fn new(asks: Asks) -> Self {
        Self { asks, text: String::new() }
    }

    /// Takes a key.
    pub fn take(&mut self, key: Key) -> Typed {
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::Left,
            KeyCode::Char('c') if key.ctrl => return Typed::Left,
            KeyCode::Char('u') if key.ctrl => self.text.clear(),
            KeyCode::Backspace => {
                self.text.pop();
            }
            KeyCode::Char(glyph)
                if !key.ctrl && !glyph.is_control() && self.text.chars().count() < LONGEST =>
            {
                self.text.push(glyph);
            }
            _ => {}
        }
        Typed::On
    }
}
