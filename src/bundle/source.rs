//! What the user wrote as SOURCE.

use crate::azure::{AzureError, AzureScript};
use crate::sealed::{BundleError, SealedBundle};
use crate::{IscsiUrl, description};
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

/// A recovery point: disks, and where they are.
#[derive(Clone, Debug)]
pub enum RecoveryPoint {
    /// The disks of an iSCSI target, or of every target of a portal.
    Iscsi(IscsiUrl),
    /// Disk image files of this machine, in the order of the disks.
    Images(Vec<PathBuf>),
    /// What a sealed bundle offers.
    Sealed {
        /// The bundle as the user named it.
        file: String,
        /// What is in it.
        bundle: Box<SealedBundle>,
    },
    /// What a script of Azure Backup leads to.
    Azure {
        /// The script as the user named it.
        file: String,
        /// What is in it.
        script: Box<AzureScript>,
    },
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
    /// A bundle or a script was mixed with other sources.
    #[error("'{file}' describes a whole recovery point: it cannot be combined with other sources")]
    MixedDescription {
        /// The bundle or script.
        file: String,
    },
    /// Nothing was given.
    #[error("no SOURCE was given")]
    Nothing,
    /// A program for Windows.
    #[error(
        "'{file}' is a program for Windows, as Azure Backup makes it for Windows VMs; fr-mount cannot read it. Ask Azure for \
         the script for Linux of the same recovery point, if it offers one: fr-mount reads NTFS all the same"
    )]
    WindowsProgram {
        /// The file.
        file: String,
    },
    /// A sealed bundle cannot be used.
    #[error("'{file}': {error}")]
    Bundle {
        /// The bundle.
        file: String,
        /// What is wrong with it.
        error: BundleError,
    },
    /// A script of Azure Backup cannot be used.
    #[error("'{file}': {error}")]
    Azure {
        /// The script.
        file: String,
        /// What is wrong with it.
        error: AzureError,
    },
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

    /// Understands the text of a file that [`crate::read_description`] found to describe a recovery point.
    ///
    /// # Errors
    /// [`SourceError`] says what is wrong with the text.
    pub fn from_description(file: &str, text: &str) -> Result<Self, SourceError> {
        let file = file.to_owned();
        if description::is_bundle(text) {
            return match SealedBundle::parse(text) {
                Ok(bundle) => Ok(Self::Sealed { file, bundle: Box::new(bundle) }),
                Err(error) => Err(SourceError::Bundle { file, error }),
            };
        }
        match AzureScript::parse(description::name(&file), text) {
            Ok(script) => Ok(Self::Azure { file, script: Box::new(script) }),
            Err(error) => Err(SourceError::Azure { file, error }),
        }
    }

    /// When the grant ends that it is read with; `None` where there is none, or where it does not say so.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self {
            Self::Sealed { bundle, .. } => bundle.offer().ends(),
            Self::Azure { .. } | Self::Iscsi(_) | Self::Images(_) => None,
        }
    }

    /// Whether whoever serves it can withdraw the access at any time.
    #[must_use]
    pub const fn is_revocable(&self) -> bool {
        matches!(self, Self::Sealed { .. } | Self::Azure { .. })
    }

    /// What the user should know of where it comes from.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        match self {
            Self::Sealed { bundle, .. } => bundle.notices(),
            Self::Azure { script, .. } => script.notices(),
            Self::Iscsi(_) | Self::Images(_) => Vec::new(),
        }
    }

    /// Which VM and recovery point it is, in words, where SOURCE says so.
    #[must_use]
    pub fn described(&self) -> Option<String> {
        match self {
            Self::Sealed { bundle, .. } => {
                let offer = bundle.offer();
                Some(format!("VM {}, recovery point {}", offer.vm, offer.point))
            }
            Self::Azure { script, .. } => Some(format!("VM {}, Azure Backup", script.vm)),
            Self::Iscsi(_) | Self::Images(_) => None,
        }
    }
}

/// Whether this is meant as a URL: a scheme, then `://`.
pub(crate) fn is_url(source: &str) -> bool {
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
            Self::Sealed { file, .. } | Self::Azure { file, .. } => {
                write!(f, "{file} ({})", self.described().unwrap_or_default())
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
        let Ok(RecoveryPoint::Images(paths)) = parse(&["b.img", "./a:b.img"]) else { panic!("they are images") };
        assert_eq!(paths, [PathBuf::from("b.img"), PathBuf::from("./a:b.img")]);
    }

    #[test]
    fn a_url_stands_alone() {
        assert_eq!(parse(&["iscsis://h/iqn.2024-01.t:d", "a.img"]).unwrap_err(), SourceError::Mixed);
        assert_eq!(parse(&[]).unwrap_err(), SourceError::Nothing);
        assert!(matches!(parse(&["iscsis://h/iqn.2024-01.t:d"]), Ok(RecoveryPoint::Iscsi(_))));
    }

    #[test]
    fn an_unknown_scheme_is_refused_and_not_taken_for_a_file() {
        let Err(SourceError::Url { problem, .. }) = parse(&["https://host/x"]) else { panic!("it was accepted") };
        assert!(problem.contains("https"), "{problem}");
    }
}
