//! One process in full, when the user asks for it: command line, limits, environment.
//!
//! Reading these may wait for as long as the kernel holds the process, so a thread of its own does it.

use std::fs;
use std::path::Path;

use crate::model::process::{ProcessLook, ResourceLimit, Variable};
use crate::model::{Gap, Pid, Reading};

use super::loader::proc::{folder, read_capped};
use super::machine::proc_stat::state_and_start;
use super::root::Roots;
use super::text::{clean, hides_in_environment, redact};

const COMMAND_CAP: usize = 64 << 10;
const ENVIRON_CAP: usize = 512 << 10;
/// Longest command line and longest value that is shown.
const COMMAND_CHARS: usize = 4000;
const VALUE_CHARS: usize = 400;
const MOST_VARIABLES: usize = 1000;
/// Open files are counted up to here.
const MOST_FILES: usize = 100_000;
/// Columns of the name in `/proc/PID/limits`.
const LIMIT_NAME: usize = 25;

/// When the process with this number started, in clock ticks since boot.
pub fn started(roots: &Roots, pid: Pid) -> Result<u64, Gap> {
    let stat = read_capped(&folder(&roots.proc, pid).join("stat"), 4096);
    let stat = stat.map_err(|error| Gap::from(&error))?;
    state_and_start(&stat).map(|(_, start_ticks)| start_ticks).ok_or(Gap::Failed)
}

/// Looks at a process. [`Gap::Lost`] where it is another one by now. May block.
pub fn look(roots: &Roots, pid: Pid, start_ticks: u64) -> Result<ProcessLook, Gap> {
    let is_same = || match started(roots, pid) {
        Ok(now) if now == start_ticks => Ok(()),
        Ok(_) => Err(Gap::Lost),
        Err(gap) => Err(gap),
    };
    is_same()?;
    let folder = folder(&roots.proc, pid);
    let bytes = |name: &str, cap| Reading::from_io(read_capped(&folder.join(name), cap));
    let text = |name: &str| bytes(name, 16 << 10).map(|b| String::from_utf8_lossy(&b).into_owned());
    let look = ProcessLook {
        pid,
        start_ticks,
        command: bytes("cmdline", COMMAND_CAP).map(|bytes| command(&bytes)),
        directory: Reading::from_io(fs::read_link(folder.join("cwd")))
            .map(|path| clean(path.as_os_str().as_encoded_bytes(), VALUE_CHARS)),
        open_files: open_files(&folder.join("fd")),
        limits: text("limits").map(|text| limits(&text)),
        niceness: text("stat").and_then(|text| Reading::from_option(niceness(&text), Gap::Failed)),
        oom_score: text("oom_score")
            .and_then(|text| Reading::from_option(text.trim().parse().ok(), Gap::Failed)),
        environment: bytes("environ", ENVIRON_CAP).map(|bytes| environment(&bytes)),
    };
    // What was read in between is of the process that was meant only if it is still there.
    is_same()?;
    Ok(look)
}

fn command(bytes: &[u8]) -> Box<str> {
    let args: Vec<Box<str>> =
        bytes.split(|byte| *byte == 0).map(|arg| clean(arg, COMMAND_CHARS)).collect();
    let args: Vec<&str> = args.iter().map(|arg| &**arg).collect();
    clean(redact(&args).trim_end().as_bytes(), COMMAND_CHARS)
}

fn open_files(folder: &Path) -> Reading<u64> {
    let entries = Reading::from_io(fs::read_dir(folder));
    entries.map(|entries| entries.take(MOST_FILES).count() as u64)
}

fn niceness(stat: &str) -> Option<i64> {
    // The name before may hold blanks and parentheses; the state after it is the third field.
    let (_, fields) = stat.rsplit_once(')')?;
    let nice = fields.split_ascii_whitespace().nth(16)?.parse().ok()?;
    (-20..=19).contains(&nice).then_some(nice)
}

fn limits(text: &str) -> Vec<ResourceLimit> {
    text.lines().skip(1).filter_map(limit).collect()
}

