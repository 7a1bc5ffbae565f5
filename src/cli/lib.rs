//! The `fr-mount` command line: arguments, secrets, the daemon, tables and JSON, exit codes. Everything that differs
//! between operating systems, mounting included, is in `sys`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod args;
mod cleanup;
mod connection;
mod daemon;
mod demo;
mod details;
mod ending;
mod exit;
mod job;
mod log;
mod mount;
mod output;
mod secrets;
mod serve;
mod status;
mod sys;
mod tree;
mod volumes;
mod watch;

pub use args::Cli;

use args::Command;
use clap::{CommandFactory, Parser};
use exit::Failure;
use output::Output;
use std::process::ExitCode;

/// Runs the command that the program was called with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    program::guard_memory();
    if !matches!(cli.command, Some(Command::Daemon)) {
        log::start(cli.log.as_deref())?;
    }
    match cli.command {
        Some(Command::Volumes(source)) => volumes::run(&source, output),
        Some(Command::Status) => status::status(output),
        Some(Command::Unmount(args)) => status::unmount(&args, output),
        Some(Command::Cleanup) => cleanup::run(output),
        Some(Command::Demo(args)) => demo::run(&args, output),
        Some(Command::Daemon) => daemon::main(),
        Some(Command::GenerateDocs { directory }) => Ok(program::write_docs(Cli::command(), &directory)?),
        None => mount::run(cli.mount, cli.log, output),
    }
}
