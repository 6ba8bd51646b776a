//! A screen as plain text.

use crate::ui::Picture;

/// The characters of a picture, one line a row, without the blanks at the end of a line.
pub fn text(picture: &Picture) -> String {
    let mut out = String::new();
    for row in picture.rows() {
        let line: String = row.iter().map(|dot| dot.symbol.as_str()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
