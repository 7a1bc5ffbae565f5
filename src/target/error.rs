//! Why a target cannot be served.

/// Why a target cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration makes no sense.
    #[error("the target cannot be served: {0}")]
    Config(&'static str),
    /// The listening socket is not usable.
    #[error("the target's socket is not usable: {0}")]
    Listener(#[from] std::io::Error),
}
