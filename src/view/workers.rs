//! The workers of a loader as a strip: one letter each, coloured by what it does.

use super::screen::{Line, Role, span};

/// The strip of one or more loaders in at most `columns`; what does not fit is told by an ellipsis.
pub(super) fn strip(loaders: &[&str], columns: usize) -> Line {
    let mut letters: Vec<char> = Vec::new();
    for states in loaders {
        if letters.len() > columns {
            break;
        }
        if !letters.is_empty() {
            letters.push(' ');
        }
        letters.extend(states.chars().take(columns + 1));
    }
    let cut = letters.len() > columns;
    letters.truncate(if cut { columns.saturating_sub(1) } else { columns });
    let mut line = Line::new();
    for letter in letters {
        let (letter, role) = look_of(letter);
        match line.last_mut() {
            Some(last) if last.role == role => last.text.push(letter),
            _ => line.push(span(letter.to_string(), role)),
        }
    }
    if cut && columns > 0 {
        line.push(span("…", Role::Dim));
    }
    line
}

/// The letter on screen and its colour. A letter that is none of ours is not passed on: it comes from
/// a file, and could be anything.
pub(super) const fn look_of(letter: char) -> (char, Role) {
    match letter {
        'R' => ('R', Role::WorkerRun),
        'Q' => ('Q', Role::WorkerQueued),
        'D' => ('D', Role::WorkerDisk),
        'N' => ('N', Role::WorkerNet),
        'S' => ('S', Role::WorkerWait),
        '.' | '·' => ('·', Role::WorkerIdle),
        'Z' => ('Z', Role::WorkerDead),
        ' ' => (' ', Role::Dim),
        _ => ('?', Role::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &Line) -> String {
        line.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn each_worker_is_one_coloured_letter() {
        let line = strip(&["RRD.", "Z"], 20);
        assert_eq!(text(&line), "RRD· Z");
        assert_eq!(line[0].role, Role::WorkerRun);
        assert_eq!(line[2].role, Role::WorkerIdle);
    }

    #[test]
    fn what_does_not_fit_is_told_and_what_is_foreign_is_not_shown() {
        assert_eq!(text(&strip(&["DDDDDDDD"], 4)), "DDD…");
        assert_eq!(text(&strip(&["DDDD"], 4)), "DDDD");
        assert_eq!(text(&strip(&["D\u{1b}x"], 4)), "D??");
        assert_eq!(text(&strip(&["DD"], 0)), "");
    }
}
