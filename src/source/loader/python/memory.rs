//! The memory of another process: copied out in pieces, never written, its owner never stopped.
//!
//! All that is read here is hostile: it changes while it is read, and an address found in it may lead
//! anywhere. So each address is checked before it is followed, each piece and each call has a bound,
//! and each operation has a number of calls that it may use.

use std::fmt;
use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};

use crate::model::{Gap, Pid};

/// The kernel's own limit of pieces in one call.
pub(super) const PIECES: usize = 1024;
/// The longest piece.
pub(super) const PIECE: usize = 64 << 10;
/// The most bytes in one call.
const CALL: usize = 256 << 10;
/// Addresses below are never mapped, those from the upper one on belong to the kernel.
const LOWEST: u64 = 4096;
const HIGHEST: u64 = 1 << 56;

/// Some bytes of the other process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Address of the first.
    pub(super) at: u64,
    /// How many.
    pub(super) len: usize,
}

impl Piece {
    /// Whether it can be a piece of a program's memory.
    fn sane(self) -> bool {
        (LOWEST..HIGHEST).contains(&self.at) && self.len <= PIECE
    }
}

/// Where memory comes from: a process, or an image of one in tests.
pub(super) trait Memory: Send + fmt::Debug {
    /// Copies the pieces one after the other. The pieces are sane and fill `bytes` exactly.
    /// `Failed` where one of them is not mapped.
    fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap>;
}

/// The memory of a live process.
#[derive(Debug)]
pub(super) struct Process {
    pid: nix::unistd::Pid,
    remote: Vec<RemoteIoVec>,
}

impl Process {
    pub(super) fn new(pid: Pid) -> Self {
        Self { pid: nix::unistd::Pid::from_raw(pid.0.cast_signed()), remote: Vec::new() }
    }
}

impl Memory for Process {
    fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        let wanted = bytes.len();
        self.remote.clear();
        self.remote.extend(
            pieces.iter().map(|piece| RemoteIoVec { base: piece.at as usize, len: piece.len }),
        );
        match process_vm_readv(self.pid, &mut [IoSliceMut::new(bytes)], &self.remote) {
            Ok(got) if got == wanted => Ok(()),
            Err(Errno::ESRCH) => Err(Gap::Lost),
            Err(Errno::EPERM | Errno::EACCES) => Err(Gap::Denied),
            Err(Errno::ENOSYS) => Err(Gap::Unsupported),
            // Part of it, or nothing, is mapped.
            Ok(_) | Err(_) => Err(Gap::Failed),
        }
    }
}

/// A memory with bounds on how much of it one operation may read.
#[derive(Debug)]
pub(super) struct Remote {
    memory: Box<dyn Memory>,
    calls_left: u32,
    /// Calls made since the start.
    pub(super) calls: u64,
    /// Bytes copied since the start.
    pub(super) copied: u64,
}

impl Remote {
    pub(super) fn new(memory: Box<dyn Memory>) -> Self {
        Self { memory, calls_left: 0, calls: 0, copied: 0 }
    }

    /// Begins an operation that may use so many calls.
    pub(super) fn allow(&mut self, calls: u32) {
        self.calls_left = calls;
    }

    /// Copies pieces in one call; together they fill `bytes`.
    pub(super) fn copy(&mut self, pieces: &[Piece], bytes: &mut [u8]) -> Result<(), Gap> {
        let total: usize = pieces.iter().map(|piece| piece.len).sum();
        let sane = pieces.iter().all(|piece| piece.sane());
        if !sane || total != bytes.len() || total > CALL || pieces.len() > PIECES {
            return Err(Gap::Failed);
        }
        if total == 0 {
            return Ok(());
        }
        self.calls_left = self.calls_left.checked_sub(1).ok_or(Gap::Failed)?;
        self.calls += 1;
        self.copied += total as u64;
        self.memory.copy(pieces, bytes)
    }

    /// Copies what stands at an address.
    pub(super) fn fill(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Gap> {
        self.copy(&[Piece { at, len: bytes.len() }], bytes)
    }

    /// So many bytes at an address.
    pub(super) fn bytes<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Gap> {
        let mut bytes = [0; N];
        self.fill(at, &mut bytes)?;
        Ok(bytes)
    }

    /// A word of 64 bits, as a pointer or a size.
    pub(super) fn word(&mut self, at: u64) -> Result<u64, Gap> {
        Ok(u64::from_le_bytes(self.bytes(at)?))
    }

    /// A word of 32 bits.
    pub(super) fn half(&mut self, at: u64) -> Result<u32, Gap> {
        Ok(u32::from_le_bytes(self.bytes(at)?))
    }

    /// Several words from an address on.
    pub(super) fn words(&mut self, at: u64, count: usize) -> Result<Vec<u64>, Gap> {
        let mut bytes = vec![0; count.checked_mul(8).filter(|&n| n <= PIECE).ok_or(Gap::Failed)?];
        self.fill(at, &mut bytes)?;
        Ok(bytes.chunks_exact(8).map(|word| word_at(word, 0)).collect())
    }

    /// Text of at most 64 bytes up to a zero, as a type's name.
    pub(super) fn c_text(&mut self, at: u64) -> Result<String, Gap> {
        // The text may end right before a page that is not mapped.
        let in_page = 4096 - (at & 4095) as usize;
        let mut bytes = [0; 64];
        let len = if self.fill(at, &mut bytes).is_ok() { 64 } else { in_page.min(64) };
        let bytes = bytes.get_mut(..len).ok_or(Gap::Failed)?;
        if len < 64 {
            self.fill(at, bytes)?;
        }
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(len);
        Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned())
    }
}

/// The word at an offset; 0 beyond the end.
pub(super) fn word_at(bytes: &[u8], offset: usize) -> u64 {
    let word = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

/// The half word at an offset; 0 beyond the end.
pub(super) fn half_at(bytes: &[u8], offset: usize) -> u32 {
    let half = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    half.map_or(0, |half| u32::from_le_bytes(*half))
}

/// Whether a word can be the address of a Python object: they are aligned, and never at the start.
pub(super) fn is_object(address: u64) -> bool {
    address.is_multiple_of(8) && (LOWEST..HIGHEST).contains(&address)
}
