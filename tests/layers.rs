//! The walls between the modules: who may know whom, and what the pure ones may not touch.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the crate each module may use, beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("fmt", &["model"]),
    ("derive", &["model"]),
    ("history", &["model"]),
    ("diagnose", &["model"]),
    ("source", &["model"]),
    ("record", &["model", "derive"]),
    ("app", &["model", "history", "diagnose", "fmt"]),
    ("view", &["model", "history", "diagnose", "app", "fmt"]),
    ("ui", &["view"]),
    ("export", &["model", "ui", "view"]),
    ("report", &["model", "history", "diagnose", "fmt"]),
    ("probe", &[]),
    ("cli", &["model"]),
    ("config", &["model", "diagnose", "cli"]),
    ("term", &[]),
    ("error", &["record", "source", "config"]),
];

/// Modules without a clock, a file, an environment or a terminal.
const PURE: &[&str] =
    &["model", "derive", "history", "diagnose", "view", "fmt", "app", "report", "config"];

const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "rustix::",
    "procfs::",
    "crossterm",
    "ratatui",
];

const LONGEST_FILE: usize = 500;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The module that a file belongs to: the first part of its path below `src`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Its code without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Every `crate::name` in the code, those of grouped imports too.
fn used(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let parts: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        for part in parts {
            let name: String = part
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

#[test]
fn each_module_knows_only_those_below_it() {
    for path in sources(Path::new("src")) {
        let module = module(&path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["run", "main", "lib"].contains(&module.as_str()),
                "{}: a new module must say whom it may use",
                path.display()
            );
            continue;
        };
        for name in used(&code(&path)) {
            assert!(
                name == module || allowed.contains(&name.as_str()),
                "{} uses crate::{name}, which {module} must not know",
                path.display()
            );
        }
    }
}

#[test]
fn the_pure_modules_touch_neither_clock_nor_file_nor_terminal() {
    for path in sources(Path::new("src")) {
        if !PURE.contains(&module(&path).as_str()) {
            continue;
        }
        let code = code(&path);
        for word in IMPURE {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn only_ui_paints_and_only_it_the_terminal_and_the_live_loop_know_the_terminal_libraries() {
    for path in sources(Path::new("src")) {
        let module = module(&path);
        let code = code(&path);
        assert!(module == "ui" || !code.contains("ratatui"), "{} uses ratatui", path.display());
        assert!(
            ["ui", "term", "run"].contains(&module.as_str()) || !code.contains("crossterm::"),
            "{} uses crossterm",
            path.display()
        );
    }
}

#[test]
fn no_file_is_longer_than_one_can_keep_in_mind() {
    for folder in ["src", "tests"] {
        for path in sources(Path::new(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn every_column_ends_in_its_unit_and_every_counter_in_total() {
    use mltop::model::frame as f;
    use mltop::model::metric::{Kind, Section, Spec};
    use mltop::model::own as o;
    use mltop::model::sample as s;
    use mltop::model::server as v;

    let sections: &[(&str, &[Spec])] = &[
        (s::HostSample::NAME, s::HostSample::COLUMNS),
        (s::CgroupSample::NAME, s::CgroupSample::COLUMNS),
        (s::DiskSample::NAME, s::DiskSample::COLUMNS),
        (s::NetSample::NAME, s::NetSample::COLUMNS),
        (s::GpuSample::NAME, s::GpuSample::COLUMNS),
        (s::GpuProcSample::NAME, s::GpuProcSample::COLUMNS),
        (s::ProcSample::NAME, s::ProcSample::COLUMNS),
        (s::LoaderSample::NAME, s::LoaderSample::COLUMNS),
        (v::ServerSample::NAME, v::ServerSample::COLUMNS),
        (v::LatencySample::NAME, v::LatencySample::COLUMNS),
        (s::CpuSample::NAME, s::CpuSample::COLUMNS),
        (o::OwnSample::NAME, o::OwnSample::COLUMNS),
        (f::CpuRates::NAME, f::CpuRates::COLUMNS),
        (o::OwnRates::NAME, o::OwnRates::COLUMNS),
        (f::HostRates::NAME, f::HostRates::COLUMNS),
        (f::CgroupRates::NAME, f::CgroupRates::COLUMNS),
        (f::DiskRates::NAME, f::DiskRates::COLUMNS),
        (f::NetRates::NAME, f::NetRates::COLUMNS),
        (f::GpuRates::NAME, f::GpuRates::COLUMNS),
        (f::ProcRates::NAME, f::ProcRates::COLUMNS),
        (f::LoaderRates::NAME, f::LoaderRates::COLUMNS),
    ];
    for (section, columns) in sections {
        for spec in *columns {
            let name = spec.name.strip_suffix("_total").unwrap_or(spec.name);
            // The kernel calls bytes that read calls returned, from wherever, `rchar`.
            let name = name.replace("_chars", "_bytes");
            assert!(name.ends_with(spec.unit.suffix()), "{section}.{}", spec.name);
            let counted = spec.name.ends_with("_total") || spec.name == "ready_sum";
            assert_eq!(counted, spec.kind == Kind::Counter, "{section}.{}", spec.name);
            assert!(spec.help.ends_with('.'), "{section}.{}: {}", spec.name, spec.help);
        }
    }
}
