//! Why a script cannot be used.

/// Why a script of Azure Backup cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AzureError {
    /// No script is as long as this.
    #[error("this is no script of Azure Backup: it has more than {} bytes", super::SCRIPT_BYTES_MAX)]
    TooLarge,
    /// It does not say what has to be known.
    #[error(
        "the script of Azure Backup does not say {0}: it is cut short, changed, or of a kind that is not known. Download it \
         again; if that does not help, tell the makers of fr-mount which date it has"
    )]
    Missing(&'static str),
    /// It says two different things.
    #[error("the script of Azure Backup gives {0} two different values: it was changed. Download it again")]
    Ambiguous(&'static str),
    /// What it says makes no sense.
    #[error(
        "the script of Azure Backup cannot be used: {name}: {problem}. It was changed or filled in wrongly; download it again"
    )]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
}
