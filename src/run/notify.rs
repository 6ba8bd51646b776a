//! What happens outside of the screen when a finding opens: the user's own command.

use std::process::{Child, Command, Stdio};

use crate::cli;
use crate::model::Finding;

/// Commands that may run at once; a command that hangs must not pile up.
const AT_ONCE: usize = 4;

/// Runs the user's command.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    notify: cli::Notify,
    running: Vec<Child>,
}

impl Notifier {
    /// As asked for on the command line.
    pub(super) fn new(notify: cli::Notify) -> Self {
        Self { notify, running: Vec::new() }
    }

    /// Whether the bell was asked for.
    pub(super) const fn bell(&self) -> bool {
        self.notify.bell
    }

    /// Runs the command for a finding; what went wrong, in words.
    pub(super) fn opened(&mut self, finding: &Finding) -> Option<String> {
        let command = self.notify.on_finding.as_ref()?;
        if self.running.len() >= AT_ONCE {
            return Some(format!("--on-finding: {AT_ONCE} commands still run; left one out"));
        }
        let mut shell = Command::new("sh");
        super::files::hand_back(&mut shell);
        let started = shell
            .args(["-c", command])
            .env("MLTOP_RULE", finding.rule.code())
            .env("MLTOP_SEVERITY", finding.severity.code())
            .env("MLTOP_PID", finding.pid.map(|pid| pid.to_string()).unwrap_or_default())
            .env("MLTOP_TITLE", &finding.title)
            .env("MLTOP_ADVICE", &finding.advice)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(child) => {
                self.running.push(child);
                None
            }
            Err(error) => Some(format!("--on-finding: {error}")),
        }
    }

    /// Forgets commands that ended.
    pub(super) fn reap(&mut self) {
        self.running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::model::{Cause, Pid, Rule, Severity};

    fn finding() -> Finding {
        Finding {
            id: 1,
            rule: Rule::Starved,
            cause: Some(Cause::DiskBound),
            severity: Severity::Warn,
            run: None,
            pid: Some(Pid(4711)),
            start_ms: 0,
            end_ms: None,
            title: "train.py waits; $(reboot)".into(),
            evidence: Vec::new(),
            advice: "a faster disk".into(),
            gain: String::new(),
            cost: None,
            dismissed: false,
        }
    }

    fn notifier(command: String) -> Notifier {
        Notifier::new(cli::Notify { on_finding: Some(command), bell: false })
    }

    fn wait_until(notifier: &mut Notifier, met: impl Fn(&Notifier) -> bool) {
        let begun = Instant::now();
        while !met(notifier) {
            assert!(begun.elapsed() < Duration::from_mins(1), "{notifier:?}");
            std::thread::sleep(Duration::from_millis(5));
            notifier.reap();
        }
    }

    #[test]
    fn a_command_that_fails_is_taken_away_and_says_nothing() {
        let mut notifier = notifier("exit 3".into());
        assert_eq!(notifier.opened(&finding()), None);
        let process = format!("/proc/{}", notifier.running[0].id());
        wait_until(&mut notifier, |notifier| notifier.running.is_empty());
        assert!(!std::path::Path::new(&process).exists(), "a zombie is left");
    }

    #[test]
    fn it_is_told_of_the_finding_and_no_word_of_it_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told");
        let mut notifier = notifier(format!("env > {}", file.display()));
        notifier.opened(&finding());
        wait_until(&mut notifier, |notifier| notifier.running.is_empty());
        let told = std::fs::read_to_string(&file).unwrap();
        for line in [
            "MLTOP_RULE=STARVED",
            "MLTOP_SEVERITY=warn",
            "MLTOP_PID=4711",
            "MLTOP_TITLE=train.py waits; $(reboot)",
            "MLTOP_ADVICE=a faster disk",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
        }
    }

    #[test]
    fn commands_that_hang_do_not_pile_up() {
        let mut notifier = notifier("exec sleep 600".into());
        for _ in 0..AT_ONCE {
            assert_eq!(notifier.opened(&finding()), None);
        }
        let said = notifier.opened(&finding()).unwrap();
        assert!(said.contains("left one out"), "{said}");
        for child in &mut notifier.running {
            child.kill().unwrap();
        }
        wait_until(&mut notifier, |notifier| notifier.running.is_empty());
    }
}
