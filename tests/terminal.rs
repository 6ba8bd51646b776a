//! The real program in a real terminal: what a user does in the first minute.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and one that cannot run says so"
)]

#[path = "common/tmux.rs"]
mod tmux;

use std::process::{Command, Stdio};

use tmux::Tmux;

const MLTOP: &str = env!("CARGO_BIN_EXE_mltop");

/// The program in a terminal of this size.
fn opened(width: u16, height: u16) -> Option<Tmux> {
    let terminal = Tmux::start(width, height)?;
    terminal.open(MLTOP);
    Some(terminal)
}

#[test]
fn it_opens_at_every_size_answers_keys_and_leaves_the_shell_clean() {
    for (width, height) in [(200, 50), (120, 36), (80, 24)] {
        let Some(terminal) = opened(width, height) else { return };
        for part in [" mltop ", "GPU util", "Loader queue", "q quit"] {
            terminal.wait_for(part, 10);
        }
        terminal.keys(&["?"]);
        terminal.wait_for("freeze the screen", 10);
        // Both at once, as a slow line delivers them.
        terminal.keys(&["Escape", "Space"]);
        terminal.wait_until("a paused screen without the help", 10, |screen| {
            screen.contains("PAUSED") && !screen.contains("freeze the screen")
        });
        terminal.keys(&["Space"]);
        terminal.wait_for("LIVE", 10);
        // Each has a screen of its own.
        terminal.keys(&["3"]);
        terminal.wait_for("Pace", 10);
        terminal.keys(&["4"]);
        terminal.wait_for("Processes", 10);
        terminal.keys(&["6"]);
        terminal.wait_for("Pressure", 10);
        terminal.keys(&["q"]);
        terminal.wait_for_clean_shell();
    }
}

