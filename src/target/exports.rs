//! Where a portal finds what it serves.

use crate::Export;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// An export that is being looked for.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Arc<Export>, Unavailable>> + Send + 'a>>;

/// What a portal serves, and who is told about it. The same export must be given as the same `Arc` for as long as it has
/// sessions: they belong to it.
pub trait Exports: Send + Sync {
    /// The export whose CHAP user this is. May take its time, up to the login timeout; it is asked once per login, before
    /// the secret is proved, so anybody may ask anything. One that was withdrawn or expired is given too
    /// ([`Export::gone`]), so that its holder, and nobody else, can be told.
    fn by_user<'a>(&'a self, user: &'a str) -> Lookup<'a>;

    /// The exports that have no CHAP user: everybody may see and read them.
    fn public(&self) -> Vec<Arc<Export>> {
        Vec::new()
    }

    /// Something happened that an audit log has to know. Must return soon.
    fn event(&self, event: &SessionEvent) {
        let _ = event;
    }
}

/// Why there is no export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Nobody has this name. The login goes on as if its secret were wrong.
    NotFound,
    /// It cannot be looked for now; the initiator is told to try again later (status 0302h).
    Busy,
}

/// A session began or ended, or a login was refused. Discovery is not told when it goes well.
#[derive(Clone, Debug)]
pub struct SessionEvent {
    /// The export; `None` when a login was refused before it proved to be the holder of any.
    pub export: Option<Arc<Export>>,
    /// Where the connection came from, as the portal sees it.
    pub peer: SocketAddr,
    /// InitiatorName in lower case; empty when it was not told.
    pub initiator: String,
    /// What happened.
    pub kind: SessionEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEventKind {
    /// It logged in.
    LoggedIn,
    /// It is over.
    Ended {
        /// Bytes of disks that it was sent.
        bytes_read: u64,
        /// Why, for people.
        why: String,
    },
    /// The login was refused.
    Refused {
        /// The CHAP user that was named, if any. Not proved by anything.
        user: Option<String>,
        /// Status-Class and Status-Detail (RFC 7143 section 11.13.5), in one number.
        status: u16,
    },
}

/// One export.
pub(crate) struct Single(pub(crate) Arc<Export>);

impl Exports for Single {
    fn by_user<'a>(&'a self, user: &'a str) -> Lookup<'a> {
        let is_it = self.0.chap().is_some_and(|chap| chap.user == user);
        let found = if is_it { Ok(Arc::clone(&self.0)) } else { Err(Unavailable::NotFound) };
        Box::pin(std::future::ready(found))
    }

    fn public(&self) -> Vec<Arc<Export>> {
        if self.0.chap().is_none() { vec![Arc::clone(&self.0)] } else { Vec::new() }
    }
}
