//! `mltop run --ui`: the screen in the terminal, the output in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::common::{Place, eventually};
use super::tmux::Tmux;

fn logs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect()
}

fn prepare(tmux: &Tmux, place: &Place, folder: &Path) {
    tmux.line(&format!(
        "export XDG_RUNTIME_DIR={}; mltop={}; cd {}; clear",
        place.path().display(),
        env!("CARGO_BIN_EXE_mltop"),
        folder.display()
    ));
}

#[test]
fn the_screen_says_where_the_output_goes_and_how_it_ended_and_mltop_ends_alike() {
    let Some(tmux) = Tmux::start(120, 36) else { return };
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    prepare(&tmux, &place, folder.path());
    tmux.line("$mltop run --ui -- sh -c 'echo out; echo err >&2; test -t 0 || read line; while ! test -e go; do sleep 0.1; done; exit 4'");
    tmux.wait_for("the training's output goes to mltop-run-", 60);
    eventually("a file", || logs(folder.path()).len() == 1);
    let log = logs(folder.path()).remove(0);
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    eventually("the output", || fs::read_to_string(&log).unwrap() == "out\nerr\n");
    fs::write(folder.path().join("go"), "").unwrap();
    tmux.wait_for("ENDED exit code 4", 60);
    tmux.keys(&["q"]);
    tmux.wait_for("its output is in mltop-run-", 30);
    tmux.line("echo code-$?");
    tmux.wait_for("code-4", 30);
    assert_eq!(fs::read_to_string(&log).unwrap(), "out\nerr\n");
}

#[test]
fn leaving_the_screen_leaves_the_training_running_and_ctrl_c_then_ends_it() {
    let Some(tmux) = Tmux::start(120, 36) else { return };
    let (place, folder) = (Place::new(), tempfile::tempdir().unwrap());
    prepare(&tmux, &place, folder.path());
    tmux.line("$mltop run --ui -- sh -c 'trap \"echo interrupted; exit 9\" INT; while :; do sleep 0.1; done'");
    tmux.wait_for("q quit", 60);
    tmux.keys(&["q"]);
    tmux.wait_for("Ctrl-C ends it", 60);
    tmux.keys(&["C-c"]);
    tmux.wait_for("ended with exit code 9", 60);
    tmux.line("echo code-$?");
    tmux.wait_for("code-9", 30);
    assert_eq!(fs::read_to_string(&logs(folder.path())[0]).unwrap(), "interrupted\n");
}

#[test]
fn without_a_terminal_there_is_no_screen_and_nothing_is_started() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let mut command = place.command(&["--ui", "--", "touch", "started"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(super::text(&output.stderr).contains("not a terminal"), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
