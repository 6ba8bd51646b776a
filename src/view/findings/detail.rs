//! The chosen finding in full, below the list where there is room.

use crate::diagnose::audit::cost;
use crate::view::focus::Look;
use crate::view::screen::{Role, TextRow, span, strong};
use crate::view::text::{safe, wrap};
use crate::view::verdict::{badge, severity_role};

use super::heading;

/// Pieces of evidence that are told; all of them stand in the popup.
const EVIDENCE_MAX: usize = 12;

/// The rows; none where nothing was found.
pub(super) fn detail(look: &Look<'_>, width: usize) -> Vec<TextRow> {
    let Some(finding) = look.state.picked_finding() else { return Vec::new() };
    let severity = severity_role(finding.severity);
    let mut rows = vec![heading(&badge(finding), "Enter shows it in full and goes there", width)];
    let mut paragraph = |mark: &str, text: &str, role: Role, strongly: bool| {
        let indent = mark.chars().count();
        let lines = wrap(&safe(text), width.saturating_sub(indent + 1), 6);
        for (at, line) in lines.into_iter().enumerate() {
            let mark = if at == 0 { mark.to_owned() } else { " ".repeat(indent) };
            let text = if strongly { strong(line, role) } else { span(line, role) };
            let left = vec![span(mark, Role::Dim), text];
            rows.push(TextRow { left, bar: strongly.then_some(severity), ..TextRow::default() });
        }
    };
    paragraph(" ", &finding.title, Role::Text, true);
    let evidence = finding.evidence.iter().take(EVIDENCE_MAX).map(|evidence| &*evidence.text);
    paragraph("  • ", &evidence.collect::<Vec<_>>().join(" "), Role::Text, false);
    paragraph("  → ", &finding.advice, Role::Text, false);
    paragraph("  + ", &finding.gain, Role::Good, false);
    paragraph("  − ", &cost(finding), Role::Blocked, false);
    rows
}