#[test]
fn the_mouse_is_heard_and_left_to_the_terminal_where_it_is_not_wanted() {
    let Some(terminal) = opened(120, 36) else { return };
    assert!(terminal.tells_mouse());
    terminal.click_on("6 host");
    terminal.wait_for("Pressure", 20);
    terminal.click_on("? help");
    terminal.wait_for("freeze the screen", 20);
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
    terminal.line("clear");
    terminal.open(&format!("{MLTOP} --no-mouse"));
    assert!(!terminal.tells_mouse());
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

#[test]
fn it_follows_the_size_of_the_terminal_down_to_nothing_and_back() {
    let Some(terminal) = opened(120, 36) else { return };
    // A storm: no size is waited for.
    for round in 0..10_u16 {
        for (width, height) in [(60, 20), (20, 3), (2, 1), (1, 1), (90 + round, 24), (300, 80)] {
            terminal.resize(width, height);
        }
    }
    terminal.resize(200, 50);
    let fits = |screen: &str| {
        let rows: Vec<&str> = screen.lines().collect();
        let at = |row: usize| rows.get(row).copied().unwrap_or_default();
        at(0).contains("LIVE")
            && at(0).chars().count() > 190
            && at(49).contains("q quit")
            && rows.iter().any(|row| row.starts_with('┌') && row.chars().count() == 200)
    };
    terminal.wait_until("a screen of 200x50", 20, fits);
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

#[test]
fn it_goes_to_the_background_and_comes_back_as_often_as_asked() {
    let Some(terminal) = opened(100, 30) else { return };
    for _ in 0..2 {
        terminal.keys(&["C-z"]);
        terminal.wait_for("Stopped", 10);
        terminal.wait_for_clean_shell();
        terminal.line("clear; fg");
        terminal.wait_until("the screen", 20, |screen| {
            screen.lines().next().is_some_and(|row| row.contains("LIVE"))
        });
        assert!(terminal.on_alternate_screen());
    }
    // It hears keys again, and the size that the terminal has by now.
    terminal.keys(&["C-z"]);
    terminal.wait_for("Stopped", 10);
    terminal.resize(120, 40);
    terminal.line("clear; fg");
    terminal.wait_until("the footer below", 20, |screen| {
        screen.lines().nth(39).is_some_and(|row| row.contains("q quit"))
    });
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

/// The shell starts the program, and another one in the background ends it by a signal.
fn ended_by(signal: &str) {
    let Some(terminal) = Tmux::start(100, 30) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    terminal.open(&format!("sh -c 'echo $$ > {}; exec {MLTOP}'", pid_file.display()));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let killed = Command::new("kill").args([signal, pid.trim()]).status().unwrap();
    assert!(killed.success());
    terminal.wait_for_clean_shell();
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn a_signal_to_end_gives_the_terminal_back() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        ended_by(signal);
    }
}

#[test]
fn a_stop_from_outside_gives_the_terminal_back_for_as_long_as_it_lasts() {
    let Some(terminal) = Tmux::start(100, 30) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    terminal.open(&format!("sh -c 'echo $$ > {}; exec {MLTOP}'", pid_file.display()));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let killed = Command::new("kill").args(["-TSTP", pid.trim()]).status().unwrap();
    assert!(killed.success());
    terminal.wait_for("Stopped", 20);
    terminal.wait_for_clean_shell();
    terminal.line("clear; fg");
    terminal.wait_until("the screen", 20, |screen| {
        screen.lines().next().is_some_and(|row| row.contains("LIVE"))
    });
    assert!(terminal.on_alternate_screen());
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

/// Not a test of its own: what [`a_panic_gives_the_terminal_back_and_can_be_read`] starts.
#[test]
#[ignore = "panics, in the terminal of another test"]
fn panics_with_the_terminal_taken() {
    let _taken = mltop::term::Taken::take(true, |_| ()).unwrap();
    panic!("the end of the world");
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let Some(terminal) = Tmux::start(160, 40) else { return };
    let own = std::env::current_exe().unwrap();
    let arguments = "--ignored --exact panics_with_the_terminal_taken --nocapture";
    terminal.line(&format!("RUST_BACKTRACE=0 {} {arguments}; stty -a", own.display()));
    let screen = terminal.wait_for("opost", 30);
    assert!(screen.contains("the end of the world"), "{screen}");
    terminal.line("clear");
    terminal.wait_for_clean_shell();
}

/// Not a test of its own: the live screen beside a thread of this name, which fails when it is to.
#[test]
#[ignore = "fails, in the terminal of another test"]
fn shows_the_screen_until_a_thread_fails() {
    let fail = std::env::var("FAIL").unwrap();
    let begun = std::time::Instant::now();
    let fails = move || {
        while !std::path::Path::new("now").exists() && begun.elapsed().as_secs() < 120 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("made to fail");
    };
    std::thread::Builder::new().name(fail).spawn(fails).unwrap();
    let arguments = ["mltop", "--no-servers"];
    let code = match mltop::run::run(clap::Parser::parse_from(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mltop: {error}");
            error.exit_code()
        }
    };
    std::process::exit(i32::from(code));
}

/// The live screen in a folder of its own, beside a thread of this name.
fn beside_a_thread(name: &str) -> Option<(Tmux, tempfile::TempDir)> {
    let terminal = Tmux::start(160, 40)?;
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let arguments = "--ignored --exact shows_the_screen_until_a_thread_fails --nocapture";
    terminal.line(&format!("cd {}; clear", folder.path().display()));
    terminal.open(&format!("FAIL={name} {} {arguments}; echo code-$?", own.display()));
    Some((terminal, folder))
}

#[test]
fn a_thread_that_the_screen_cannot_do_without_ends_it_with_the_recording_closed() {
    let Some((terminal, folder)) = beside_a_thread("sampler") else { return };
    terminal.keys(&["R"]);
    terminal.wait_until("a recorded second", 30, |screen| {
        screen.contains("REC ") && !screen.contains("REC 00:00:00")
    });
    std::fs::write(folder.path().join("now"), "").unwrap();
    let screen = terminal.wait_for("code-1", 30);
    assert!(
        screen.contains("thread 'sampler' failed, which is a bug in mltop: made to"),
        "{screen}"
    );
    assert!(screen.contains("tests/terminal.rs:") && screen.contains("recorded "), "{screen}");
    assert!(!screen.contains("GPU util"), "nothing was painted over the shell:\n{screen}");
    let files = std::fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path());
    let recorded: Vec<_> = files.filter(|file| !file.ends_with("now")).collect();
    let verified = Command::new(MLTOP).arg("verify").args(&recorded).output().unwrap();
    assert!(recorded.len() == 1 && verified.status.success(), "{verified:?}");
    terminal.line("clear");
    terminal.wait_for_clean_shell();
}

#[test]
fn a_thread_that_the_screen_can_do_without_is_missed_on_it_and_told_at_the_end() {
    let Some((terminal, folder)) = beside_a_thread("servers") else { return };
    std::fs::write(folder.path().join("now"), "").unwrap();
    let screen = terminal.wait_for("mltop's thread 'servers' failed (made to fail, at", 30);
    assert!(screen.contains("GPU util") && terminal.on_alternate_screen(), "{screen}");
    terminal.keys(&["q"]);
    let screen = terminal.wait_for("code-0", 30);
    assert!(screen.contains("inference servers are read no more"), "{screen}");
    terminal.line("clear");
    terminal.wait_for_clean_shell();
}

/// Children of a process that ended and were not waited for.
fn zombies(parent: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = tasks.flatten().map(|task| {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let states = list.split_ascii_whitespace().filter(|child| {
            std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| {
                stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
            })
        });
        states.count()
    });
    children.sum()
}

#[test]
fn a_finding_rings_and_runs_a_command_and_one_that_hangs_holds_nothing_up() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: the demo needs python3");
        return;
    }
    let Some(terminal) = Tmux::start(160, 48) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let command = format!(
        "echo $$ > {0}/hangs; env > {0}/new; mv {0}/new {0}/told; exec sleep 600",
        folder.path().display()
    );
    std::fs::write(at("command"), command).unwrap();
    terminal.copy_output_to(&at("output"));
    terminal.open(&format!(
        "sh -c 'echo $$ > {0}/pid; exec {MLTOP} demo --only disk --bell --on-finding \"sh {0}/command\"'",
        folder.path().display()
    ));
    let begun = std::time::Instant::now();
    while !at("told").exists() {
        assert!(begun.elapsed().as_secs() < 90, "nothing was run:\n{}", terminal.screen());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let told = std::fs::read_to_string(at("told")).unwrap();
    for start in
        ["MLTOP_RULE=STARVED", "MLTOP_SEVERITY=", "MLTOP_PID=", "MLTOP_TITLE=", "MLTOP_ADVICE="]
    {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start}:\n{told}");
    }
    // Its keys answer, its clock goes on, and only the bell has rung.
    terminal.keys(&["?"]);
    terminal.wait_for("freeze the screen", 20);
    terminal.keys(&["Escape"]);
    let rang = || std::fs::read(at("output")).unwrap().contains(&7);
    terminal.wait_until("the bell", 20, |_| rang());
    let pid = std::fs::read_to_string(at("pid")).unwrap();
    terminal.wait_until("no zombie", 20, |_| zombies(pid.trim()) == 0);
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
    let hangs = std::fs::read_to_string(at("hangs")).unwrap();
    Command::new("kill").arg(hangs.trim()).status().unwrap();
}

