//! The configuration file: where it is, what it sets, and `mltop config`, `mltop rules`, `mltop explain`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::{self, Cli};
use crate::config::{self, Config, ConfigError, suggestion};
use crate::diagnose::Settings;
use crate::diagnose::inference::Budgets;
use crate::error::Error;
use crate::report::rules;
use crate::ui::Theme;

use super::session::put;

/// More than this is no configuration.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the configuration, and gives the command line anew with the defaults that it sets.
pub(super) fn load(cli: Cli) -> Result<(Cli, Config), Error> {
    let (path, asked) = match (&cli.config, default_path()) {
        (Some(path), _) => (path.clone(), true),
        (None, Some(path)) => (path, false),
        (None, None) => return Ok((cli, Config::default())),
    };
    let file = path.display().to_string();
    let cannot = |problem: String| ConfigError {
        file: file.clone(),
        key: "the file".to_owned(),
        problem,
        remedy: "`mltop config --default` prints one to begin with".to_owned(),
    };
    let text = match read(&path) {
        Ok(text) => text,
        // Nobody asked for it, so that there is none is no fault; nor that it is in the home of another
        // user, as under a sudo that keeps HOME.
        Err(error)
            if !asked
                && matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                ) =>
        {
            return Ok((cli, Config::default()));
        }
        Err(error) => return Err(cannot(format!("it cannot be read: {error}")).into()),
    };
    let config = Config::parse(&text, &file)?;
    let theme = config.flags.iter().find(|kept| kept.id == "theme");
    if let Some(theme) = theme.filter(|kept| !Theme::names().any(|name| name == kept.value)) {
        let names = Theme::names().chain(["auto"]);
        return Err(ConfigError {
            file,
            key: "screen.theme".to_owned(),
            problem: format!("no theme is called \"{}\"", theme.value),
            remedy: suggestion(&theme.value, names),
        }
        .into());
    }
    let config = with_budgets(config, &path)?;
    if config.flags.is_empty() {
        return Ok((cli, config));
    }
    let defaults: Vec<(&[&str], &str, &str)> =
        config.flags.iter().map(|kept| (kept.verbs, kept.id, kept.value.as_str())).collect();
    Ok((Cli::with_defaults(&defaults), config))
}

/// The configuration with the budgets that it names; a relative name is one beside its own file.
fn with_budgets(mut config: Config, path: &Path) -> Result<Config, ConfigError> {
    let Some(named) = config.budget() else { return Ok(config) };
    let file = path.parent().unwrap_or_else(|| Path::new("")).join(named);
    let wrong = |problem: String| ConfigError {
        file: path.display().to_string(),
        key: "inference.budget".to_owned(),
        problem: format!("{}: {problem}", file.display()),
        remedy: "name a file with a table [inference], as mltop check --budget takes".to_owned(),
    };
    let text = read(&file).map_err(|error| wrong(error.to_string()))?;
    let budgets = Budgets::parse(&text).map_err(|error| wrong(error.to_string()))?;
    config.settings.budgets = Arc::new(budgets);
    Ok(config)
}

/// A file that people write by hand, and which is not endless.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let file = fs::File::open(path)?;
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Where the configuration is, by XDG.
fn default_path() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // XDG asks to leave out what is no absolute path.
    let home = var("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = home.or_else(|| var("HOME").map(|home| home.join(".config")))?;
    Some(home.join("mltop/config.toml"))
}

/// `mltop config`
pub(super) fn print(config: &Config) -> Result<(), Error> {
    put(None, config::text(config).as_bytes())
}

/// `mltop rules`
pub(super) fn list(wanted: &cli::Rules) -> Result<(), Error> {
    let text = if wanted.markdown { rules::table() } else { rules::list() };
    put(None, text.as_bytes())
}

/// `mltop explain`
pub(super) fn explain(code: &str, settings: &Settings) -> Result<(), Error> {
    let text = rules::explain(code, settings).ok_or_else(|| {
        const LONGEST: usize = 60;
        let code = crate::model::text::clean(code.as_bytes(), LONGEST).into_string();
        let remedy = suggestion(&code, rules::codes());
        Error::Rule { code, remedy: format!("{remedy} `mltop rules` lists them") }
    })?;
    put(None, text.as_bytes())
}
