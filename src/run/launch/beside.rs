//! What is put beside a training: the folder of this run, the probe in it, and the variables by which
//! Python finds it. A training must start without any of it too.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::probe;
use crate::source::Roots;
use crate::source::beside::{OwnFolder, VARIABLE};

const PYTHON_PATH: &str = "PYTHONPATH";

/// The folder of this run, where one could be made.
pub(super) struct Beside {
    folder: Option<OwnFolder>,
    probe: bool,
    troubles: Vec<String>,
}

impl Beside {
    /// Makes the folder, with the probe in it if it is wanted.
    pub(super) fn put(roots: &Roots, probe: bool) -> Self {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR");
        let mut beside = Self { folder: None, probe, troubles: Vec::new() };
        match OwnFolder::make(roots, runtime.as_deref().map(Path::new)) {
            Ok(folder) => beside.folder = Some(folder),
            Err(problems) => {
                let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                beside.troubles.push(format!(
                    "the training runs without the probe, and other mltops cannot ask this one: {}",
                    why.join("; ")
                ));
            }
        }
        if let Some(folder) = beside.folder.as_ref().filter(|_| probe)
            && let Err(error) = folder.write(probe::NAME, probe::SCRIPT)
        {
            beside.probe = false;
            let path = folder.path().display();
            beside.troubles.push(format!("the training runs without the probe: {path}: {error}"));
        }
        beside
    }

    /// What the user should know before the training starts; nothing where all is well.
    pub(super) fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Variables to set for the training; everything else it gets as it was.
    pub(super) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.probe) else { return Vec::new() };
        let was = std::env::var_os(PYTHON_PATH);
        let former = std::env::var_os(VARIABLE);
        let path = probe::python_path(folder.path(), was.as_deref(), former.as_deref());
        vec![
            (PYTHON_PATH, path),
            (VARIABLE, <Path as AsRef<OsStr>>::as_ref(folder.path()).to_owned()),
        ]
    }

    /// The folder.
    pub(super) fn folder(&self) -> Option<&OwnFolder> {
        self.folder.as_ref()
    }

    /// Removes what was put there, save what is still in use.
    pub(super) fn leave(self, roots: &Roots) {
        if let Some(folder) = self.folder {
            folder.leave(roots);
        }
    }
}
