//! Scripts that hold a bundle and mount it: for who does not want to copy a file and write a command. There is no password in
//! them.

use crate::{Error, Grant};
use serde::Serialize;

const LINUX: &str = include_str!("launcher/linux.sh");
const WINDOWS: &str = include_str!("launcher/windows.ps1");
/// The line that ends the bundle in the script for Linux.
const END: &str = "END_OF_BUNDLE";
/// What a line of the bundle must not begin with in the script for Windows: it would end it there.
const WINDOWS_END: &str = "'@";

/// The commands that mount a bundle which was downloaded as a file.
#[derive(Clone, Debug, Serialize)]
pub struct Commands {
    /// For a shell of Linux.
    pub linux: String,
    /// For PowerShell.
    pub windows: String,
}

impl Commands {
    /// The commands for a grant's bundle in a file of this name, whose characters mean nothing to a shell.
    #[must_use]
    pub fn new(grant: &Grant, file_name: &str) -> Self {
        // Names of VMs are made of characters that mean nothing to a shell either.
        let vm = &grant.vm;
        Self {
            linux: format!("mkdir -p {vm} && fr-mount --read-only {file_name} {vm}"),
            windows: format!("mkdir -Force {vm}; fr-mount --read-only {file_name} {vm}"),
        }
    }
}

/// A script.
#[derive(Clone, Debug, Serialize)]
pub struct Launcher {
    /// A name for its file.
    pub file_name: String,
    /// The script.
    pub text: String,
}

/// The scripts for a grant.
#[derive(Clone, Debug, Serialize)]
pub struct Launchers {
    /// For `sh`.
    pub linux: Launcher,
    /// For PowerShell.
    pub windows: Launcher,
}

impl Launchers {
    /// The scripts that mount this bundle.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] when the bundle is not what a script can hold as it is: lines of printable ASCII.
    pub fn new(grant: &Grant, bundle: &str) -> Result<Self, Error> {
        let bundle = bundle.trim_end_matches('\n');
        let is_plain = bundle.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic());
        let ends_early = bundle.lines().any(|line| line == END || line.starts_with(WINDOWS_END));
        if !is_plain || ends_early {
            return Err(Error::internal("the bundle cannot be put into a script: download it as a file"));
        }
        let name = format!("{}-{}", grant.vm, grant.point);
        let fill = |template: &str, file_name: String| {
            let text = template
                .replace("@VM@", grant.vm.as_str())
                .replace("@POINT@", grant.point.as_str())
                .replace("@UNTIL@", &grant.expires_at.to_string())
                .replace("@FILE@", &file_name)
                .replace("@BUNDLE_FILE@", &format!("{name}.frbundle"))
                .replace("@END@", END)
                .replace("@BUNDLE@", bundle);
            Launcher { file_name, text }
        };
        Ok(Self { linux: fill(LINUX, format!("mount-{name}.sh")), windows: fill(WINDOWS, format!("mount-{name}.ps1")) })
    }
}

#[cfg(test)]
mod tests;
