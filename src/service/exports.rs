//! What the iSCSI side serves: an export for each grant that is used, opened at its first login and closed when nobody uses it any
//! more. Grants and revocations of every process that shares the vault count.

use crate::audit::{Audit, Event, Line};
use crate::clock::Deadline;
use crate::key::{ServiceKey, grant_of_chap_user};
use crate::ledger::{Known, Ledger};
use crate::usage::{GrantUsage, Usage};
use crate::vault::{Images, Vault};
use crate::{Error, Grant, GrantId, GrantState, PointId, SessionStatus, UnixTime, VmName};
use block::Disk;
use iscsi::chap::ChapCredentials;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use target::{Export, ExportConfig, Exports, Lookup, SessionEvent, SessionEventKind, Unavailable};
use tokio::sync::OnceCell;

/// An export that nobody uses is closed after this time: reconnecting within it costs nothing.
const KEPT_UNUSED: Duration = Duration::from_secs(120);

/// The exports of this process.
pub(crate) struct LiveExports {
    vault: Vault,
    images: Images,
    ledger: Arc<Ledger>,
    key: Arc<ServiceKey>,
    audit: Audit,
    sessions_max: usize,
    live: Mutex<HashMap<GrantId, Arc<Live>>>,
    /// The disks of points, shared by all grants for them.
    points: Mutex<HashMap<(VmName, PointId), Weak<Disks>>>,
    /// Bytes read through exports that were closed.
    closed: Mutex<HashMap<GrantId, (Deadline, u64)>>,
}

/// The open disks of a point.
struct Disks(Vec<Arc<dyn Disk>>);

/// A grant that is used.
struct Live {
    grant: Arc<Grant>,
    deadline: Deadline,
    opened: OnceCell<Opened>,
    used_at: Mutex<Duration>,
}

struct Opened {
    export: Arc<Export>,
    /// Keeps them shared.
    _disks: Arc<Disks>,
}

impl LiveExports {
    pub(crate) fn new(
        vault: Vault,
        images: Images,
        ledger: Arc<Ledger>,
        key: Arc<ServiceKey>,
        audit: Audit,
        sessions_max: usize,
    ) -> Self {
        let (live, points, closed) = Default::default();
        Self { vault, images, ledger, key, audit, sessions_max, live, points, closed }
    }

    /// The export of the grant with this CHAP user, if there is one.
    async fn find(&self, user: &str) -> Result<Option<Arc<Export>>, Error> {
        let Some(id) = grant_of_chap_user(user) else { return Ok(None) };
        let Some(known) = self.ledger.find(&id).await? else { return Ok(None) };
        if self.ledger.state(&known).await? != GrantState::Active {
            self.withdraw(&id);
            return self.gone(&known.grant).map(Some);
        }
        let live = self.enter(&known);
        let opened = live.opened.get_or_try_init(|| self.open(&known.grant)).await?;
        let export = Arc::clone(&opened.export);
        // It may have been revoked while its disks were opened.
        if self.ledger.state(&known).await? != GrantState::Active {
            export.withdraw();
        }
        Ok(Some(export))
    }

    /// What tells the holder of a grant that it has ended.
    fn gone(&self, grant: &Grant) -> Result<Arc<Export>, Error> {
        let (chap, reverse) = self.credentials(grant)?;
        let gone = Export::gone(grant.target.clone(), chap, Some(reverse));
        gone.map(Arc::new).map_err(|error| Error::internal(error.to_string()))
    }

