//! Manual pages and shell completions, made from the command line's definition.

use super::args::Cli;
use crate::Error;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::path::Path;

/// Writes `man/fr-serve.1`, a page for each command, and `completions` for bash, zsh and fish.
pub(crate) fn run(directory: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::invalid(format!("cannot write into '{}': {}", directory.display(), block::io_reason(&error)))
    };
    let (manual, completions) = (directory.join("man"), directory.join("completions"));
    for directory in [&manual, &completions] {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut command = Cli::command();
    command.build();
    pages(&command, "fr-serve", &manual).map_err(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "fr-serve", &completions).map_err(failed)?;
    }
    Ok(())
}

fn pages(command: &Command, name: &str, directory: &Path) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.to_owned())).render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        pages(subcommand, &format!("{name}-{}", subcommand.get_name()), directory)?;
    }
    Ok(())
}
