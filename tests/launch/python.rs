//! Python beside the probe is the same Python.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::common::{Place, text};

/// The interpreters of this machine, the old ones that the probe leaves alone too.
pub(crate) fn pythons() -> Vec<(String, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut all = vec![("system".to_owned(), PathBuf::from("/usr/bin/python3"))];
    let versions = fs::read_dir(home.join(".pyenv/versions"));
    for entry in versions.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        all.push((name, entry.path().join("bin/python")));
    }
    all.retain(|(name, python)| {
        let runs = Command::new(python).arg("-V").output().is_ok_and(|run| run.status.success());
        if !runs {
            println!("skipped: Python {name} is not on this machine");
        }
        runs
    });
    all.sort();
    all
}

#[test]
fn a_script_sees_the_path_and_the_modules_that_it_would_see_without_mltop() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}::/nowhere", folder.path().display());
    let print = "import sys; print(sys.path); print(sorted(sys.modules)); print(sys.flags)";
    for (name, python) in pythons() {
        for options in [&[][..], &["-S"], &["-E"], &["-I"], &["-s"], &["-W", "error"]] {
            if name.starts_with("2.") && options.contains(&"-I") {
                continue;
            }
            let mut words: Vec<&str> = vec![python.to_str().unwrap(), "-B"];
            words.extend(options);
            words.extend(["-c", print]);
            let mut plain = Command::new(words[0]);
            plain.args(&words[1..]).env("PYTHONPATH", &path).current_dir(folder.path());
            let plain = plain.output().unwrap();
            let mut command = place.command(&words);
            let with =
                command.env("PYTHONPATH", &path).current_dir(folder.path()).output().unwrap();
            let (plain, mut shown) = (text(&plain.stdout), text(&with.stdout));
            if options == ["-S"] {
                // Nothing runs at the start, so nobody takes the folder out again.
                let start = shown.find("/dev/shm/").unwrap();
                let end = start + shown[start..].find("', ").unwrap();
                shown.replace_range(start - 1..end + 3, "");
            }
            assert_eq!(shown, plain, "Python {name} {options:?}");
            assert_eq!(text(&with.stderr), "", "Python {name} {options:?}");
        }
    }
}

#[test]
fn a_sitecustomize_and_a_usercustomize_that_were_there_still_run() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    for module in ["sitecustomize", "usercustomize"] {
        let body = format!(
            "import sys\nprint('{module}', sys.modules['{module}'].__file__ == __file__)\n"
        );
        fs::write(folder.path().join(format!("{module}.py")), body).unwrap();
    }
    for (name, python) in pythons() {
        let words = [python.to_str().unwrap(), "-B", "-c", "import sitecustomize; print('script')"];
        let mut plain = Command::new(words[0]);
        let plain = plain.args(&words[1..]).env("PYTHONPATH", folder.path()).output().unwrap();
        let with = place.command(&words).env("PYTHONPATH", folder.path()).output().unwrap();
        assert_eq!(text(&with.stdout), text(&plain.stdout), "Python {name}");
        assert!(text(&plain.stdout).contains("sitecustomize"), "Python {name}");
        assert_eq!(text(&with.stderr), text(&plain.stderr), "Python {name}");
    }
}

#[test]
fn a_sitecustomize_that_fails_is_reported_as_it_would_be_without_mltop() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sitecustomize.py"), "import no_such_module\n").unwrap();
    for (name, python) in pythons() {
        let words = [python.to_str().unwrap(), "-B", "-c", "print('script')"];
        let mut plain = Command::new(words[0]);
        let plain = plain.args(&words[1..]).env("PYTHONPATH", folder.path()).output().unwrap();
        let with = place.command(&words).env("PYTHONPATH", folder.path()).output().unwrap();
        assert_eq!(text(&with.stdout), "script\n", "Python {name}");
        assert_eq!(text(&with.stderr), text(&plain.stderr), "Python {name}");
    }
}
