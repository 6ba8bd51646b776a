//! What roles become on this terminal: decided once, read for every cell.

use ratatui::style::{Color, Modifier, Style};

use super::color::{Depth, Rgb};
use super::glyph::Glyphs;
use super::theme::{Look, Theme};
use crate::view::screen::Role;

/// How much of a verdict's colour lies behind its line.
const BAR_TINT: f64 = 0.13;

/// A theme on a terminal.
#[derive(Clone, Debug, Default)]
pub struct Styles {
    theme: Theme,
    depth: Depth,
    glyphs: Glyphs,
}

impl Styles {
    /// A theme with the colours and glyphs that the terminal can show.
    pub const fn new(theme: Theme, depth: Depth, glyphs: Glyphs) -> Self {
        Self { theme, depth, glyphs }
    }

    /// The theme.
    pub const fn theme(&self) -> &Theme {
        &self.theme
    }

    /// How many colours are shown.
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Which glyphs are used.
    pub const fn glyphs(&self) -> Glyphs {
        self.glyphs
    }

    /// Whether colours can be mixed, so that a shade behind a glyph is calm.
    pub(super) fn mixes(&self) -> bool {
        self.depth >= Depth::Indexed
    }

    /// A glyph that is drawn, or its twin.
    pub(super) fn glyph(&self, glyph: char) -> char {
        self.glyphs.draw(glyph)
    }

    /// A colour as the terminal can show it.
    pub(super) fn ink(&self, color: Rgb) -> Color {
        self.depth.lower(color)
    }

    /// The style of a text.
    pub(super) fn role(&self, role: Role) -> Style {
        let look = self.theme.look(role);
        let mut style = Style::default().fg(look.fg.map_or(Color::Reset, |fg| self.ink(fg)));
        if let Some(bg) = look.bg.filter(|_| self.mixes()) {
            style = style.bg(self.ink(bg));
        }
        style.add_modifier(self.modifiers(look, role))
    }

    fn modifiers(&self, look: Look, role: Role) -> Modifier {
        let quiet = matches!(role, Role::Dim | Role::Border | Role::Gap | Role::ShadeHeadroom);
        let flags = [
            (look.bold, Modifier::BOLD),
            // Without colours weight is all there is to set side matters apart.
            (look.dim || (self.depth == Depth::None && quiet), Modifier::DIM),
            (look.italic, Modifier::ITALIC),
            (look.underline, Modifier::UNDERLINED),
            (look.reverse, Modifier::REVERSED),
        ];
        flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).collect()
    }

    /// `style` on the selected row. Few colours cannot be trusted to stand off from a coloured
    /// ground, so there the row is reversed as a whole.
    pub(super) fn selected(&self, style: Style) -> Style {
        let look = self.theme.look(Role::Selected);
        match look.bg.filter(|_| self.mixes()) {
            Some(bg) => style.bg(self.ink(bg)),
            None => Style::default()
                .add_modifier(Modifier::REVERSED | (style.add_modifier & Modifier::BOLD)),
        }
    }

    /// What lies behind a line with a bar of this role.
    pub(super) fn bar_ground(&self, role: Role) -> Option<Color> {
        (self.depth == Depth::True).then(|| self.ink(bar_tint(&self.theme, role)))
    }
}

/// The ground of a line with a bar, for the painter and for the test of its contrast.
pub(super) fn bar_tint(theme: &Theme, role: Role) -> Rgb {
    theme.background().mix(theme.color(role), BAR_TINT)
}
