//! Finding the interpreter in a process: its version, its layout, its main interpreter.

use std::path::Path;

use crate::model::{Gap, Pid};
use crate::source::loader::proc;
use crate::source::root::Roots;

use super::image::{Mapped, Symbols, mapped};
use super::layout::{COOKIE, Layout, TABLE, table_head};
use super::memory::{Memory, Process, Remote, is_object};
use super::objects::Heap;
use super::recall::Recall;
use super::refusal::{Denial, Refusal};
use super::stack::{self, Codes, Thread};
use super::version::Version;

/// The most that is read of a process's list of mappings.
const MAPS: usize = 32 << 20;
/// Calls that an attempt may use.
const CALLS: u32 = 20_000;
/// How often a stack may change while it is read.
const TRIES: u32 = 20;

/// An interpreter that was found.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) version: Version,
    pub(super) heap: Heap,
    /// Where the word stands that leads to the main interpreter, and the interpreter.
    pub(super) root: (u64, u64),
    /// Where the runtime is.
    pub(super) runtime: u64,
    pub(super) main: Thread,
}

/// Attaches to a process.
pub(super) fn attach(roots: &Roots, pid: Pid) -> Result<Attached, Refusal> {
    // Memory is read by number, which in another tree of processes is another one's.
    if roots.proc != Path::new("/proc") {
        return Err(Refusal::NotPython);
    }
    let folder = proc::folder(&roots.proc, pid);
    let maps =
        proc::read_capped(&folder.join("maps"), MAPS).map_err(|error| match Gap::from(&error) {
            Gap::Denied => Refusal::Denied(denial(roots, pid, false)),
            Gap::Lost => Refusal::Gone,
            _ => Refusal::Unreadable {
                what: "the list of its mappings",
                why: error.to_string().into(),
            },
        })?;
    let files = mapped(&String::from_utf8_lossy(&maps));
    match find(Box::new(Process::new(pid)), &files) {
        Err(Refusal::Denied(_)) => Err(Refusal::Denied(denial(roots, pid, true))),
        other => other,
    }
}

/// Which rule denies it. `listed`: its mappings could be read.
fn denial(roots: &Roots, pid: Pid, listed: bool) -> Denial {
    let own = rustix::process::geteuid().as_raw();
    let status = proc::read_capped(&proc::folder(&roots.proc, pid).join("status"), 4096);
    let status = String::from_utf8_lossy(&status.unwrap_or_default()).into_owned();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let uid = uid.and_then(|ids| ids.split_ascii_whitespace().nth(1)?.parse::<u32>().ok());
    if let Some(uid) = uid.filter(|&uid| own != 0 && uid != own) {
        return Denial::OtherUser(uid);
    }
    let scope = proc::read_word(&roots.proc.join("sys/kernel/yama/ptrace_scope"));
    match scope.as_deref() {
        Ok("3") => Denial::YamaNobody,
        Ok("2") if own != 0 && listed => Denial::YamaAdmin,
        Ok("1") if own != 0 && listed => Denial::YamaAncestors,
        _ if !listed => Denial::NotDumpable,
        _ => Denial::Other,
    }
}

/// Finds the interpreter among the files that are mapped into a memory.
pub(super) fn find(memory: Box<dyn Memory>, files: &[Mapped]) -> Result<Attached, Refusal> {
    let mut remote = Remote::new(memory);
    remote.allow(CALLS);
    let library = files.iter().filter(|file| file.name().starts_with("libpython"));
    let program = files.iter().filter(|file| file.name().starts_with("python"));
    // A program of another name may hold one; the program itself is mapped first.
    let other = files.iter().take(1);
    for file in library.chain(program).chain(other) {
        match symbols(&mut remote, file.base) {
            Ok(Some((runtime, version))) => return open(remote, runtime, version),
            // What is mapped there may be gone by now, or be no ELF file.
            Ok(None) | Err(Gap::Failed) => {}
            Err(gap) => return Err(refuse(gap, "its Python's symbols")),
        }
    }
    if files.iter().any(|file| file.name().contains("pypy")) {
        return Err(Refusal::OtherPython("PyPy".into()));
    }
    let named = files.iter().any(|file| {
        let rest = file.name().trim_start_matches("lib");
        rest.starts_with("python3")
    });
    Err(if named { Refusal::NoSymbols } else { Refusal::NotPython })
}

