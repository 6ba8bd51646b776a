//! The characters of the screen, and their ASCII twins for terminals without UTF-8.

/// Which characters may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Blocks, boxes and braille.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Glyphs {
    /// What the environment can show: the values of `LC_ALL`, `LC_CTYPE`, `LANG` and `TERM`.
    /// The console of the kernel has no eighths and no braille in its font.
    pub fn decide(
        lc_all: Option<&str>,
        lc_ctype: Option<&str>,
        lang: Option<&str>,
        term: Option<&str>,
    ) -> Self {
        let named = [lc_all, lc_ctype, lang].into_iter().flatten().find(|value| !value.is_empty());
        let utf8 = named.is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        });
        if utf8 && !matches!(term, Some("linux" | "dumb")) { Self::Unicode } else { Self::Ascii }
    }

    /// A glyph that is drawn, one cell wide.
    pub fn draw(self, glyph: char) -> char {
        match self {
            Self::Unicode => glyph,
            Self::Ascii => twin(glyph),
        }
    }

    /// The mark of cut text.
    pub const fn ellipsis(self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii => "...",
        }
    }
}

/// The ASCII character that stands for a one-cell glyph; `?` for one without a twin.
fn twin(glyph: char) -> char {
    match glyph {
        ' '..='~' => glyph,
        '\u{a0}' => ' ',
        '─' | '━' | '┄' | '┅' | '╌' | '–' | '—' | '−' | '‐' | '‑' | '▔' => {
            '-'
        }
        '│' | '┃' | '┆' | '┊' | '╎' | '▌' | '▐' | '▏' | '▎' | '▍' | '▕' => {
            '|'
        }
        '┌'..='╋' | '╭'..='╰' | '±' => '+',
        '╱' => '/',
        '╲' => '\\',
        '▲' | '△' | '▴' | '↑' => '^',
        '▼' | '▽' | '▾' | '↓' | '✓' => 'v',
        '►' | '▶' | '▸' | '→' | '»' | '›' | '≥' => '>',
        '◄' | '◀' | '◂' | '←' | '«' | '‹' | '≤' => '<',
        '●' | '◉' | '•' | '★' => '*',
        '○' | '◌' | '°' => 'o',
        '·' | '…' | '∙' => '.',
        '×' | '✗' | '✕' | '✘' => 'x',
        '≈' => '~',
        'µ' | 'μ' => 'u',
        '‘' | '’' | '′' => '\'',
        '“' | '”' | '″' => '"',
        '░' => ':',
        '▒' => '%',
        '▁' | '▂' => '_',
        '▃' | '▄' | '▅' => '=',
        '▆' | '▇' | '█' | '▋' | '▊' | '▉' | '▓' | '■' => '#',
        '²' => '2',
        '³' => '3',
        _ => '?',
    }
}

/// What stands for a character of a text, where one ASCII character would say something else.
fn phrase(glyph: char) -> Option<&'static str> {
    Some(match glyph {
        '≤' => "<=",
        '≥' => ">=",
        '…' => "...",
        '→' => "->",
        '←' => "<-",
        _ => return None,
    })
}

/// Turns the texts of one line into ASCII. Where a twin is longer than what it stands for, later
/// padding pays for it, so that the columns after it stay where they are.
#[derive(Default)]
pub(super) struct Translator {
    debt: usize,
    after_space: bool,
}

impl Translator {
    /// Adds the next character, `width` cells wide, to `out`.
    pub(super) fn push(&mut self, glyph: char, width: usize, out: &mut String) {
        if glyph == ' ' && self.after_space && self.debt > 0 {
            self.debt -= 1;
            return;
        }
        self.after_space = glyph == ' ';
        if let Some(words) = phrase(glyph) {
            self.debt += words.len().saturating_sub(width);
            out.push_str(words);
        } else if width == 1 {
            out.push(twin(glyph));
        } else {
            out.extend(std::iter::repeat_n('?', width));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascii(text: &str) -> String {
        let mut translator = Translator::default();
        let mut out = String::new();
        for glyph in text.chars() {
            let width = unicode_width::UnicodeWidthChar::width(glyph).unwrap_or(0);
            translator.push(glyph, width, &mut out);
        }
        out
    }

    #[test]
    fn texts_say_the_same_in_ascii() {
        assert_eq!(ascii("≤3 · 8→14 workers …"), "<=3 . 8->14 workers ...");
        assert_eq!(ascii("PCIe ▲ up ▼ down × °C"), "PCIe ^ up v down x oC");
    }

    #[test]
    fn the_next_column_stays_where_it_was() {
        let text = "a ≤12 …      next";
        assert_eq!(ascii(text), "a <=12 ...   next");
        assert_eq!(ascii("≤1 x  ≤2 y"), "<=1 x <=2 y", "a gap of one cell is kept");
    }

    #[test]
    fn wide_characters_keep_their_two_cells() {
        assert_eq!(ascii("学習x"), "????x");
    }

    #[test]
    fn only_a_utf8_locale_on_a_real_terminal_gets_unicode() {
        let decide = |all, ctype, lang, term| Glyphs::decide(all, ctype, lang, Some(term));
        assert_eq!(decide(None, None, Some("C.UTF-8"), "xterm"), Glyphs::Unicode);
        assert_eq!(decide(Some("C"), None, Some("C.UTF-8"), "xterm"), Glyphs::Ascii);
        assert_eq!(decide(Some(""), Some("de_DE.utf8"), None, "tmux"), Glyphs::Unicode);
        assert_eq!(decide(None, None, Some("C.UTF-8"), "linux"), Glyphs::Ascii);
        assert_eq!(Glyphs::decide(None, None, None, None), Glyphs::Ascii);
    }
}
