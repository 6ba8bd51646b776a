//! Colours, and how many of them the terminal can show.

use ratatui::style::Color;

/// A colour as a screen mixes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the channels of sRGB, 0 to 255")]
pub struct Rgb {
    pub r: u8,
    pub g: u8,
    pub b: u8,
}

impl Rgb {
    /// From three channels.
    pub const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b }
    }

    /// From `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(digits, 16).ok()?;
        Some(Self::new((number >> 16) as u8, (number >> 8) as u8, number as u8))
    }

    /// As `#rrggbb`.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.r, self.g, self.b)
    }

    /// This colour with `share` (0 to 1) of another.
    #[must_use]
    pub fn mix(self, other: Self, share: f64) -> Self {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let channel = |own: u8, foreign: u8| {
            f64::from(own).mul_add(1.0 - share, f64::from(foreign) * share).round() as u8
        };
        Self::new(channel(self.r, other.r), channel(self.g, other.g), channel(self.b, other.b))
    }

    /// Relative luminance as WCAG 2 defines it, 0 to 1.
    pub fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.0722f64
            .mul_add(linear(self.b), 0.2126f64.mul_add(linear(self.r), 0.7152 * linear(self.g)))
    }

    /// Contrast ratio as WCAG 2 defines it, 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn channels(self) -> [u8; 3] {
        [self.r, self.g, self.b]
    }

    /// How far it is from grey, 0 to 255.
    fn chroma(self) -> u8 {
        let [r, g, b] = self.channels();
        r.max(g).max(b) - r.min(g).min(b)
    }

    /// Hue in degrees, for a colour that has one.
    fn hue(self) -> f64 {
        let [r, g, b] = self.channels().map(f64::from);
        let chroma = f64::from(self.chroma()).max(1.0);
        let sixth = if r >= g && r >= b {
            (g - b) / chroma
        } else if g >= b {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
        (sixth * 60.0).rem_euclid(360.0)
    }

    fn distance(self, other: Self) -> u32 {
        let square = |own: u8, foreign: u8| u32::from(own.abs_diff(foreign)).pow(2);
        square(self.r, other.r) + square(self.g, other.g) + square(self.b, other.b)
    }
}

/// How many colours the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: weight and pattern carry the meaning.
    None,
    /// The sixteen that the terminal's own scheme defines.
    Sixteen,
    /// The xterm palette.
    Indexed,
    /// 24 bit.
    #[default]
    True,
}

impl Depth {
    /// The depth that the environment announces: the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    pub fn decide(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        if no_color.is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Self::None;
        }
        let full = ["kitty", "alacritty", "foot", "wezterm", "ghostty", "-direct"];
        if matches!(colorterm, Some("truecolor" | "24bit"))
            || full.iter().any(|name| term.contains(name))
        {
            return Self::True;
        }
        if term.contains("256") { Self::Indexed } else { Self::Sixteen }
    }

    /// The nearest colour that can be shown; the terminal's own where there is none.
    pub fn lower(self, color: Rgb) -> Color {
        match self {
            Self::None => Color::Reset,
            Self::Sixteen => sixteen(color),
            Self::Indexed => Color::Indexed(indexed(color)),
            Self::True => Color::Rgb(color.r, color.g, color.b),
        }
    }
}

/// By hue, not by distance: the pastels of a theme are nearest to grey, and grey says nothing.
fn sixteen(color: Rgb) -> Color {
    let luminance = color.luminance();
    if color.chroma() < 48 {
        return match luminance {
            l if l < 0.02 => Color::Black,
            l if l < 0.35 => Color::DarkGray,
            l if l < 0.75 => Color::Gray,
            _ => Color::White,
        };
    }
    let bright = luminance > 0.25;
    let hues = [
        (Color::Red, Color::LightRed),
        (Color::Yellow, Color::LightYellow),
        (Color::Green, Color::LightGreen),
        (Color::Cyan, Color::LightCyan),
        (Color::Blue, Color::LightBlue),
        (Color::Magenta, Color::LightMagenta),
    ];
    let nearest = (color.hue() / 60.0).round() as usize % hues.len();
    let (plain, light) = hues[nearest];
    if bright { light } else { plain }
}

const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of the colour cube and the grey ramp. A tint stays a tint: greys are taken for greys
/// only, as a dark red is nearer to grey than to any red of the cube.
fn indexed(color: Rgb) -> u8 {
    let step = |channel: u8| {
        let near = |index: &usize| CUBE[*index].abs_diff(channel);
        (0..CUBE.len()).min_by_key(near).unwrap_or(0)
    };
    let [mut r, mut g, mut b] = color.channels().map(step);
    let tinted = color.chroma() >= 20;
    if tinted && r == g && g == b {
        let [cr, cg, cb] = color.channels();
        let top = cr.max(cg).max(cb);
        let lift = |index: usize, channel: u8| {
            if channel == top { (index + usize::from(index == 0)).min(5) } else { index.min(4) }
        };
        (r, g, b) = (lift(r, cr), lift(g, cg), lift(b, cb));
    }
    let cube = Rgb::new(CUBE[r], CUBE[g], CUBE[b]);
    let level = (color.channels().iter().map(|&c| u32::from(c)).sum::<u32>() / 3) as u8;
    let ramp = (level.saturating_sub(3) / 10).min(23);
    let grey = 8 + 10 * ramp;
    if !tinted && color.distance(Rgb::new(grey, grey, grey)) < color.distance(cube) {
        232 + ramp
    } else {
        (16 + 36 * r + 6 * g + b) as u8
    }
}

