//! The session's lines, and what reads and writes them.
