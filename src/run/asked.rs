//! Rows of loaders from the `mltop run` that started the training, where it may read what we may not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::model::{Pid, Sample};
use crate::record::{Decoder, Item};
use crate::source::Roots;
use crate::source::beside::{SOCKET, runs_of};
use crate::source::elsewhere::{Elsewhere, Rows};

/// Between two searches for runs.
const SEARCH: Duration = Duration::from_secs(2);
/// Rows older than this are not shown any more.
const STALE: Duration = Duration::from_secs(3);
/// Bytes taken of one run at a tick: what it sends in a second, many times over.
const AT_ONCE: usize = 1 << 20;
/// The longest line that a run sends.
const LONGEST_LINE: usize = 1 << 20;
/// Processes that a run may name: more of them than a box trains with fill our memory.
const MOST_NAMES: usize = 4096;
/// Runs that are asked.
const MOST: usize = 16;

/// The runs that answer.
#[derive(Default)]
pub(super) struct Asked {
    roots: Roots,
    runs: BTreeMap<PathBuf, Answers>,
    searched: Option<Instant>,
    search: Option<Search>,
}

/// A thread that looks for runs: a folder may be on a disk that does not answer.
struct Search {
    wanted: SyncSender<Wanted>,
    found: Receiver<(PathBuf, Answers)>,
}

/// Of which users, and which are known.
type Wanted = (BTreeSet<u32>, BTreeSet<PathBuf>);

impl Search {
    /// Where there is no thread to be had, nothing is found.
    fn start(roots: Roots) -> Self {
        let (wanted, asked) = sync_channel::<Wanted>(1);
        let (answer, found) = channel();
        let look = move || {
            let all = asked.iter().flat_map(|(users, known)| find(&roots, &users, &known));
            // It ends with whoever asked.
            let _ = all.map(|one| answer.send(one)).all(|sent| sent.is_ok());
        };
        let _ = thread::Builder::new().name("runs".into()).spawn(look);
        Self { wanted, found }
    }
}

/// The runs of these users that answer and are not known.
fn find(
    roots: &Roots,
    users: &BTreeSet<u32>,
    known: &BTreeSet<PathBuf>,
) -> Vec<(PathBuf, Answers)> {
    let folders = users.iter().flat_map(|&uid| runs_of(roots, uid));
    let new = folders.filter(|folder| !known.contains(folder));
    // Folders of runs that were killed stay: those that answer are counted, and no others.
    let ask = |folder: PathBuf| Some((folder.clone(), Answers::of(&folder.join(SOCKET))?));
    new.filter_map(ask).take(MOST).collect()
}

/// Asks every run of the trainings that are looked at.
pub(super) fn elsewhere() -> Elsewhere {
    let mut asked = Asked::default();
    Elsewhere::new(Box::new(move |trainers| asked.rows(trainers)))
}

/// What one run says.
struct Answers {
    stream: UnixStream,
    uid: u32,
    bytes: Vec<u8>,
    decoder: Decoder,
    last: Option<(Instant, Arc<Sample>)>,
}

impl Asked {
    /// The loaders of these trainers, of all runs that know them. Never blocks.
    pub(super) fn rows(&mut self, trainers: &BTreeSet<Pid>) -> Rows {
        if trainers.is_empty() {
            // Who does not listen does not make them look.
            self.runs.clear();
            return Rows::default();
        }
        let owners: BTreeMap<Pid, u32> = trainers
            .iter()
            .filter_map(|&pid| {
                // The kernel's own words on a process, which wait for nothing.
                Some((pid, fs::metadata(self.roots.proc.join(pid.to_string())).ok()?.uid()))
            })
            .collect();
        self.search(owners.values().copied().collect());
        self.runs.retain(|_, run| run.take());
        let mut rows = Rows::default();
        for run in self.runs.values() {
            run.add(&owners, &mut rows);
        }
        rows
    }