const BASIC: [Rgb; 16] = [
    Rgb::new(0x1c, 0x1f, 0x26),
    Rgb::new(0xcc, 0x55, 0x5f),
    Rgb::new(0x6a, 0xa8, 0x5c),
    Rgb::new(0xc4, 0xa0, 0x4a),
    Rgb::new(0x4f, 0x7f, 0xd0),
    Rgb::new(0xa0, 0x74, 0xc4),
    Rgb::new(0x3f, 0xa5, 0x9d),
    Rgb::new(0xc8, 0xcd, 0xd6),
    Rgb::new(0x68, 0x72, 0x84),
    Rgb::new(0xf2, 0x70, 0x7c),
    Rgb::new(0x86, 0xcc, 0x74),
    Rgb::new(0xe6, 0xc6, 0x66),
    Rgb::new(0x6c, 0xa4, 0xf8),
    Rgb::new(0xc0, 0x98, 0xec),
    Rgb::new(0x5c, 0xd0, 0xc4),
    Rgb::new(0xf4, 0xf6, 0xfa),
];

/// What a terminal would show, for pictures; `None` for its own colour.
pub(super) fn shown(color: Color) -> Option<Rgb> {
    let basic = |index: usize| BASIC.get(index).copied();
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(Rgb::new(r, g, b)),
        Color::Indexed(index @ 0..=15) => basic(usize::from(index)),
        Color::Indexed(index @ 16..=231) => {
            let rest = usize::from(index - 16);
            Some(Rgb::new(CUBE[rest / 36], CUBE[rest / 6 % 6], CUBE[rest % 6]))
        }
        Color::Indexed(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(Rgb::new(grey, grey, grey))
        }
        Color::Black => basic(0),
        Color::Red => basic(1),
        Color::Green => basic(2),
        Color::Yellow => basic(3),
        Color::Blue => basic(4),
        Color::Magenta => basic(5),
        Color::Cyan => basic(6),
        Color::Gray => basic(7),
        Color::DarkGray => basic(8),
        Color::LightRed => basic(9),
        Color::LightGreen => basic(10),
        Color::LightYellow => basic(11),
        Color::LightBlue => basic(12),
        Color::LightMagenta => basic(13),
        Color::LightCyan => basic(14),
        Color::White => basic(15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_wins_over_every_announcement() {
        let decide = |no| Depth::decide(no, Some("truecolor"), Some("xterm-256color"));
        assert_eq!(decide(Some("1")), Depth::None);
        assert_eq!(decide(Some("")), Depth::True, "an empty NO_COLOR asks for nothing");
        assert_eq!(decide(None), Depth::True);
    }

    #[test]
    fn the_depth_follows_the_terminal() {
        assert_eq!(Depth::decide(None, None, Some("xterm-256color")), Depth::Indexed);
        assert_eq!(Depth::decide(None, None, Some("xterm-kitty")), Depth::True);
        assert_eq!(Depth::decide(None, None, Some("linux")), Depth::Sixteen);
        assert_eq!(Depth::decide(None, None, Some("dumb")), Depth::None);
        assert_eq!(Depth::decide(None, None, None), Depth::Sixteen);
    }

    #[test]
    fn colours_of_the_cube_and_the_ramp_map_to_themselves() {
        for index in 16..=255 {
            let color = shown(Color::Indexed(index)).unwrap();
            let back = shown(Color::Indexed(indexed(color))).unwrap();
            assert_eq!(back, color, "{index}");
        }
    }

    #[test]
    fn a_dark_tint_stays_a_tint_with_256_colours() {
        assert_eq!(Depth::Indexed.lower(Rgb::new(0x36, 0x1a, 0x24)), Color::Indexed(52));
        let pale = shown(Depth::Indexed.lower(Rgb::new(0xfb, 0xe1, 0xe1))).unwrap();
        assert!(pale.r > pale.g, "{pale:?}");
    }

    #[test]
    fn pastels_keep_their_hue_with_16_colours() {
        assert_eq!(Depth::Sixteen.lower(Rgb::new(0xf2, 0x70, 0x7c)), Color::LightRed);
        assert_eq!(Depth::Sixteen.lower(Rgb::new(0x2f, 0x6f, 0xd6)), Color::Blue);
        assert_eq!(Depth::Sixteen.lower(Rgb::new(0x8c, 0x97, 0xab)), Color::DarkGray);
        assert_eq!(Depth::Sixteen.lower(Rgb::new(0xff, 0xff, 0xff)), Color::White);
    }

    #[test]
    fn hex_and_back_is_the_same_and_anything_else_is_refused() {
        let color = Rgb::new(1, 0xab, 0xff);
        assert_eq!(Rgb::parse(&color.hex()), Some(color));
        for wrong in ["", "#", "#12345", "#1234567", "123456", "#12345g", "#+12345", "#éé"] {
            assert_eq!(Rgb::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn black_on_white_has_the_contrast_that_wcag_says() {
        let contrast = Rgb::new(0, 0, 0).contrast(Rgb::new(255, 255, 255));
        assert!((contrast - 21.0).abs() < 1e-9);
    }
}
