//! No rule and no cause without its explanation, its source, its scenario, its near miss and its line
//! in the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mltop::diagnose::{About, Settings, UNITS, about, about_cause, causes, rules};
use mltop::model::{Cause, Rule};
use mltop::report::rules::{explain, table};

use crate::cases::CODES;

const RENEW: &str = "MLTOP_REGENERATE=1 cargo test --test diagnose readme";

fn all() -> impl Iterator<Item = &'static About> {
    rules().iter().chain(causes()).copied()
}

#[test]
fn every_rule_and_cause_explains_itself() {
    for about in all() {
        let code = about.code;
        let sentences = [about.what, about.when, about.remedy];
        for text in sentences {
            assert!(text.ends_with('.') && text.len() >= 20, "{code}: '{text}' is no sentence");
        }
        let spaces = sentences.iter().chain([&about.source]).any(|text| text.contains("  "));
        assert!(!spaces, "{code}: two spaces where a line was broken");
        assert!(about.source.len() >= 10, "{code}: no source of its thresholds");
        let area = Rule::from_code(code).map(Rule::area);
        let area = area.or_else(|| Cause::from_code(code).map(Cause::area));
        assert_eq!(area, Some(about.area), "{code}");
        let when = about.when(|threshold| threshold.default);
        assert!(!when.contains('{'), "{code}: there is no such threshold: {when}");
    }
}

#[test]
fn each_is_listed_once_and_found_by_its_code() {
    for list in [rules(), causes()] {
        let codes: BTreeSet<&str> = list.iter().map(|about| about.code).collect();
        assert_eq!(codes.len(), list.len(), "one is listed twice: {codes:?}");
    }
    for one in rules() {
        let found = about(Rule::from_code(one.code).unwrap()).unwrap();
        assert!(std::ptr::eq(found, *one), "{}", one.code);
    }
    for one in causes() {
        let found = about_cause(Cause::from_code(one.code).unwrap()).unwrap();
        assert!(std::ptr::eq(found, *one), "{}", one.code);
    }
}

#[test]
fn every_threshold_has_a_unit_a_sentence_and_a_default_within_its_range() {
    for about in all() {
        let mut names = BTreeSet::new();
        for threshold in about.thresholds {
            let name = format!("{}.{}", threshold.code, threshold.name);
            assert_eq!(threshold.code, about.code, "{name} is listed by another");
            assert!(names.insert(threshold.name), "{name} is listed twice");
            assert!(threshold.what.ends_with('.'), "{name}: '{}'", threshold.what);
            assert!(UNITS.iter().any(|(unit, ..)| *unit == threshold.unit), "{name}: its unit");
            let (least, most, _) = threshold.range();
            assert!((least..=most).contains(&threshold.default), "{name} = {}", threshold.default);
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(threshold.name.chars().all(word), "{name} is no key of a configuration");
        }
    }
}

#[test]
fn every_rule_and_cause_has_a_scenario_and_a_near_miss() {
    let cases: BTreeSet<&str> = CODES.iter().copied().collect();
    let codes: BTreeSet<&str> = all().map(|about| about.code).collect();
    assert_eq!(cases, codes, "left: the cases in tests/diagnose/cases.rs; right: the program");
}

#[test]
fn the_readme_has_a_line_for_each_rule_and_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- rules -->\n", "<!-- /rules -->");
    let (head, rest) = readme.split_once(begin).unwrap();
    let (kept, tail) = rest.split_once(end).unwrap();
    let made = format!("\n{}\n", table());
    if std::env::var_os("MLTOP_REGENERATE").is_some() {
        fs::write(&path, format!("{head}{begin}{made}{end}{tail}")).unwrap();
        return;
    }
    for about in all() {
        assert!(kept.contains(&format!("| {} |", about.code)), "{} is not in it", about.code);
    }
    assert_eq!(kept, made, "README.md is not what the program says now: {RENEW}");
}

#[test]
fn an_explanation_tells_the_thresholds_in_force() {
    let mut settings = Settings::default();
    let text = explain("starved", &settings).unwrap();
    assert!(text.contains("waits 10 % of the time or more"), "{text}");
    let blocked = about(Rule::Starved).unwrap().thresholds[0];
    settings.set(blocked, 0.25);
    let text = explain("STARVED", &settings).unwrap();
    assert!(text.contains("waits 25 % of the time or more"), "{text}");
    assert!(text.contains("blocked = 0.25 (default 0.1)"), "{text}");
    assert!(explain("STARVE", &settings).is_none());
}
