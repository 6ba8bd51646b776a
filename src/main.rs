//! The `mltop` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|verb| verb == "__collect") {
        return mltop::source::gpu::collector::main(args);
    }
    ExitCode::from(2)
}
