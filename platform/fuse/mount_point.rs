//! Whether a directory can be mounted on.

use crate::error::reason;
use crate::kernel;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MountPointProblem {
    /// It is not there.
    #[error("the mount point '{}' does not exist: create the directory first", .0.display())]
    Missing(PathBuf),
    /// It is something else.
    #[error("the mount point '{}' is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// There are files in it, which the mount would hide.
    #[error("the mount point '{}' is not empty: choose an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// Something is mounted there, or below.
    #[error("the mount point '{}' is taken by a mount of '{by}': unmount that or choose another directory", .path.display())]
    Taken {
        /// The mount point.
        path: PathBuf,
        /// The source of the mount there.
        by: String,
    },
    /// It cannot be looked into.
    #[error("the mount point '{}' cannot be used: {reason}", .path.display())]
    Unusable {
        /// The mount point.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
}

/// Looks whether `path` is an empty directory that nothing is mounted on.
///
/// # Errors
/// What is wrong with it.
pub fn check_mount_point(path: &Path) -> Result<(), MountPointProblem> {
    let unusable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => MountPointProblem::Missing(path.to_owned()),
        io::ErrorKind::NotADirectory => MountPointProblem::NotADirectory(path.to_owned()),
        _ => MountPointProblem::Unusable { path: path.to_owned(), reason: reason(&error) },
    };
    // A mount whose daemon is gone cannot be looked at, so that this comes first.
    let absolute = path.canonicalize().or_else(|_| std::path::absolute(path)).map_err(unusable)?;
    let mounts = kernel::mounts().map_err(unusable)?;
    if let Some(mount) = mounts.into_iter().rfind(|mount| mount.mount_point.starts_with(&absolute)) {
        return Err(MountPointProblem::Taken { path: path.to_owned(), by: mount.source });
    }
    if !fs::metadata(path).map_err(unusable)?.is_dir() {
        return Err(MountPointProblem::NotADirectory(path.to_owned()));
    }
    match fs::read_dir(path).map_err(unusable)?.next() {
        None => Ok(()),
        Some(_) => Err(MountPointProblem::NotEmpty(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_directory_will_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(check_mount_point(path), Ok(()));
        let file = path.join("file");
        assert_eq!(check_mount_point(&file), Err(MountPointProblem::Missing(file.clone())));
        fs::write(&file, "").unwrap();
        assert_eq!(check_mount_point(&file), Err(MountPointProblem::NotADirectory(file.clone())));
        let below = file.join("below");
        assert_eq!(check_mount_point(&below), Err(MountPointProblem::NotADirectory(below)));
        assert_eq!(check_mount_point(path), Err(MountPointProblem::NotEmpty(path.to_owned())));
        assert!(matches!(check_mount_point(Path::new("/proc")), Err(MountPointProblem::Taken { .. })));
    }
}
