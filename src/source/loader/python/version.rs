//! The version of an interpreter.

use std::fmt;

/// A version of Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3.
    pub major: u8,
    /// 8 to 14 can be read.
    pub minor: u8,
    /// The last number, where the interpreter tells it.
    pub micro: Option<u8>,
}

impl Version {
    /// Out of `PY_VERSION_HEX`.
    pub const fn from_hex(hex: u32) -> Self {
        let [major, minor, micro, _] = hex.to_be_bytes();
        Self { major, minor, micro: Some(micro) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CPython {}.{}", self.major, self.minor)?;
        match self.micro {
            Some(micro) => write!(out, ".{micro}"),
            None => Ok(()),
        }
    }
}