fn limit(line: &str) -> Option<ResourceLimit> {
    let (name, values) = (line.get(..LIMIT_NAME)?, line.get(LIMIT_NAME..)?);
    let word = |text: &str| clean(text.as_bytes(), 40);
    let mut values = values.split_ascii_whitespace();
    let (soft, hard) = (word(values.next()?), word(values.next()?));
    Some(ResourceLimit {
        name: word(name.strip_prefix("Max ").unwrap_or(name).trim()),
        soft,
        hard,
        unit: word(values.next().unwrap_or_default()),
    })
}

/// The variables by name. One without a name is none.
fn environment(bytes: &[u8]) -> Vec<Variable> {
    let lines = bytes.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let mut variables: Vec<Variable> = lines.take(MOST_VARIABLES).filter_map(variable).collect();
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    variables
}

fn variable(line: &[u8]) -> Option<Variable> {
    let at = line.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    let (name, value) = line.split_at(at);
    let name = clean(name, 120);
    let value = clean(value.get(1..).unwrap_or_default(), VALUE_CHARS);
    let hidden = || "***".into();
    if hides_in_environment(&name) {
        let value = if value.is_empty() { value } else { hidden() };
        return Some(Variable { name, value });
    }
    let shown = redact(&[&format!("{name}={value}")]);
    // Where the name itself was taken for something else nothing is shown that was not looked at.
    let value = shown.strip_prefix(&*format!("{name}=")).map_or_else(hidden, Into::into);
    Some(Variable { name, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_process_is_seen_and_another_of_its_number_is_not() {
        let roots = Roots::default();
        let own = Pid(std::process::id());
        let start_ticks = started(&roots, own).unwrap();
        let look = look(&roots, own, start_ticks).unwrap();
        assert!(look.command.ok().unwrap().contains("mltop"), "the name of the test program");
        assert!(look.open_files.ok().unwrap() >= 3);
        assert!(look.niceness.is() && look.environment.is() && look.directory.is());
        let limits = look.limits.ok().unwrap();
        assert!(limits.iter().any(|limit| &*limit.name == "open files" && &*limit.unit == "files"));
        assert_eq!(super::look(&roots, own, start_ticks + 1), Err(Gap::Lost));
        assert_eq!(super::look(&roots, Pid(u32::MAX), 1), Err(Gap::Lost));
    }

    #[test]
    fn secrets_of_an_environment_are_hidden_and_the_rest_is_shown_by_name() {
        let bytes = b"WANDB_API_KEY=abc\0RANK=3\0DB_PASS=x y\0PWD=/home/me\0MYSQL_PWD=z\0\
            DATABASE_URL=postgres://me:pw@db/x\0NOTE=a \x1b[31mred\x1b[0m b\0=odd\0EMPTY_TOKEN=\0";
        let shown: Vec<String> =
            environment(bytes).iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        for wanted in [
            "DB_PASS=***",
            "EMPTY_TOKEN=",
            "MYSQL_PWD=***",
            "NOTE=a red b",
            "PWD=/home/me",
            "RANK=3",
            "WANDB_API_KEY=***",
        ] {
            assert!(shown.iter().any(|line| line == wanted), "{wanted} in {shown:?}");
        }
        let text = shown.join("\n");
        assert!(!text.contains("abc") && !text.contains("pw@") && !text.contains("odd"), "{text}");
    }

    #[test]
    fn limits_keep_the_kernels_words() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max open files            1024                 4096                 files     \n\
            Max nice priority         0                    0                    \nshort\n";
        let all = limits(text);
        assert_eq!(all.len(), 2);
        assert_eq!((&*all[0].name, &*all[0].soft, &*all[0].hard), ("open files", "1024", "4096"));
        assert_eq!((&*all[1].name, &*all[1].unit), ("nice priority", ""));
        assert_eq!(niceness("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 20 -5 1 0"), Some(-5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_hold_no_escape(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let all = environment(&bytes);
            prop_assert!(all.iter().all(|one| !one.value.chars().any(char::is_control)));
            prop_assert!(!command(&bytes).chars().any(char::is_control));
            let text = String::from_utf8_lossy(&bytes);
            let _ = (limits(&text), niceness(&text));
        }
    }
}
