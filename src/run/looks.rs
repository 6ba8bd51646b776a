//! Which theme, how many colours and which glyphs: by flags and environment alone. A question to the
//! terminal could go unanswered, or its answer be read as keys.

use crate::cli;
use crate::error::Error;
use crate::ui::{Depth, Glyphs, Styles, Theme};

/// The themes at hand and what the terminal can show of them.
#[derive(Debug)]
pub(super) struct Looks {
    themes: Vec<Theme>,
    current: usize,
    depth: Depth,
    glyphs: Glyphs,
    mouse: bool,
}

impl Looks {
    /// For the terminal that the environment describes; `var` looks a variable up.
    pub(super) fn of_terminal(
        look: &cli::Look,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let get = |name: &str| var(name);
        let depth = Depth::decide(
            get("NO_COLOR").as_deref(),
            get("COLORTERM").as_deref(),
            get("TERM").as_deref(),
        );
        let glyphs = Glyphs::decide(
            get("LC_ALL").as_deref(),
            get("LC_CTYPE").as_deref(),
            get("LANG").as_deref(),
            get("TERM").as_deref(),
        );
        Self::new(look, depth, glyphs, light(get("COLORFGBG").as_deref()))
    }

    /// For a picture, which can show everything whatever terminal mltop was started in.
    pub(super) fn of_picture(look: &cli::Look) -> Result<Self, Error> {
        Self::new(look, Depth::True, Glyphs::Unicode, false)
    }

    /// For a text, in which what only a colour tells is lost.
    pub(super) fn of_text(look: &cli::Look) -> Result<Self, Error> {
        Self::new(look, Depth::None, Glyphs::Unicode, false)
    }

    fn new(look: &cli::Look, depth: Depth, glyphs: Glyphs, light: bool) -> Result<Self, Error> {
        let themes: Vec<Theme> = Theme::names()
            .map(Theme::builtin)
            .collect::<Result<_, _>>()
            .map_err(|problem| Error::Theme(problem.to_string()))?;
        let wanted = match &*look.theme {
            "auto" if light => "light",
            "auto" => "dark",
            name => name,
        };
        let current = themes.iter().position(|theme| theme.name() == wanted).ok_or_else(|| {
            let names: Vec<&str> = themes.iter().map(Theme::name).collect();
            Error::Theme(format!("no theme is called '{wanted}'; there are {}", names.join(", ")))
        })?;
        let glyphs = if look.ascii { Glyphs::Ascii } else { glyphs };
        Ok(Self { themes, current, depth, glyphs, mouse: !look.no_mouse })
    }

    /// The theme in force.
    pub(super) fn theme_name(&self) -> &str {
        self.themes.get(self.current).map_or("", Theme::name)
    }

    /// Whether the mouse is listened to.
    pub(super) const fn mouse(&self) -> bool {
        self.mouse
    }

    /// Takes the next theme.
    pub(super) const fn next_theme(&mut self) {
        if !self.themes.is_empty() {
            self.current = (self.current + 1) % self.themes.len();
        }
    }

    /// What to paint with.
    pub(super) fn styles(&self) -> Styles {
        let theme = self.themes.get(self.current).cloned().unwrap_or_default();
        Styles::new(theme, self.depth, self.glyphs)
    }
}

/// Whether the terminal says that its background is light: `COLORFGBG` is "foreground;background" in
/// the numbers of the sixteen colours.
fn light(colorfgbg: Option<&str>) -> bool {
    colorfgbg
        .and_then(|value| value.rsplit(';').next()?.parse::<u8>().ok())
        .is_some_and(|background| background == 7 || background == 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(theme: &str) -> cli::Look {
        cli::Look { theme: theme.into(), ascii: false, no_mouse: false }
    }

    #[test]
    fn auto_follows_the_background_that_the_terminal_tells() {
        let theme = |colorfgbg: &'static str| {
            let looks = Looks::of_terminal(&look("auto"), |name| {
                (name == "COLORFGBG").then(|| colorfgbg.to_owned())
            });
            looks.unwrap().theme_name().to_owned()
        };
        assert_eq!(theme("0;15"), "light");
        assert_eq!(theme("15;default;0"), "dark");
        assert_eq!(theme(""), "dark");
    }

    #[test]
    fn an_unknown_theme_names_those_that_there_are() {
        let error = Looks::of_picture(&look("neon")).unwrap_err().to_string();
        assert!(error.contains("neon") && error.contains("dark") && error.contains("light"));
    }

    #[test]
    fn themes_are_taken_in_turn() {
        let mut looks = Looks::of_picture(&look("dark")).unwrap();
        let names: Vec<String> = (0..Theme::names().count())
            .map(|_| {
                looks.next_theme();
                looks.theme_name().to_owned()
            })
            .collect();
        assert!(names.contains(&"light".to_owned()));
        assert_eq!(looks.theme_name(), "dark");
    }
}
