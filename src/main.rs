//! The `mltop` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    mltop::run::heap::settle();
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_deref().is_some_and(|first| first == "__collect") {
        return mltop::source::gpu::collector::main(arguments);
    }
    if first.is_some_and(|first| first == mltop::run::launch::witness::VERB) {
        return mltop::run::launch::witness::main();
    }
    let code = match mltop::run::run(mltop::cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mltop: {error}");
            error.exit_code()
        }
    };
    // Not a return: a thread that is stuck in a read must not keep the shell from its prompt.
    std::process::exit(i32::from(code))
}
