//! Who may read whom: with the rights of root, of the same user, and of another.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use mltop::model::{Gap, Pid};
use mltop::source::Roots;
use mltop::source::loader::python::{Denial, Interpreter, Refusal};

/// A user without rights that every machine has.
const NOBODY: u32 = 65_534;
/// The process that [`as_another_user`] is to read, and how that is to end.
const TARGET: &str = "MLTOP_TEST_TARGET";
const EXPECTED: &str = "MLTOP_TEST_EXPECTED";

struct Target(Child);

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python process of a user, dumpable or not. None where there is no such Python.
fn target(uid: u32, dumpable: bool) -> Option<Target> {
    let change = if dumpable { "" } else { "import ctypes; ctypes.CDLL(None).prctl(4, 0); " };
    let code = format!("{change}print('ready', flush=True); import time; time.sleep(60)");
    let child = Command::new("/usr/bin/python3")
        .args(["-c", &code])
        .current_dir("/")
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .uid(uid)
        .spawn();
    let mut target = Target(child.ok()?);
    let mut line = String::new();
    BufReader::new(target.0.stdout.take()?).read_line(&mut line).ok()?;
    (line == "ready\n").then_some(target)
}

/// Runs [`as_another_user`] as nobody; None where nobody may not run this program.
fn nobody_reads(target: &Target, expected: &str) -> Option<bool> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "rights::as_another_user", "--nocapture"])
        .env(TARGET, target.0.id().to_string())
        .env(EXPECTED, expected)
        .current_dir("/")
        .uid(NOBODY)
        .status();
    status.ok().map(|status| status.success())
}

#[test]
#[ignore = "run by the other tests, as another user"]
fn as_another_user() {
    let pid = Pid(std::env::var(TARGET).unwrap().parse().unwrap());
    let seen = Interpreter::attach(&Roots::default(), pid);
    match std::env::var(EXPECTED).unwrap().as_str() {
        "other user" => {
            let refusal = seen.unwrap_err();
            assert_eq!(refusal, Refusal::Denied(Denial::OtherUser(0)));
            assert_eq!(refusal.gap(), Gap::Denied);
            assert_eq!(
                refusal.to_string(),
                "its memory may not be read: it belongs to another user (uid 0)"
            );
            assert!(refusal.remedy(pid).is_some_and(|remedy| remedy.starts_with("sudo mltop")));
        }
        "not dumpable" => {
            assert_eq!(seen.unwrap_err(), Refusal::Denied(Denial::NotDumpable));
        }
        _ => assert!(seen.is_ok(), "{seen:?}"),
    }
}

#[test]
fn each_denial_names_its_reason_and_root_reads_all() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can start processes of other users");
        return;
    }
    for (uid, dumpable, expected) in
        [(0, true, "other user"), (NOBODY, true, "allowed"), (NOBODY, false, "not dumpable")]
    {
        let Some(target) = target(uid, dumpable) else {
            println!("skipped: no /usr/bin/python3 for {expected}");
            continue;
        };
        let own = Interpreter::attach(&Roots::default(), Pid(target.0.id()));
        assert!(own.is_ok(), "root, {expected}: {own:?}");
        match nobody_reads(&target, expected) {
            Some(as_expected) => assert!(as_expected, "{expected}"),
            None => println!("skipped: nobody may not run the tests, for {expected}"),
        }
    }
}