    async fn open(&self, grant: &Grant) -> Result<Opened, Error> {
        let disks = self.disks(&grant.vm, &grant.point).await?;
        let (chap, reverse) = self.credentials(grant)?;
        let config = ExportConfig {
            chap: Some(chap),
            reverse: Some(reverse),
            sessions_max: self.sessions_max,
            ..ExportConfig::new(grant.target.clone(), disks.0.clone())
        };
        let export = Export::new(config).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Opened { export: Arc::new(export), _disks: disks })
    }

    /// The disks of a point, opened once for all who read it.
    async fn disks(&self, vm: &VmName, point: &PointId) -> Result<Arc<Disks>, Error> {
        let key = (vm.clone(), point.clone());
        if let Some(disks) = lock(&self.points).get(&key).and_then(Weak::upgrade) {
            return Ok(disks);
        }
        let manifest = self.vault.manifest(vm, point).await?;
        let manifest = manifest.ok_or_else(|| Error::not_found(format!("the point '{point}' of '{vm}' is gone")))?;
        let disks = Arc::new(Disks(self.images.disks(&manifest).await?));
        let mut points = lock(&self.points);
        points.retain(|_, disks| disks.strong_count() > 0);
        if let Some(others) = points.get(&key).and_then(Weak::upgrade) {
            return Ok(others);
        }
        points.insert(key, Arc::downgrade(&disks));
        Ok(disks)
    }

    fn credentials(&self, grant: &Grant) -> Result<(ChapCredentials, ChapCredentials), Error> {
        let chap = self.key.chap(grant)?;
        Ok((
            ChapCredentials { user: chap.user, secret: chap.secret },
            ChapCredentials { user: chap.target_user, secret: chap.target_secret },
        ))
    }

    fn enter(&self, known: &Known) -> Arc<Live> {
        let mut live = lock(&self.live);
        let entry = live.entry(known.grant.id.clone()).or_insert_with(|| {
            Arc::new(Live {
                grant: Arc::clone(&known.grant),
                deadline: known.deadline,
                opened: OnceCell::new(),
                used_at: Mutex::new(Duration::ZERO),
            })
        });
        *lock(&entry.used_at) = program::since_boot();
        Arc::clone(entry)
    }

    /// Ends the sessions of a grant in this process.
    pub(crate) fn withdraw(&self, grant: &GrantId) {
        let live = lock(&self.live).get(grant).cloned();
        if let Some(opened) = live.as_ref().and_then(|live| live.opened.get()) {
            opened.export.withdraw();
        }
    }

    /// Ends what has expired or was revoked anywhere, and closes what nobody uses. To be called every second or two.
    pub(crate) async fn tend(&self) -> Result<(), Error> {
        let live: Vec<_> = lock(&self.live).values().cloned().collect();
        for live in &live {
            self.tend_one(live);
        }
        let ids = live.iter().filter(|live| !live.is_withdrawn()).map(|live| live.grant.id.clone());
        for revocation in self.ledger.revoked(ids.collect()).await? {
            self.withdraw(&revocation.id);
        }
        Ok(())
    }

    fn tend_one(&self, live: &Arc<Live>) {
        let Some(opened) = live.opened.get() else {
            self.close_if_unused(live, 0);
            return;
        };
        let usage = opened.export.usage();
        if live.deadline.is_over() && !opened.export.is_withdrawn() {
            opened.export.withdraw();
            if !usage.sessions.is_empty() {
                self.audit.note(Line::new(Event::GrantExpired).grant(&live.grant));
            }
        }
        if usage.sessions.is_empty() {
            self.close_if_unused(live, usage.bytes_read);
        } else {
            *lock(&live.used_at) = program::since_boot();
        }
    }

    fn close_if_unused(&self, live: &Arc<Live>, bytes_read: u64) {
        if program::since_boot().saturating_sub(*lock(&live.used_at)) < KEPT_UNUSED {
            return;
        }
        lock(&self.live).remove(&live.grant.id);
        let mut closed = lock(&self.closed);
        closed.retain(|_, (deadline, _)| !deadline.is_over());
        if bytes_read > 0 {
            let entry = closed.entry(live.grant.id.clone()).or_insert((live.deadline, 0));
            entry.1 = entry.1.saturating_add(bytes_read);
        }
    }

    /// How this process is used.
    pub(crate) fn usage(&self) -> Usage {
        let closed = lock(&self.closed).iter().map(|(id, (_, bytes))| (id.clone(), *bytes)).collect::<Vec<_>>();
        let mut all = Usage::new();
        for (id, bytes_read) in closed {
            all.insert(id, GrantUsage { sessions: Vec::new(), bytes_read });
        }
        let live: Vec<_> = lock(&self.live).values().cloned().collect();
        for live in live {
            let Some(opened) = live.opened.get() else { continue };
            let usage = opened.export.usage();
            let session = |session: &target::SessionUsage| SessionStatus {
                initiator: session::printable(&session.initiator),
                peer: session.peer.ip().to_canonical().to_string(),
                since: UnixTime::from(session.since),
                bytes_read: session.bytes_read,
            };
            let entry = all.entry(live.grant.id.clone()).or_default();
            entry.bytes_read = entry.bytes_read.saturating_add(usage.bytes_read);
            entry.sessions.extend(usage.sessions.iter().map(session));
        }
        all
    }

    fn grant_of(&self, export: &Export) -> Option<Arc<Grant>> {
        let id: GrantId = export.iqn().rsplit_once(':')?.1.parse().ok()?;
        lock(&self.live).get(&id).map(|live| Arc::clone(&live.grant))
    }
}

impl Live {
    fn is_withdrawn(&self) -> bool {
        self.opened.get().is_some_and(|opened| opened.export.is_withdrawn())
    }
}

impl Exports for LiveExports {
    fn by_user<'a>(&'a self, user: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            match self.find(user).await {
                Ok(Some(export)) => Ok(export),
                Ok(None) => Err(Unavailable::NotFound),
                Err(error) => {
                    tracing::warn!("a login has to wait: {error}");
                    Err(Unavailable::Busy)
                }
            }
        })
    }

    fn event(&self, event: &SessionEvent) {
        let line = |kind| {
            let line = Line::new(kind).from(&event.peer.ip().to_canonical().to_string()).initiator(&event.initiator);
            match event.export.as_ref() {
                Some(export) => match self.grant_of(export) {
                    Some(grant) => line.grant(&grant).user(&grant.user),
                    None => match export.iqn().rsplit_once(':').and_then(|(_, id)| id.parse().ok()) {
                        Some(id) => line.grant_id(&id),
                        None => line,
                    },
                },
                None => line,
            }
        };
        self.audit.note(match &event.kind {
            SessionEventKind::LoggedIn => line(Event::SessionBegan),
            SessionEventKind::Ended { bytes_read, why } => {
                let is_withdrawn = event.export.as_ref().is_some_and(|export| export.is_withdrawn());
                let why = if is_withdrawn { "the grant has expired or was revoked" } else { why };
                line(Event::SessionEnded).bytes_read(*bytes_read).reason(why)
            }
            SessionEventKind::Refused { user, status } => {
                let named = user.as_deref().and_then(grant_of_chap_user);
                let line = line(Event::LoginRefused).reason(&refusal(*status));
                match (named, &event.export) {
                    // What was named and not proved is told all the same: it says whose grant somebody tried.
                    (Some(id), None) => line.grant_id(&id),
                    _ => line,
                }
            }
        });
    }
}

/// Status-Class and Status-Detail of a login in words (RFC 7143 section 11.13.5).
fn refusal(status: u16) -> String {
    let meaning = match status {
        0x0201 => "wrong user or secret",
        0x0202 => "not allowed",
        0x0203 => "no such target",
        0x0204 => "the grant has expired or was revoked",
        0x0205 => "unsupported version",
        0x0206 | 0x0302 => "too many connections or sessions, or the vault does not answer",
        _ => "refused",
    };
    format!("{meaning} (status {status:04x}h)")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
