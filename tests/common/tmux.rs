//! A real terminal for the real program: a tmux server of its own, with keys sent and screens read.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each test program uses its part, and says what it leaves out"
)]

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A terminal that ends with the test.
pub(crate) struct Tmux {
    socket: String,
}

impl Tmux {
    /// A shell in a terminal of this size; `None`, with a word on why, where there is no tmux.
    pub(crate) fn start(width: u16, height: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: no tmux on this machine");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tmux = Self { socket: format!("mltop-test-{}-{number}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        let made = tmux.run(&[
            "-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height,
            "env LC_ALL=C.UTF-8 COLORTERM=truecolor PS1='ready$ ' HISTFILE= bash --norc --noprofile",
        ]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        tmux.wait_for("ready$", 10);
        Some(tmux)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap()
    }

    /// Types a line and Enter.
    pub(crate) fn line(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
        self.run(&["send-keys", "Enter"]);
    }

    /// Presses keys by tmux's names: `q`, `Left`, `C-c`.
    pub(crate) fn keys(&self, names: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(names);
        self.run(&arguments);
    }

    /// The screen with its colour escapes.
    pub(crate) fn screen_with_colors(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p", "-e"]).stdout).into_owned()
    }

    /// What a program in the terminal put on the clipboard; empty where none did.
    pub(crate) fn clipboard(&self) -> String {
        String::from_utf8_lossy(&self.run(&["show-buffer"]).stdout).into_owned()
    }

    /// Lets programs put text on the clipboard, as most terminals do.
    pub(crate) fn allow_clipboard(&self) {
        self.run(&["set-option", "-s", "set-clipboard", "on"]);
    }

    /// Everything that programs send to the terminal from now on goes to a file too.
    pub(crate) fn copy_output_to(&self, file: &std::path::Path) {
        self.run(&["pipe-pane", "-o", &format!("exec cat >> '{}'", file.display())]);
    }

    /// Takes the terminal away, as a lost connection does: whoever runs in it is hung up.
    pub(crate) fn hang_up(&self) {
        self.run(&["kill-session"]);
    }

    /// Starts the program by this line and waits until it shows live data: before the first sample
    /// there is nothing to pause.
    pub(crate) fn open(&self, line: &str) {
        self.line(line);
        self.wait_until("the first sample", 30, |screen| {
            screen.contains("LIVE")
                && screen.contains("q quit")
                && !screen.contains("waiting for the first")
        });
    }

    /// Waits until the shell has the terminal again, with echo and line editing, and without the
    /// alternate screen.
    pub(crate) fn wait_for_clean_shell(&self) {
        self.wait_until("the shell", 20, |screen| screen.trim_end().ends_with("ready$"));
        assert!(!self.on_alternate_screen());
        assert!(!self.tells_mouse());
        self.line("stty -a; echo back-$((20+22))");
        let screen = self.wait_for("back-42", 10);
        let modes: Vec<&str> = screen.split_whitespace().collect();
        for mode in ["echo", "icanon", "isig", "icrnl", "opost"] {
            assert!(modes.contains(&mode), "{mode} is off:\n{screen}");
        }
        // What is typed is seen.
        assert!(screen.contains("stty -a; echo back-$"), "{screen}");
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.run(&["resize-window", "-x", &width, "-y", &height]);
    }

    /// Whether a full-screen program has the terminal.
    pub(crate) fn on_alternate_screen(&self) -> bool {
        let shown = self.run(&["display-message", "-p", "#{alternate_on}"]);
        String::from_utf8_lossy(&shown.stdout).trim() == "1"
    }

    /// Whether a program has asked to be told what the mouse does.
    pub(crate) fn tells_mouse(&self) -> bool {
        let shown = self.run(&["display-message", "-p", "#{mouse_any_flag}"]);
        String::from_utf8_lossy(&shown.stdout).trim() == "1"
    }

    /// Clicks on the first place at which the screen shows this, as a terminal tells a program.
    pub(crate) fn click_on(&self, text: &str) {
        let screen = self.wait_for(text, 20);
        let place = screen.lines().zip(1..).find_map(|(row, y)| {
            let column = row[..row.find(text)?].chars().count() + 1;
            Some((column, y))
        });
        let (x, y) = place.unwrap();
        for end in ['M', 'm'] {
            self.run(&["send-keys", "-l", &format!("\u{1b}[<0;{x};{y}{end}")]);
        }
    }

    /// Waits until the screen holds `text`; what it shows instead if it does not come to that.
    pub(crate) fn wait_for(&self, text: &str, seconds: u64) -> String {
        self.wait_until(text, seconds, |screen| screen.contains(text))
    }

    /// Waits until `met` of the screen.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        seconds: u64,
        met: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let screen = self.screen();
            if met(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "no {what:?} within {seconds} s:\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}
