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
        let started = Command::new("sh")
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
