//! The `fr-mount` program: everything it does is in the `cli` crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
