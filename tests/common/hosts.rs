//! A simulated machine in one text file: `== path` begins a file, `== path -> target` is a link,
//! `== path/` an empty folder. Unpacked into a temporary folder that goes when the host is dropped.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use mltop::source::Roots;
use tempfile::TempDir;

/// A machine made of files.
pub(crate) struct Host {
    folder: TempDir,
}

impl Host {
    /// Unpacks `tests/hosts/NAME.host`.
    pub(crate) fn named(name: &str) -> Self {
        let file = format!("{}/tests/hosts/{name}.host", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        Self::from_text(&text)
    }

    /// Unpacks a machine from its text.
    pub(crate) fn from_text(text: &str) -> Self {
        let host = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["proc", "sys", "dev", "etc"] {
            fs::create_dir_all(host.folder.path().join(folder)).unwrap();
        }
        let mut blocks: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("== ") {
                blocks.push((head, String::new()));
            } else if let Some((_, body)) = blocks.last_mut() {
                body.push_str(line);
                body.push('\n');
            }
        }
        for (head, body) in blocks {
            // A blank line before the next block is there for the reader.
            let body =
                body.strip_suffix("\n\n").map_or_else(|| body.clone(), |body| format!("{body}\n"));
            match head.split_once(" -> ") {
                Some((path, target)) => host.link(path, target),
                None if head.ends_with('/') => {
                    fs::create_dir_all(host.path(head)).unwrap();
                }
                None => host.write(head, if body == "\n" { "" } else { &body }),
            }
        }
        host
    }

    /// Where the machine's files are read from.
    pub(crate) fn roots(&self) -> Roots {
        Roots::below(self.folder.path())
    }

    /// The place of a file, as `proc/meminfo`.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, its folders included.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Removes a file or a folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// Cuts a file after `bytes` bytes.
    pub(crate) fn truncate(&self, path: &str, bytes: usize) {
        let content = fs::read(self.path(path)).unwrap();
        self.write(path, &content[..bytes.min(content.len())]);
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new(target), path).unwrap();
    }
}
