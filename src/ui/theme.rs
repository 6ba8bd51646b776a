//! Themes are data: a palette, and what each role takes from it.
//!
//! ```toml
//! inherits = "dark"
//! [palette]
//! blue = "#5794f2"
//! [roles]
//! gpu-util = "blue"
//! title = { fg = "blue", bold = true }
//! ```

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::color::Rgb;
use crate::view::screen::Role;

/// The themes in the program: name and text.
const BUILTIN: [(&str, &str); 2] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
];

/// A longer file is no theme.
const MOST_BYTES: usize = 64 * 1024;

/// More names are not listed in a message.
const MOST_NAMED: usize = 40;

/// How one role looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "plain attributes")]
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of a terminal cell")]
pub struct Look {
    /// Colour of the text; `None` is the terminal's own.
    pub fg: Option<Rgb>,
    /// Colour behind it; `None` is the terminal's own.
    pub bg: Option<Rgb>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub reverse: bool,
}

/// What every role looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    background: Rgb,
    text: Rgb,
    looks: BTreeMap<Role, Look>,
}

/// A theme file that cannot be used: which file, where in it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("theme {file}: {key}: {problem}; {remedy}")]
pub struct ThemeError {
    /// Name of the file or theme.
    pub file: String,
    /// The key concerned, as `roles.title.fg`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// One file, before names of colours become colours.
#[derive(Default)]
struct Draft {
    palette: BTreeMap<String, Rgb>,
    roles: BTreeMap<Role, Table>,
}

impl Theme {
    /// The names of the themes in the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// A theme of the program.
    pub fn builtin(name: &str) -> Result<Self, ThemeError> {
        match BUILTIN.iter().find(|(known, _)| *known == name) {
            Some((known, text)) => Self::parse(text, known),
            None => Err(ThemeError {
                file: clip(name),
                key: "name".into(),
                problem: "there is no such theme".into(),
                remedy: suggestion(name, Self::names()),
            }),
        }
    }

