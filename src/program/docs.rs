//! Manual pages and shell completions, made from the command line's definition.

use crate::Unusable;
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

/// Writes `man/PROGRAM.1`, a page for each command, and `completions` for bash, zsh and fish into `directory`; `command` is
/// the program's definition.
///
/// # Errors
/// When they cannot be written.
pub fn write_docs(mut command: Command, directory: &Path) -> Result<(), Unusable> {
    let failed = |error: std::io::Error| {
        Unusable(format!("cannot write into '{}': {}", directory.display(), block::io_reason(&error)))
    };
    let (manual, completions) = (directory.join("man"), directory.join("completions"));
    for directory in [&manual, &completions] {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    command.build();
    let name = command.get_name().to_owned();
    pages(&command, &name, &manual).map_err(failed)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, &completions).map_err(failed)?;
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
