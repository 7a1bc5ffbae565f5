//! Scripts that hold a bundle and mount it: for who does not want to copy a file and write a command. There is no
//! password in them.

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
    /// The commands for a bundle in a file of this name, whose characters mean nothing to a shell. The directory has
    /// the name of the VM and the point in it, so that several points can be mounted side by side.
    #[must_use]
    pub fn new(file_name: &str) -> Self {
        let directory = directory(file_name);
        Self {
            linux: format!("mkdir -p {directory} && fr-mount --read-only {file_name} {directory}"),
            windows: format!("mkdir -Force {directory}; fr-mount --read-only {file_name} {directory}"),
        }
    }
}

/// A name for the directory that a bundle is mounted at: that of its file without the extension.
fn directory(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
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
    /// The scripts that mount this bundle, whose file would have this name.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] when the bundle is not what a script can hold as it is: lines of printable ASCII.
    pub fn new(grant: &Grant, file_name: &str, bundle: &str) -> Result<Self, Error> {
        let bundle = bundle.trim_end_matches('\n');
        let is_plain = bundle.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic());
        let ends_early = bundle.lines().any(|line| line == END || line.starts_with(WINDOWS_END));
        if !is_plain || ends_early {
            return Err(Error::internal("the bundle cannot be put into a script: download it as a file"));
        }
        let directory = directory(file_name);
        let fill = |template: &str, script_name: String| {
            let text = template
                .replace("@VM@", grant.vm.as_str())
                .replace("@POINT@", grant.point.as_str())
                .replace("@UNTIL@", &grant.expires_at.to_string())
                .replace("@FILE@", &script_name)
                .replace("@BUNDLE_FILE@", file_name)
                .replace("@DIRECTORY@", directory)
                .replace("@END@", END)
                .replace("@BUNDLE@", bundle);
            Launcher { file_name: script_name, text }
        };
        Ok(Self {
            linux: fill(LINUX, format!("mount-{directory}.sh")),
            windows: fill(WINDOWS, format!("mount-{directory}.ps1")),
        })
    }
}

#[cfg(test)]
mod tests;