#[test]
fn it_ends_with_its_terminal() {
    let Some(terminal) = Tmux::start(100, 30) else { return };
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    terminal.open(&format!("sh -c 'echo $$ > {}; exec {MLTOP}'", pid_file.display()));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let process = format!("/proc/{}", pid.trim());
    assert!(std::path::Path::new(&process).exists());
    terminal.hang_up();
    let begun = std::time::Instant::now();
    while std::path::Path::new(&process).exists() {
        assert!(begun.elapsed().as_secs() < 30, "it outlives its terminal");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Whether a line of the terminal has a colour: a select-graphic-rendition escape with 3x, 4x, 9x or
/// 10x in it.
fn coloured(screen: &str) -> bool {
    screen.split("\u{1b}[").skip(1).any(|piece| {
        let Some((codes, _)) = piece.split_once('m') else { return false };
        codes
            .split(';')
            .filter_map(|code| code.parse::<u8>().ok())
            .any(|code| matches!(code, 30..=38 | 40..=48 | 90..=97 | 100..=107))
    })
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let Some(terminal) = opened(120, 36) else { return };
    terminal.wait_for("q quit", 10);
    assert!(coloured(&terminal.screen_with_colors()), "no colour at all");
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
    terminal.line("clear");
    terminal.open(&format!("NO_COLOR=1 {MLTOP}"));
    terminal.wait_for("q quit", 10);
    let screen = terminal.screen_with_colors();
    assert!(!coloured(&screen), "{screen:?}");
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    for line in [format!("LC_ALL=C {MLTOP}"), format!("{MLTOP} --ascii")] {
        let Some(terminal) = Tmux::start(120, 36) else { return };
        terminal.open(&line);
        terminal.keys(&["?"]);
        terminal.wait_for("freeze the screen", 10);
        // Both the lanes and the help, whole.
        let screen = terminal.wait_for("q quit", 10);
        let strange: Vec<char> = screen.chars().filter(|char| !char.is_ascii()).collect();
        assert!(strange.is_empty(), "{line}: {strange:?}\n{screen}");
        terminal.keys(&["q"]);
        terminal.wait_for_clean_shell();
    }
}

#[test]
fn the_advice_of_a_finding_goes_to_the_clipboard() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: the demo needs python3");
        return;
    }
    let Some(terminal) = Tmux::start(160, 48) else { return };
    terminal.allow_clipboard();
    terminal.open(&format!("{MLTOP} demo --only disk"));
    terminal.wait_for("STARVED", 60);
    terminal.keys(&["y"]);
    let begun = std::time::Instant::now();
    let copied = loop {
        let copied = terminal.clipboard();
        if !copied.is_empty() {
            break copied;
        }
        assert!(begun.elapsed().as_secs() < 20, "nothing was copied:\n{}", terminal.screen());
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(copied.len() > 20 && !copied.chars().any(char::is_control), "{copied:?}");
    // Its beginning is what stands in the verdict.
    let start: String = copied.chars().take(20).collect();
    terminal.wait_for(&start, 10);
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    for arguments in [&[] as &[&str], &["demo"]] {
        let output = Command::new(MLTOP).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("mltop stream --plain"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn it_records_marks_and_saves_what_it_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(terminal) = Tmux::start(160, 40) else { return };
    terminal.open(&format!("cd {} && {MLTOP} --interval 200ms", folder.path().display()));
    terminal.wait_for("LIVE", 30);
    terminal.keys(&["R"]);
    terminal.wait_for("REC 00:00", 30);
    terminal.keys(&["m"]);
    terminal.wait_for("a note", 30);
    terminal.keys(&["h", "q", "Enter"]);
    terminal.wait_for("marked", 30);
    terminal.keys(&["S"]);
    terminal.wait_for("saved ", 30);
    terminal.keys(&["R"]);
    terminal.wait_for("recorded ", 30);
    terminal.keys(&["q"]);
    terminal.wait_for_clean_shell();
    let mut read = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let (file, health) = mltop::record::SessionFile::open(&entry.unwrap().path()).unwrap();
        assert!(health.is_whole() && file.end().is_some());
        let events = file.events();
        assert!(events.iter().any(|event| event.title == "hq"), "{events:?}");
        assert_eq!(file.samples(0, u64::MAX).count() as u64, file.ticks());
        read += 1;
    }
    assert_eq!(read, 2, "what was recorded, and what was saved");
}
