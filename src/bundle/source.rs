//! What the user wrote as SOURCE.

use crate::IscsiUrl;
use std::fmt;
use std::path::PathBuf;

/// A recovery point: disks, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryPoint {
    /// The disks of an iSCSI target, or of every target of a portal.
    Iscsi(IscsiUrl),
    /// Disk image files of this machine, in the order of the disks.
    Images(Vec<PathBuf>),
}

/// Why a SOURCE could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It looks like a URL and is none.
    #[error("'{url}' is not a usable URL: {problem}\nWrite iscsis://HOST[:PORT]/IQN (TLS) or iscsi://HOST[:PORT]/IQN.")]
    Url {
        /// What was written, without any password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A URL was mixed with other sources.
    #[error("a URL is one whole SOURCE: it cannot be combined with other URLs or with disk images")]
    Mixed,
    /// Nothing was given.
    #[error("no SOURCE was given")]
    Nothing,
}

impl RecoveryPoint {
    /// Understands SOURCE: one URL, or one or more paths of disk images.
    ///
    /// # Errors
    /// [`SourceError`] says what is wrong and how to write it.
    pub fn parse(sources: &[String]) -> Result<Self, SourceError> {
        match sources {
            [] => Err(SourceError::Nothing),
            [one] if is_url(one) => IscsiUrl::parse(one).map(Self::Iscsi),
            several if several.iter().any(|source| is_url(source)) => Err(SourceError::Mixed),
            paths => Ok(Self::Images(paths.iter().map(PathBuf::from).collect())),
        }
    }
}

/// Whether this is meant as a URL: a scheme, then `://`.
fn is_url(source: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    source.split_once("://").is_some_and(|(before, _)| scheme(before))
}

impl fmt::Display for RecoveryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iscsi(url) => url.fmt(f),
            Self::Images(paths) => {
                let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&names.join(" "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sources: &[&str]) -> Result<RecoveryPoint, SourceError> {
        RecoveryPoint::parse(&sources.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn paths_are_images_in_their_order() {
        let images = RecoveryPoint::Images(vec!["b.img".into(), "./a:b.img".into()]);
        assert_eq!(parse(&["b.img", "./a:b.img"]), Ok(images));
    }

    #[test]
    fn a_url_stands_alone() {
        assert_eq!(parse(&["iscsis://h/iqn.2024-01.t:d", "a.img"]), Err(SourceError::Mixed));
        assert_eq!(parse(&[]), Err(SourceError::Nothing));
        assert!(matches!(parse(&["iscsis://h/iqn.2024-01.t:d"]), Ok(RecoveryPoint::Iscsi(_))));
    }

    #[test]
    fn an_unknown_scheme_is_refused_and_not_taken_for_a_file() {
        let Err(SourceError::Url { problem, .. }) = parse(&["https://host/x"]) else { panic!("it was accepted") };
        assert!(problem.contains("https"), "{problem}");
    }
}