    /// A theme from the text of a file; `name` is for messages.
    pub fn parse(text: &str, name: &str) -> Result<Self, ThemeError> {
        let at = |key: &str, problem: String, remedy: String| ThemeError {
            file: clip(name),
            key: clip(key),
            problem,
            remedy,
        };
        let draft = Draft::read(text, name, 0)?;
        let ground = |key: &str| {
            draft.palette.get(key).copied().ok_or_else(|| {
                at(
                    &format!("palette.{key}"),
                    "this colour is missing".into(),
                    "add it, or inherit from a theme that has it".into(),
                )
            })
        };
        let (background, text) = (ground("background")?, ground("text")?);
        let base = Look { fg: Some(text), ..Look::default() };
        let mut looks: BTreeMap<_, _> = Role::ALL.iter().map(|role| (*role, base)).collect();
        for (role, table) in &draft.roles {
            let look = look(table, &draft.palette)
                .map_err(|(key, p, r)| at(&format!("roles.{}{key}", role.code()), p, r))?;
            looks.insert(*role, look);
        }
        Ok(Self { name: name.to_owned(), background, text, looks })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What shades are mixed with, and the ground of pictures.
    pub const fn background(&self) -> Rgb {
        self.background
    }

    /// The colour of plain text.
    pub const fn text(&self) -> Rgb {
        self.text
    }

    /// How a role looks.
    pub fn look(&self, role: Role) -> Look {
        self.looks.get(&role).copied().unwrap_or_default()
    }

    /// The colour of a role, where one is needed.
    pub fn color(&self, role: Role) -> Rgb {
        self.look(role).fg.unwrap_or(self.text)
    }
}

/// The default theme is the dark one; a test holds that it can be read.
impl Default for Theme {
    fn default() -> Self {
        Self::builtin("dark").unwrap_or_else(|_| Self {
            name: "plain".into(),
            background: Rgb::new(0, 0, 0),
            text: Rgb::new(255, 255, 255),
            looks: BTreeMap::new(),
        })
    }
}

impl Draft {
    fn read(text: &str, name: &str, depth: usize) -> Result<Self, ThemeError> {
        let at = |key: &str, problem: String, remedy: String| ThemeError {
            file: clip(name),
            key: clip(key),
            problem,
            remedy,
        };
        if text.len() > MOST_BYTES {
            let problem = format!("{} bytes are too many", text.len());
            return Err(at("file", problem, format!("keep it below {MOST_BYTES} bytes")));
        }
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let problem = error.to_string().trim().replace('\n', " ");
            at("file", clip(&problem), "write it as TOML".into())
        })?;
        let mut draft = Self::default();
        if let Some(parent) = table.get("inherits") {
            draft = Self::inherited(parent, depth).map_err(|(p, r)| at("inherits", p, r))?;
        }
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("inherits", _) => {}
                ("palette", Value::Table(colors)) => {
                    draft.take_palette(colors).map_err(|(k, p, r)| at(&k, p, r))?;
                }
                ("roles", Value::Table(roles)) => {
                    draft.take_roles(roles).map_err(|(k, p, r)| at(&k, p, r))?;
                }
                ("palette" | "roles", _) => {
                    let remedy = format!("write it as [{key}]");
                    return Err(at(key, "it is not a table".into(), remedy));
                }
                _ => {
                    let remedy = suggestion(key, ["inherits", "palette", "roles"].into_iter());
                    return Err(at(key, "this key is unknown".into(), remedy));
                }
            }
        }
        Ok(draft)
    }

    fn inherited(parent: &Value, depth: usize) -> Result<Self, (String, String)> {
        let Some(parent) = parent.as_str() else {
            return Err(("it is not a name".into(), "write it as \"dark\"".into()));
        };
        // Only themes of the program can be inherited, so a circle cannot be written by a user.
        match BUILTIN.iter().find(|(name, _)| *name == parent) {
            Some((name, text)) if depth < BUILTIN.len() => {
                Self::read(text, name, depth + 1).map_err(|error| (error.problem, error.remedy))
            }
            Some(_) => Err(("it inherits itself".into(), "break the circle".into())),
            None => Err((
                format!("there is no theme {:?}", clip(parent)),
                suggestion(parent, Theme::names()),
            )),
        }
    }

    fn take_palette(&mut self, colors: &Table) -> Result<(), (String, String, String)> {
        for (name, value) in colors {
            let Some(color) = value.as_str().and_then(Rgb::parse) else {
                return Err((
                    format!("palette.{name}"),
                    format!("{} is no colour", clip(&value.to_string())),
                    "write it as \"#rrggbb\"".into(),
                ));
            };
            self.palette.insert(name.clone(), color);
        }
        Ok(())
    }

    fn take_roles(&mut self, roles: &Table) -> Result<(), (String, String, String)> {
        for (code, value) in roles {
            let key = format!("roles.{code}");
            let Some(role) = Role::ALL.iter().find(|role| role.code() == code) else {
                let remedy = suggestion(code, Role::ALL.iter().map(|role| role.code()));
                return Err((key, "there is no such role".into(), remedy));
            };
            let table = match value {
                Value::Table(table) => table.clone(),
                Value::String(_) => Table::from_iter([("fg".to_owned(), value.clone())]),
                _ => {
                    let remedy = "write the name of a colour or a table".into();
                    return Err((key, "it is neither a colour nor a table".into(), remedy));
                }
            };
            self.roles.insert(*role, table);
        }
        Ok(())
    }
}

const ATTRIBUTES: [&str; 7] = ["fg", "bg", "bold", "dim", "italic", "underline", "reverse"];

/// What a role's table says; the key of an error begins with a dot.
fn look(table: &Table, palette: &BTreeMap<String, Rgb>) -> Result<Look, (String, String, String)> {
    if let Some(unknown) = table.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        let remedy = suggestion(unknown, ATTRIBUTES.into_iter());
        return Err((format!(".{unknown}"), "this key is unknown".into(), remedy));
    }
    let color = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(value) => named(value, palette).map(Some).map_err(|(p, r)| (format!(".{key}"), p, r)),
    };
    let flag = |key: &str| match table.get(key) {
        None => Ok(false),
        Some(Value::Boolean(set)) => Ok(*set),
        Some(_) => {
            let remedy = "write true or false".to_owned();
            Err((format!(".{key}"), "it is neither true nor false".to_owned(), remedy))
        }
    };
    let text = palette.get("text").copied();
    Ok(Look {
        fg: color("fg")?.or(text),
        bg: color("bg")?,
        bold: flag("bold")?,
        dim: flag("dim")?,
        italic: flag("italic")?,
        underline: flag("underline")?,
        reverse: flag("reverse")?,
    })
}

