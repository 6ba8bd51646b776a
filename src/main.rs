//! The `mltop` command.

fn main() {}
