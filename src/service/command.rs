//! The command line of `fr-serve`: what is typed, what is printed, exit codes.

mod api;
mod args;
mod check;
mod grants;
mod init;
mod output;
mod secret;
mod serve;
mod vault;

use crate::{Error, ErrorKind};
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use output::Output;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs the command that the program was called with.
#[must_use]
pub fn main() -> ExitCode {
    program::guard_memory();
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    start_log(matches!(cli.command, Command::Serve));
    match run(cli, output) {
        Ok(code) => code,
        Err(error) => {
            output.failure(&error);
            ExitCode::from(exit_code(error.kind()))
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::internal(format!("cannot start threads: {}", block::io_reason(&error))))?;
    let done = runtime.block_on(async {
        let config = cli.config.as_path();
        match cli.command {
            Command::Serve => serve::run(config).await.map(|()| ExitCode::SUCCESS),
            Command::Init(args) => init::run(&args, output).map(|()| ExitCode::SUCCESS),
            Command::CheckConfig => check::run(config, output).await.map(|()| ExitCode::SUCCESS),
            Command::Token => init::token(output).map(|()| ExitCode::SUCCESS),
            Command::Import(args) => vault::import(config, args, output).await.map(|()| ExitCode::SUCCESS),
            Command::List(args) => vault::list(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::Verify(args) => vault::verify(config, &args, output).await,
            Command::Prune(args) => vault::prune(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::Points(args) => grants::points(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::Grant(args) => grants::grant(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::Grants(args) => grants::grants(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::Revoke(args) => grants::revoke(config, &args, output).await.map(|()| ExitCode::SUCCESS),
            Command::GenerateDocs { directory } => {
                program::write_docs(Cli::command(), &directory)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    });
    // What still waits for a vault that does not answer is not waited for.
    runtime.shutdown_background();
    done
}

/// The log goes to standard error; `FR_SERVE_LOG` filters it, in the syntax of `tracing-subscriber`. Commands that end
/// by themselves only warn.
fn start_log(is_service: bool) {
    let usual = if is_service { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("FR_SERVE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    // A log that is started already goes on.
    let _ = subscriber.try_init();
}

/// The exit code of a failure; documented in `--help`.
const fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Internal => 1,
        ErrorKind::Invalid => 2,
        ErrorKind::NotSignedIn => 3,
        ErrorKind::Forbidden => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::Unavailable => 6,
    }
}

/// The exit code of `verify` when something is damaged.
const DAMAGED: u8 = 7;