    fn search(&mut self, users: BTreeSet<u32>) {
        let search = self.search.get_or_insert_with(|| Search::start(self.roots.clone()));
        for (folder, run) in search.found.try_iter() {
            if self.runs.len() < MOST {
                self.runs.entry(folder).or_insert(run);
            }
        }
        if self.searched.is_none_or(|at| at.elapsed() >= SEARCH) {
            self.searched = Some(Instant::now());
            // One that still looks is not asked again.
            let _ = search.wanted.try_send((users, self.runs.keys().cloned().collect()));
        }
    }
}

impl Answers {
    fn of(path: &Path) -> Option<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
        let uid = socket_peercred(&socket).ok()?.uid.as_raw();
        let stream = UnixStream::from(socket);
        Some(Self { stream, uid, bytes: Vec::new(), decoder: Decoder::new(), last: None })
    }

    /// Takes what it has said since; false when it is gone, or says what no mltop says.
    fn take(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut taken = 0;
        while taken < AT_ONCE {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(got) => {
                    taken += got;
                    self.bytes.extend_from_slice(buffer.get(..got).unwrap_or_default());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        let Some(end) = self.bytes.iter().rposition(|&byte| byte == b'\n') else {
            return self.bytes.len() <= LONGEST_LINE;
        };
        let rest = self.bytes.split_off(end + 1);
        let lines = std::mem::replace(&mut self.bytes, rest);
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            match self.decoder.line(line) {
                Ok(Some(Item::Sample(sample))) => self.last = Some((Instant::now(), sample)),
                Ok(Some(Item::End(_))) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        self.decoder.inventory().procs.len() <= MOST_NAMES
    }

    /// Its rows of these trainers, as far as they belong to its own user: nobody speaks for others.
    fn add(&self, owners: &BTreeMap<Pid, u32>, rows: &mut Rows) {
        let Some((_, sample)) = self.last.as_ref().filter(|(at, _)| at.elapsed() <= STALE) else {
            return;
        };
        let may = |pid: Pid| owners.get(&pid).is_some_and(|&uid| self.uid == uid || self.uid == 0);
        rows.loaders.extend(sample.loaders.iter().filter(|row| may(row.pid)).filter_map(|row| {
            let info = sample.inventory.loaders.iter().find(|info| info.loader == row.loader)?;
            (info.pid == row.pid).then(|| (Arc::clone(info), row.clone()))
        }));
        rows.workers.extend(sample.workers.iter().filter(|one| may(one.trainer)).cloned());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::model::inventory::{LoaderInfo, ProcInfo, Role};
    use crate::model::sample::LoaderSample;
    use crate::model::{Inventory, LoaderId, Stamp};
    use crate::record::{Encoder, SessionInfo};

    /// A machine in a folder, with a run whose socket is ours.
    fn machine() -> (tempfile::TempDir, Roots, UnixListener) {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::below(folder.path());
        let uid = rustix::process::geteuid().as_raw();
        let base = roots.dev.join(format!("shm/mltop-{uid}"));
        let run = base.join("run-1-2-3");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&run).unwrap();
        fs::create_dir_all(roots.proc.join("77")).unwrap();
        let listener = UnixListener::bind(run.join(SOCKET)).unwrap();
        (folder, roots, listener)
    }

    fn asked(roots: &Roots) -> Asked {
        Asked { roots: roots.clone(), ..Asked::default() }
    }

    fn lines() -> String {
        let mut lines = String::new();
        let mut encoder = Encoder::new(SessionInfo::default());
        encoder.head(&mut lines);
        let row = |pid| LoaderSample { pid: Pid(pid), loader: LoaderId(1), ..Default::default() };
        let info = LoaderInfo { pid: Pid(77), loader: LoaderId(1), ..Default::default() };
        let inventory = Inventory { loaders: vec![Arc::new(info)], ..Inventory::default() };
        let sample = Sample {
            stamp: Stamp { unix_ms: 1, mono_ms: 1 },
            // One that its names do not know as such, and one of a process that is not there.
            loaders: vec![row(77), row(78)],
            inventory: Arc::new(inventory),
            ..Sample::default()
        };
        encoder.tick(&Arc::new(sample), None, &mut lines);
        lines
    }

    /// The names of more processes than a run may name.
    fn crowd() -> Vec<u8> {
        let name = |pid: usize| {
            let pid = Pid(pid as u32);
            let info = ProcInfo { pid, ..plain() };
            (pid, Arc::new(info))
        };
        let procs = (1..=MOST_NAMES + 1).map(name).collect();
        let inventory = Arc::new(Inventory { procs, ..Inventory::default() });
        let mut lines = String::new();
        let mut encoder = Encoder::new(SessionInfo::default());
        encoder.head(&mut lines);
        let sample = Sample { inventory, ..Sample::default() };
        encoder.tick(&Arc::new(sample), None, &mut lines);
        lines.into_bytes()
    }

    fn plain() -> ProcInfo {
        ProcInfo {
            pid: Pid(1),
            parent: Pid(1),
            start_ticks: 1,
            start_ms: None,
            name: "x".into(),
            command: Box::default(),
            user: Box::default(),
            role: Role::Trainer,
            run: None,
            rank: None,
            cgroup: None,
            container: None,
        }
    }

    #[test]
    fn rows_of_the_trainers_asked_for_are_taken_and_no_others() {
        let (_folder, roots, listener) = machine();
        let mut asked = asked(&roots);
        let trainers = BTreeSet::from([Pid(77)]);
        assert!(asked.rows(&trainers).loaders.is_empty());
        let (mut run, _) = listener.accept().unwrap();
        // In two parts, cut anywhere.
        let lines = lines();
        let (first, second) = lines.as_bytes().split_at(lines.len() / 2);
        run.write_all(first).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while asked.runs.is_empty() {
            assert!(asked.rows(&trainers).loaders.is_empty());
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
        run.write_all(second).unwrap();
        let rows = asked.rows(&trainers);
        assert_eq!(rows.loaders.iter().map(|(_, row)| row.pid).collect::<Vec<_>>(), [Pid(77)]);
        // Who wants nothing hangs up.
        assert!(asked.rows(&BTreeSet::new()).loaders.is_empty());
        assert!(asked.runs.is_empty());
    }

    #[test]
    fn a_run_that_says_nonsense_or_too_much_is_hung_up_on() {
        let trainers = BTreeSet::from([Pid(77)]);
        for words in [b"nonsense\n".to_vec(), vec![b'{'; LONGEST_LINE + 2], crowd()] {
            let (_folder, roots, listener) = machine();
            let mut asked = asked(&roots);
            asked.rows(&trainers);
            let (mut run, _) = listener.accept().unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            while asked.runs.is_empty() {
                asked.rows(&trainers);
                assert!(Instant::now() < deadline);
                std::thread::sleep(Duration::from_millis(5));
            }
            let writer = std::thread::spawn(move || {
                // The other side may be gone before it is all said.
                let _ = run.write_all(&words);
                run
            });
            while !asked.runs.is_empty() {
                assert!(asked.rows(&trainers).loaders.is_empty());
                assert!(Instant::now() < deadline);
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(writer.join());
        }
    }

    #[test]
    fn a_run_answers_however_many_left_their_folder_behind() {
        let (_folder, roots, _listener) = machine();
        let uid = rustix::process::geteuid().as_raw();
        let base = roots.dev.join(format!("shm/mltop-{uid}"));
        for pid in 100..160 {
            fs::create_dir(base.join(format!("run-1-{pid}-3"))).unwrap();
        }
        assert_eq!(find(&roots, &BTreeSet::from([uid]), &BTreeSet::new()).len(), 1);
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_not_asked() {
        let (_folder, roots, listener) = machine();
        let uid = rustix::process::geteuid().as_raw();
        let base = roots.dev.join(format!("shm/mltop-{uid}"));
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(find(&roots, &BTreeSet::from([uid]), &BTreeSet::new()).is_empty());
        assert!(listener.accept().is_err());
    }
}