/// The runtime and the version, where the file has them.
fn symbols(remote: &mut Remote, base: u64) -> Result<Option<(u64, Version)>, Gap> {
    let Some(symbols) = Symbols::of(remote, base)? else { return Ok(None) };
    let Some(runtime) = symbols.find(remote, "_PyRuntime")? else { return Ok(None) };
    if let Some(at) = symbols.find(remote, "Py_Version")? {
        return Ok(Some((runtime, Version::from_hex(remote.half(at)?))));
    }
    // Before 3.11 the version shows in what a program can call.
    let marks = [(10, "PyModule_AddObjectRef"), (9, "PyModule_AddType")];
    let mut minor = None;
    for (from, name) in marks {
        if minor.is_none() && symbols.find(remote, name)?.is_some() {
            minor = Some(from);
        }
    }
    let has_positional = symbols.find(remote, "PyCode_NewWithPosOnlyArgs")?.is_some();
    let minor = minor.unwrap_or(if has_positional { 8 } else { 7 });
    Ok(Some((runtime, Version { major: 3, minor, micro: None })))
}

fn open(mut remote: Remote, runtime: u64, version: Version) -> Result<Attached, Refusal> {
    let unlike = |what| Refusal::Unlike { version, what };
    let layout = if (version.major, version.minor) >= (3, 13) {
        let mut table = [0; TABLE];
        remote.fill(runtime, &mut table).map_err(|gap| refuse(gap, "its runtime"))?;
        if !table.starts_with(COOKIE) {
            // The table is filled in when the runtime starts.
            return Err(Refusal::NotRunning);
        }
        match table_head(&table) {
            Some((of_table, false)) if of_table == version => {}
            Some((_, true)) => return Err(Refusal::FreeThreaded(version)),
            _ => return Err(unlike("its table of offsets is of another version")),
        }
        if version.minor > 14 {
            return Err(Refusal::UnknownVersion(version));
        }
        let layout = Layout::from_table(version.minor, &table);
        layout.ok_or_else(|| unlike("its table of offsets does not hold together"))?
    } else {
        let layout = (version.major == 3).then(|| Layout::of(version.minor)).flatten();
        layout.ok_or(Refusal::UnknownVersion(version))?
    };
    let at = runtime.wrapping_add(layout.runtime_main);
    let interpreter = remote.word(at).map_err(|gap| refuse(gap, "its runtime"))?;
    if interpreter == 0 {
        return Err(Refusal::NotRunning);
    }
    if !is_object(interpreter) {
        return Err(unlike("its runtime leads to no interpreter"));
    }
    let mut heap = Heap::new(remote, layout);
    let main = main_thread(&mut heap, interpreter, version)?;
    Ok(Attached { version, heap, root: (at, interpreter), runtime, main })
}

/// The main thread, whose stack must be readable.
fn main_thread(heap: &mut Heap, interpreter: u64, version: Version) -> Result<Thread, Refusal> {
    let unlike = |what| Refusal::Unlike { version, what };
    let (mut recall, mut codes) = (Recall::default(), Codes::default());
    let mut why = "its threads cannot be followed";
    for _ in 0..TRIES {
        let threads = match stack::threads(heap, interpreter) {
            Ok(threads) => threads,
            Err(Gap::Failed) => continue,
            Err(gap) => return Err(refuse(gap, "its threads")),
        };
        let main = *threads.last().ok_or(Refusal::NotRunning)?;
        let first = stack::state(&heap.layout, main.state);
        let told = recall
            .begin(&mut heap.remote, first)
            .and_then(|()| stack::story(heap, &mut recall, &mut codes, interpreter, main));
        match told {
            Ok(_) => return Ok(main),
            Err(Gap::Failed) => why = "the stack of its main thread cannot be followed",
            Err(gap) => return Err(refuse(gap, "its main thread")),
        }
    }
    Err(unlike(why))
}

fn refuse(gap: Gap, what: &'static str) -> Refusal {
    match gap {
        Gap::Denied => Refusal::Denied(Denial::Other),
        Gap::Lost => Refusal::Gone,
        Gap::Unsupported => {
            Refusal::Unreadable { what, why: "this kernel has no process_vm_readv".into() }
        }
        gap => Refusal::Unreadable { what, why: gap.words().into() },
    }
}
