//! The probe that `mltop run` puts beside a training: one file of Python, described in itself.
//!
//! Python imports a module `sitecustomize` at its start, if it finds one on its path. So the script
//! needs no change, and the ranks that a launcher starts get the probe as it does.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The file's name, which is what makes Python import it.
pub const NAME: &str = "sitecustomize.py";
/// Its text.
pub const SCRIPT: &str = include_str!("sitecustomize.py");

/// `PYTHONPATH` with the probe's folder in front of what it was, or without a former probe's: of two,
/// both would count.
pub fn python_path(folder: &Path, was: Option<&OsStr>, former: Option<&OsStr>) -> OsString {
    let mut path = folder.as_os_str().to_owned();
    // Python takes an empty value for none, but an empty part for the folder that it runs in.
    let Some(was) = was.filter(|was| !was.is_empty()) else { return path };
    let rest = former.and_then(|former| after(was, former)).unwrap_or_else(|| was.to_owned());
    if !rest.is_empty() {
        path.push(":");
        path.push(rest);
    }
    path
}

/// What follows `first` in a list of paths that begins with it.
fn after(list: &OsStr, first: &OsStr) -> Option<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let rest = list.as_bytes().strip_prefix(first.as_bytes()).filter(|_| !first.is_empty())?;
    match rest {
        [] => Some(OsString::new()),
        [b':', rest @ ..] => Some(OsString::from_vec(rest.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_comes_first_and_the_rest_keeps_its_meaning() {
        let path = |was: Option<&str>| {
            python_path(Path::new("/p"), was.map(OsStr::new), Some(OsStr::new("/old")))
        };
        assert_eq!(path(None), "/p");
        assert_eq!(path(Some("")), "/p");
        assert_eq!(path(Some("/a:/b")), "/p:/a:/b");
        // An empty part is the working folder, and stays where it is.
        assert_eq!(path(Some(":/a")), "/p::/a");
        assert_eq!(path(Some("/old:/a")), "/p:/a");
        assert_eq!(path(Some("/old")), "/p");
        assert_eq!(path(Some("/older:/a")), "/p:/older:/a");
    }
}
