//! The rows of mltop's own processes, and of the threads of the one that samples.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::{decimal, value_of};
use super::proc_rows::ticks_per_second;
use super::procs::Procs;
use crate::model::id::Pid;
use crate::model::own::OwnSample;
use crate::model::reading::{Gap, Reading};
use crate::source::text::clean;

/// Threads beyond this are not looked at.
const MOST_THREADS: usize = 128;

/// Looks at a thread that has run after which its name is its own.
const LOOKS: u8 = 2;

/// Names of the threads that are there, by number.
pub(super) type ThreadNames = BTreeMap<u32, ThreadName>;

/// The name of a thread. It begins with that of the thread which started it, and gives itself its own
/// once it runs; that it keeps.
#[derive(Clone, Debug)]
pub(super) struct ThreadName {
    name: Box<str>,
    /// Looks at which it had run, up to [`LOOKS`].
    looks: u8,
}

impl Procs {
    /// A row for each of mltop's processes, and one for each name that threads of this one have.
    pub fn own_rows(&mut self, pids: &[Pid]) -> Vec<OwnSample> {
        let mut rows: Vec<OwnSample> = pids.iter().map(|pid| self.own_row(*pid)).collect();
        rows.extend(self.thread_rows(Pid(std::process::id())));
        rows
    }

    fn own_row(&mut self, pid: Pid) -> OwnSample {
        let mut row = OwnSample { pid, ..OwnSample::default() };
        match self.read_stat(pid) {
            Ok(stat) => {
                let page = rustix::param::page_size() as u64;
                row.threads = Reading::Is(stat.threads);
                row.cpu_seconds_total = Reading::Is(stat.cpu_ticks as f64 / ticks_per_second());
                row.rss_bytes = Reading::from_option(stat.rss_pages.checked_mul(page), Gap::Failed);
            }
            Err(gap) => {
                row.threads = Reading::Not(gap);
                row.cpu_seconds_total = Reading::Not(gap);
                row.rss_bytes = Reading::Not(gap);
            }
        }
        let path = self.roots.proc.join(pid.to_string()).join("io");
        row.read_calls_total = match self.slurp.optional(&path) {
            Ok(text) => value_of(text, "syscr"),
            Err(gap) => Reading::Not(gap),
        };
        row
    }

    fn thread_rows(&mut self, pid: Pid) -> Vec<OwnSample> {
        let folder = self.roots.proc.join(pid.to_string()).join("task");
        let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
        let numbers = entries.flatten().take(MOST_THREADS).filter_map(|entry| {
            let number = decimal(entry.file_name().as_encoded_bytes())?;
            u32::try_from(number).ok()
        });
        let mut names = ThreadNames::new();
        let mut rows: BTreeMap<Box<str>, OwnSample> = BTreeMap::new();
        for number in numbers {
            let folder = folder.join(number.to_string());
            let Some(name) = self.thread_name(number, &folder) else { continue };
            let spent = self.thread_seconds(&folder);
            let looks = self.thread_names.get(&number).map_or(0, |known| known.looks);
            let ran = spent.ok().is_some_and(|seconds| seconds > 0.0);
            let looks = if ran { (looks + 1).min(LOOKS) } else { 0 };
            names.insert(number, ThreadName { name: name.clone(), looks });
            let row = rows.entry(name.clone()).or_insert_with(|| OwnSample {
                pid,
                thread: name,
                threads: Reading::Is(0),
                cpu_seconds_total: Reading::Is(0.0),
                read_calls_total: Reading::Not(Gap::NotApplicable),
                rss_bytes: Reading::Not(Gap::NotApplicable),
            });
            row.threads = row.threads.map(|threads| threads + 1);
            row.cpu_seconds_total = row.cpu_seconds_total.zip(spent).map(|(sum, more)| sum + more);
        }
        self.thread_names = names;
        rows.into_values().collect()
    }

    /// The name of a thread without the number that tells it from its like.
    fn thread_name(&mut self, number: u32, folder: &Path) -> Option<Box<str>> {
        if let Some(known) = self.thread_names.get(&number).filter(|known| known.looks == LOOKS) {
            return Some(known.name.clone());
        }
        // The first thread has the program's name, whatever that was called.
        if folder
            .parent()
            .and_then(Path::parent)
            .is_some_and(|own| own.ends_with(number.to_string()))
        {
            return Some("main".into());
        }
        let name = clean(self.slurp.bytes(&folder.join("comm")).ok()?.trim_ascii(), 32);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', ' ']);
        (!name.is_empty()).then(|| name.into())
    }

    fn thread_seconds(&mut self, folder: &Path) -> Reading<f64> {
        match self.slurp.optional(&folder.join("schedstat")) {
            Ok(text) => {
                let word = text.split_ascii_whitespace().next();
                let nanos = word.and_then(|word| word.parse::<u64>().ok());
                Reading::from_option(nanos.map(|nanos| nanos as f64 / 1e9), Gap::Failed)
            }
            Err(gap) => Reading::Not(gap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Roots;

    #[test]
    fn this_process_and_its_threads_have_rows_with_names_and_times() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let wait = move || {
            begin.send(()).unwrap();
            let _ = stopped.recv();
        };
        let thread = std::thread::Builder::new().name("looker-12".into()).spawn(wait).unwrap();
        // A thread gives itself its name before it does anything else.
        begun.recv().unwrap();
        let mut procs = Procs::new(Roots::default());
        let own = Pid(std::process::id());
        for _ in 0..2 {
            let rows = procs.own_rows(&[own]);
            let whole = &rows[0];
            assert_eq!((whole.pid, &*whole.thread), (own, ""));
            assert!(whole.threads.ok().unwrap() >= 2 && whole.rss_bytes.ok().unwrap() > 1 << 20);
            assert!(whole.cpu_seconds_total.is() && whole.read_calls_total.is());
            let row = rows.iter().find(|row| &*row.thread == "looker").unwrap();
            assert_eq!((row.pid, row.threads), (own, Reading::Is(1)));
            assert_eq!(row.rss_bytes, Reading::Not(Gap::NotApplicable));
        }
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_was_seen_before_it_had_its_name_is_told_by_it_later() {
        let (named, goes_on) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel::<()>());
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            begin.send(()).unwrap();
            goes_on.1.recv().unwrap();
            rustix::thread::set_name(c"late-3").unwrap();
            begin.send(()).unwrap();
            let _ = named.1.recv();
        });
        begun.recv().unwrap();
        let mut procs = Procs::new(Roots::default());
        let own = Pid(std::process::id());
        let has = |rows: &[OwnSample]| rows.iter().any(|row| &*row.thread == "late");
        assert!(!has(&procs.own_rows(&[own])));
        goes_on.0.send(()).unwrap();
        begun.recv().unwrap();
        assert!(has(&procs.own_rows(&[own])));
        drop(named.0);
        thread.join().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_is_a_row_of_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().into(), ..Roots::default() };
        let rows = Procs::new(roots).own_rows(&[Pid(7)]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].cpu_seconds_total, Reading::Not(Gap::Lost));
        assert_eq!(rows[0].read_calls_total, Reading::Not(Gap::Unsupported));
    }
}
