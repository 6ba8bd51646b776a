//! Versions of what a trainer runs: by the names of the files that it maps, and by one small file
//! beside them. All of it is another's text, and the file lies where a dead disk could hold us.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::model::Pid;
use crate::model::inventory::Software;
use crate::source::loader::proc::read_capped;
use crate::source::mounts::{is_remote, parse};
use crate::source::text::clean;

/// `torch/version.py` has a dozen lines.
const FILE_CAP: u64 = 4096;
/// The longest version: those of nightly builds have thirty characters.
const VERSION_CAP: usize = 48;
const MOUNTS_CAP: usize = 4 << 20;

/// What a process runs, by the text of its `maps`; `None` where nothing is known.
pub(super) fn software(folder: &Path, maps: &str, pid: Pid) -> Option<Software> {
    let mut known = Software { pid, ..Software::default() };
    // A line has no slash before the path.
    let paths = || maps.lines().filter_map(|line| line.get(line.find('/')?..));
    if let Some((version, name)) = paths().find_map(python) {
        known.python = version.into();
        known.python_by = format!("it maps {}", clean(name.as_bytes(), 64)).into();
    }
    if let Some(path) = paths().find(|path| package(path).is_some()) {
        match torch(folder, path) {
            Ok(version) => {
                known.torch = version;
                known.torch_by = "version.py of the package that it maps".into();
            }
            Err(why) => known.torch_by = why,
        }
    }
    let nothing = known.python.is_empty() && known.torch_by.is_empty();
    (!nothing).then_some(known)
}

/// The version of Python that a mapped file is of, and the file's name: `libpython3.11.so.1.0`,
/// `python3.11`, `_C.cpython-311-x86_64-linux-gnu.so`.
fn python(path: &str) -> Option<(String, &str)> {
    let name = path.rsplit('/').next()?;
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let after = |rest: &str, minor: usize| if rest[minor..].starts_with('t') { "t" } else { "" };
    if let Some((_, tag)) = name.split_once(".cpython-3") {
        let minor = digits(tag);
        return (1..=2)
            .contains(&minor)
            .then(|| (format!("3.{}{}", &tag[..minor], after(tag, minor)), name));
    }
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python3.")?;
    let minor = digits(rest);
    // `python3.11-config` maps nothing; `libpython3.so` is of any version.
    (1..=2).contains(&minor).then(|| (format!("3.{}{}", &rest[..minor], after(rest, minor)), name))
}

/// The folder of PyTorch's package, where a file of it is mapped.
fn package(path: &str) -> Option<&str> {
    let at = path.find("/torch/lib/libtorch").or_else(|| path.find("/torch/_C."))?;
    path.get(..at + "/torch".len())
}

/// The version that the package says it is, or why that is not known.
fn torch(folder: &Path, mapped: &str) -> Result<Box<str>, Box<str>> {
    let package = package(mapped).unwrap_or_default();
    if mapped.ends_with(" (deleted)") {
        return Err("the package was replaced since it was started".into());
    }
    if let Some(filesystem) = remote(folder, package) {
        return Err(format!("the package lies on {filesystem}, which is not asked").into());
    }
    let file = folder.join("root").join(package.trim_start_matches('/')).join("version.py");
    // Whoever made the package may have put a pipe or a device in its place.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(file);
    let mut bytes = Vec::new();
    let read = file.and_then(|file| {
        if file.metadata()?.is_file() {
            file.take(FILE_CAP).read_to_end(&mut bytes)?;
        }
        Ok(())
    });
    if read.is_err() {
        return Err("version.py of the package that it maps cannot be read".into());
    }
    version(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| "version.py of the package that it maps tells none".into())
}

/// The filesystem of a path, where it is one that may hang: a `stat` on it would too, so the list of
/// the process's mounts is asked. A path that is on none of them is not asked for either.
fn remote(folder: &Path, path: &str) -> Option<Box<str>> {
    let bytes = read_capped(&folder.join("mountinfo"), MOUNTS_CAP).unwrap_or_default();
    let mounts = parse(&String::from_utf8_lossy(&bytes));
    let over = mounts.iter().filter(|mount| Path::new(path).starts_with(&mount.point));
    // Of two mounts at one point the later one is seen.
    match over.max_by_key(|mount| mount.point.as_os_str().len()) {
        Some(mount) if !is_remote(&mount.filesystem) => None,
        Some(mount) => Some(clean(mount.filesystem.as_bytes(), 32)),
        None => Some("a filesystem of an unknown kind".into()),
    }
}

