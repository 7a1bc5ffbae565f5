//! How a recovery point is described to a client. Today that is a URL of an iSCSI target, or disk image files; the
//! result is always a [`RecoveryPoint`], whatever it was written as. How it is mounted is not known here.

mod source;
mod url;

pub use source::{RecoveryPoint, SourceError};
pub use url::IscsiUrl;