fn named(value: &Value, palette: &BTreeMap<String, Rgb>) -> Result<Rgb, (String, String)> {
    let Some(text) = value.as_str() else {
        let remedy = "write the name of a colour or \"#rrggbb\"";
        return Err(("it is no colour".into(), remedy.into()));
    };
    Rgb::parse(text).or_else(|| palette.get(text).copied()).ok_or_else(|| {
        let problem = format!("the palette has no colour {:?}", clip(text));
        (problem, suggestion(text, palette.keys().map(String::as_str)))
    })
}

/// Texts of a foreign file in a message: short, and without anything that a terminal obeys.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// "did you mean …", or all there are.
fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    // A foreign word may be of any length.
    let wrong: String = wrong.chars().take(64).collect();
    let known: Vec<_> = known.collect();
    let near = known.iter().map(|name| (strsim::levenshtein(&wrong, name), name)).min();
    match near {
        Some((edits, name)) if edits <= 3 && edits < name.len() => {
            format!("did you mean {name:?}?")
        }
        _ => {
            let known: Vec<_> = known.into_iter().take(MOST_NAMED).map(clip).collect();
            format!("use one of {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Theme::parse(text, "mine.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_theme_changes_what_it_names_and_inherits_the_rest() {
        let text = "inherits = \"dark\"\n[palette]\nblue = \"#0000ff\"\n[roles]\ntext = \"#ffffff\"\nkey = { fg = \"blue\", underline = true }";
        let theme = Theme::parse(text, "mine.toml").unwrap();
        let dark = Theme::default();
        assert_eq!(
            theme.color(Role::GpuUtil),
            Rgb::new(0, 0, 255),
            "the palette reaches every role"
        );
        assert!(theme.look(Role::Key).underline && !theme.look(Role::Key).bold);
        assert_eq!(theme.look(Role::Queue), dark.look(Role::Queue));
    }

    #[test]
    fn a_role_that_is_not_named_looks_like_text() {
        let text = "[palette]\nbackground = \"#000000\"\ntext = \"#eeeeee\"";
        let theme = Theme::parse(text, "bare.toml").unwrap();
        assert!(Role::ALL.iter().all(|role| theme.color(*role) == Rgb::new(0xee, 0xee, 0xee)));
    }

    #[test]
    fn a_wrong_key_is_refused_with_file_key_and_remedy() {
        let role = refused("inherits = \"dark\"\n[roles]\ngpu-utl = \"blue\"");
        assert_eq!(
            role,
            "theme mine.toml: roles.gpu-utl: there is no such role; did you mean \"gpu-util\"?"
        );
        let key = refused("inherit = \"dark\"");
        assert!(key.contains("did you mean \"inherits\"?"), "{key}");
        let attribute = refused("inherits = \"dark\"\n[roles]\nkey = { bolt = true }");
        assert!(attribute.contains("roles.key.bolt") && attribute.contains("bold"), "{attribute}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_right() {
        let cases = [
            ("inherits = \"dark\"\n[palette]\nblue = \"#00f\"", "\"#rrggbb\""),
            ("inherits = \"dark\"\n[roles]\nkey = \"bleu\"", "did you mean \"blue\"?"),
            ("inherits = \"dark\"\n[roles]\nkey = 3", "colour or a table"),
            ("inherits = \"dark\"\n[roles]\nkey = { bold = 1 }", "true or false"),
            ("inherits = \"drak\"", "did you mean \"dark\"?"),
            ("inherits = 1", "\"dark\""),
            ("roles = 1", "[roles]"),
            ("[palette]\ntext = \"#ffffff\"", "palette.background"),
            ("= oops", "TOML"),
        ];
        for (text, remedy) in cases {
            let error = refused(text);
            assert!(error.starts_with("theme mine.toml: ") && error.contains(remedy), "{error}");
        }
        assert!(refused(&" ".repeat(MOST_BYTES + 1)).contains("too many"));
    }

    #[test]
    fn no_control_character_of_a_file_reaches_a_message() {
        let palette = "[palette]\n\"\\u001b\" = \"#000000\"\n[roles]\nkey = \"nothing like it\"";
        for text in ["inherits = \"\\u001b[31m\"", "\"\\u001b[31m\" = 1"] {
            let error = refused(text);
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
        let error = refused(&format!("inherits = \"dark\"\n{palette}"));
        assert!(error.contains("use one of") && !error.contains('\u{1b}'), "{error:?}");
    }
}