/// `__version__ = '2.9.1+cu128'`
fn version(text: &str) -> Option<Box<str>> {
    let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    let value = line.split_once('=')?.1.trim();
    let value = value.trim_matches(|c| c == '\'' || c == '"');
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    let fits = value.len() <= VERSION_CAP && value.starts_with(|c: char| c.is_ascii_digit());
    (fits && value.chars().all(sound)).then(|| value.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const LIBRARY: &str = "/opt/env/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so";
    const LOCAL: &str = "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n";

    /// A process that maps a file, with the mounts that it sees and a `version.py`.
    fn of(mapped: &str, mounts: &str, file: Option<&[u8]>) -> (tempfile::TempDir, Software) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mountinfo"), mounts).unwrap();
        let package = folder.path().join("root/opt/env/lib/python3.11/site-packages/torch");
        fs::create_dir_all(&package).unwrap();
        if let Some(bytes) = file {
            fs::write(package.join("version.py"), bytes).unwrap();
        }
        let known = known(folder.path(), mapped);
        (folder, known)
    }

    fn known(folder: &Path, mapped: &str) -> Software {
        let maps = format!("7f0000000000-7f0000001000 r-xp 00000000 fe:01 9    {mapped}\n");
        software(folder, &maps, Pid(7)).unwrap_or_default()
    }

    #[test]
    fn python_is_known_by_the_name_of_a_mapped_file() {
        for (path, version) in [
            ("/usr/bin/python3.9", "3.9"),
            ("/usr/lib/libpython3.11.so.1.0", "3.11"),
            ("/opt/libpython3.13t.so.1.0", "3.13t"),
            ("/x/torch/_C.cpython-310-x86_64-linux-gnu.so", "3.10"),
        ] {
            assert_eq!(python(path).unwrap().0, version, "{path}");
        }
        for path in ["/usr/lib/libpython3.so", "/usr/bin/python", "/usr/bin/python3.\u{e9}", "/"] {
            assert_eq!(python(path), None, "{path}");
        }
    }

    #[test]
    fn torch_is_known_by_the_file_beside_what_is_mapped() {
        let text = b"from typing import Optional\n__version__ = '2.9.1+cu128'\ndebug = False\n";
        let (_folder, known) = of(LIBRARY, LOCAL, Some(text));
        assert_eq!((&*known.torch, known.pid), ("2.9.1+cu128", Pid(7)));
        let (_folder, known) = of(&format!("{LIBRARY} (deleted)"), LOCAL, Some(text));
        assert_eq!((&*known.torch, known.torch_by.contains("replaced")), ("", true));
        let far = format!("{LOCAL}23 22 0:40 / /opt rw - nfs4 box:/opt rw\n");
        let (_folder, known) = of(LIBRARY, &far, Some(text));
        assert_eq!((&*known.torch, known.torch_by.contains("nfs4")), ("", true));
        let (_folder, known) = of(LIBRARY, "", Some(text));
        assert_eq!(&*known.torch, "", "where it lies is not known");
    }

    #[test]
    fn a_hostile_file_tells_nothing() {
        let long = [b"__version__ = '1".to_vec(), vec![b'1'; 1 << 20], b"'\n".to_vec()].concat();
        let files: [Option<&[u8]>; 5] = [
            None,
            Some(b"\xff\xfe\0"),
            Some(b"__version__ = '2.9\x1b[31m'\n"),
            Some(b"__version__ = open('/etc/shadow').read()\n"),
            Some(&long),
        ];
        for file in files {
            let (_folder, known) = of(LIBRARY, LOCAL, file);
            assert_eq!(&*known.torch, "");
            assert!(known.torch_by.starts_with("version.py"), "{}", known.torch_by);
        }
        // A pipe that nobody writes to, and a link to elsewhere.
        let (folder, _) = of(LIBRARY, LOCAL, None);
        let file = folder.path().join("root/opt/env/lib/python3.11/site-packages/torch/version.py");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &file,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert_eq!(&*known(folder.path(), LIBRARY).torch, "");
        fs::remove_file(&file).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "__version__ = '6.6.6'\n").unwrap();
        symlink(&other, &file).unwrap();
        assert_eq!(&*known(folder.path(), LIBRARY).torch, "");
    }
}
