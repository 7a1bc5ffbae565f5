//! What an audit log is told of a session.

use crate::sessions::{InitiatorPort, SessionEntry};
use crate::{Export, Exports, SessionEvent, SessionEventKind};
use std::net::SocketAddr;
use std::sync::Arc;

/// Tells that a session began, and, when it is dropped, that it ended: however that comes about.
pub(crate) struct Audit {
    exports: Arc<dyn Exports>,
    export: Arc<Export>,
    peer: SocketAddr,
    initiator: String,
    entry: Arc<SessionEntry>,
    /// Why the session ended, once that is known.
    pub(crate) why: Option<String>,
}

impl Audit {
    pub(crate) fn begin(
        exports: &Arc<dyn Exports>,
        export: &Arc<Export>,
        peer: SocketAddr,
        port: &InitiatorPort,
        entry: &Arc<SessionEntry>,
    ) -> Self {
        let audit = Self {
            exports: Arc::clone(exports),
            export: Arc::clone(export),
            peer,
            initiator: port.name.clone(),
            entry: Arc::clone(entry),
            why: None,
        };
        audit.tell(SessionEventKind::LoggedIn);
        audit
    }

    fn tell(&self, kind: SessionEventKind) {
        let (export, initiator) = (Some(Arc::clone(&self.export)), self.initiator.clone());
        self.exports.event(&SessionEvent { export, peer: self.peer, initiator, kind });
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let why = self.why.take().unwrap_or_else(|| "the portal closed its connections".to_owned());
        self.tell(SessionEventKind::Ended { bytes_read: self.entry.bytes_read(), why });
    }
}
