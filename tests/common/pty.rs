//! A terminal with nothing between it and the test, which holds the other end: it knows when a key went
//! in, and when its answer came out.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// A program in a terminal of its own.
pub(crate) struct Pty {
    /// The test's end.
    end: File,
    pub(crate) child: Child,
    pub(crate) screen: Screen,
}

impl Pty {
    /// Starts the program as the one that has the terminal. `raw`: from the first byte on.
    pub(crate) fn start(mut command: Command, width: u16, height: u16, raw: bool) -> Self {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        if raw {
            let mut modes = tcgetattr(&terminal).unwrap();
            modes.make_raw();
            tcsetattr(&terminal, OptionalActions::Now, &modes).unwrap();
        }
        let other = || terminal.try_clone().unwrap();
        command.stdin(other()).stdout(other()).stderr(other());
        let child = command.spawn().unwrap();
        Self { end: File::from(end), child, screen: Screen::new(width, height) }
    }

    /// Presses keys. The moment just before.
    pub(crate) fn press(&mut self, keys: &str) -> Instant {
        let at = Instant::now();
        self.end.write_all(keys.as_bytes()).unwrap();
        at
    }

    /// Takes what the program wrote, and when it came; `None` where nothing came for so long.
    pub(crate) fn read(&mut self, patience: Duration) -> Option<Instant> {
        let patience = Timespec::try_from(patience).unwrap();
        let mut ends = [PollFd::from_borrowed_fd(self.end.as_fd(), PollFlags::IN)];
        if poll(&mut ends, Some(&patience)).unwrap_or(0) == 0 {
            return None;
        }
        let at = Instant::now();
        let mut bytes = [0; 16 << 10];
        // The end of the program is an error here.
        let read = self.end.read(&mut bytes).unwrap_or(0);
        self.screen.feed(&bytes[..read]);
        (read > 0).then_some(at)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As much of a terminal as mltop asks of one, without colours; each character is one column wide.
pub(crate) struct Screen {
    rows: Vec<Vec<char>>,
    at: (usize, usize),
    /// The begin of what is not whole yet.
    rest: Vec<u8>,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        let rows = vec![vec![' '; usize::from(width)]; usize::from(height)];
        Self { rows, at: (0, 0), rest: Vec::new() }
    }

    /// The text of a row.
    pub(crate) fn row(&self, y: usize) -> String {
        self.rows[y].iter().collect()
    }

    /// Whether a row holds the text.
    pub(crate) fn shows(&self, text: &str) -> bool {
        (0..self.rows.len()).any(|y| self.row(y).contains(text))
    }

    /// All rows.
    pub(crate) fn text(&self) -> String {
        (0..self.rows.len()).map(|y| self.row(y).trim_end().to_owned() + "\n").collect()
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&all) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let mut left = std::str::from_utf8(&all[..whole]).unwrap();
        while let Some(char) = left.chars().next() {
            if char != '\x1b' {
                self.put(char);
                left = &left[char.len_utf8()..];
                continue;
            }
            let last = |char: char| char.is_ascii_alphabetic() || char == '@';
            let Some(end) = left.find(last) else { break };
            self.control(&left[1..end], left.as_bytes()[end]);
            left = &left[end + 1..];
        }
        self.rest = [left.as_bytes(), &all[whole..]].concat();
    }

    fn put(&mut self, char: char) {
        let (x, y) = &mut self.at;
        match char {
            '\n' => *y += 1,
            '\r' => *x = 0,
            '\x08' => *x = x.saturating_sub(1),
            _ => {
                if let Some(cell) = self.rows.get_mut(*y).and_then(|row| row.get_mut(*x)) {
                    *cell = char;
                }
                *x += 1;
            }
        }
    }

    fn control(&mut self, words: &str, command: u8) {
        let numbers: Vec<usize> =
            words.trim_start_matches('[').split(';').map(|n| n.parse().unwrap_or(1)).collect();
        let first = numbers[0].max(1);
        let (x, y) = self.at;
        match command {
            b'H' => {
                self.at = (numbers.get(1).map_or(0, |column| column.saturating_sub(1)), first - 1);
            }
            b'G' => self.at.0 = first - 1,
            b'C' => self.at.0 += first,
            b'J' => self.rows.iter_mut().for_each(|row| row.fill(' ')),
            b'P' | b'@' => {
                let Some(part) = self.rows.get_mut(y).and_then(|row| row.get_mut(x..)) else {
                    return;
                };
                let by = first.min(part.len());
                if command == b'P' {
                    part.rotate_left(by);
                    part.iter_mut().rev().take(by).for_each(|cell| *cell = ' ');
                } else {
                    part.rotate_right(by);
                    part[..by].fill(' ');
                }
            }
            // Colours and modes.
            _ => {}
        }
    }
}
