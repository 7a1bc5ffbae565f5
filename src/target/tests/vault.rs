//! Several exports behind one portal, as a recovery service has them.

use super::disks::disk;
use super::initiator::{Initiator, NAME, pairs, stage};
use crate::{Export, ExportConfig, Exports, Handle, Lookup, Portal, PortalConfig, SessionEvent, Unavailable};
use iscsi::chap::{Challenge, ChapAlgorithm, ChapCredentials, format_binary};
use iscsi::pdu::{LoginResponse, Stage};
use iscsi::text::Pairs;
use secrecy::SecretString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// As much is on the disk of each export.
pub(super) const BYTES: usize = 1 << 20;

pub(super) fn iqn(user: &str) -> String {
    format!("iqn.2024-01.test.invalid:{user}")
}

pub(super) fn secret(user: &str) -> String {
    format!("the secret of {user}")
}

pub(super) fn credentials(user: &str) -> ChapCredentials {
    ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret(user)) }
}

/// The configuration of a user's export, with one disk.
pub(super) fn export(user: &str, number: u8) -> ExportConfig {
    ExportConfig { chap: Some(credentials(user)), ..ExportConfig::new(iqn(user), vec![disk(number, BYTES)]) }
}

#[derive(Default)]
pub(super) struct Vault {
    pub(super) exports: Vec<Arc<Export>>,
    /// How many were looked for.
    pub(super) lookups: AtomicUsize,
    pub(super) events: Mutex<Vec<SessionEvent>>,
    /// Looking takes so long.
    pub(super) lookup_time: Duration,
    pub(super) is_busy: bool,
}

impl Vault {
    /// Exports of `a` and `b`.
    pub(super) fn of_two() -> Self {
        let exports = [("a", 1), ("b", 2)].map(|(user, number)| Arc::new(Export::new(export(user, number)).unwrap()));
        Self { exports: exports.to_vec(), ..Self::default() }
    }

    /// What happened, in short.
    pub(super) fn told(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let short = |event: &SessionEvent| {
            let export = event.export.as_ref().map_or("-", |export| export.iqn());
            format!("{export} {} {:?}", event.initiator, event.kind)
        };
        events.iter().map(short).collect()
    }
}

impl Exports for Vault {
    fn by_user<'a>(&'a self, user: &'a str) -> Lookup<'a> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::time::sleep(self.lookup_time).await;
            let is_it = |export: &&Arc<Export>| export.chap().is_some_and(|chap| chap.user == user);
            match self.exports.iter().find(is_it) {
                _ if self.is_busy => Err(Unavailable::Busy),
                Some(export) => Ok(Arc::clone(export)),
                None => Err(Unavailable::NotFound),
            }
        })
    }

    fn event(&self, event: &SessionEvent) {
        self.events.lock().unwrap().push(event.clone());
    }
}

/// Limits that do not slow tests down.
pub(super) fn config() -> PortalConfig {
    PortalConfig { refusal_delay: Duration::from_millis(1), ..PortalConfig::default() }
}

pub(super) async fn serve(vault: &Arc<Vault>, config: PortalConfig) -> Handle {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    Portal::new(config, Arc::clone(vault) as Arc<dyn Exports>).serve(listener, None).unwrap()
}

/// Who logs in, and where to; no target is discovery.
pub(super) struct Visitor<'a> {
    pub(super) user: &'a str,
    pub(super) secret: &'a str,
    pub(super) target: Option<&'a str>,
}

/// Goes through CHAP up to the response to the challenge, which is sent.
pub(super) async fn offer(initiator: &mut Initiator, visitor: &Visitor<'_>) {
    let session = match visitor.target {
        Some(target) => [("SessionType", "Normal"), ("TargetName", target)].to_vec(),
        None => [("SessionType", "Discovery")].to_vec(),
    };
    let keys = [&[("InitiatorName", NAME), ("AuthMethod", "CHAP,None")][..], &session].concat();
    let response = initiator.login(stage(Stage::Security, None), &keys).await;
    assert_eq!(Pairs::parse(&response.data).unwrap().value("AuthMethod"), Some("CHAP"));
    let response = initiator.login(stage(Stage::Security, None), &[("CHAP_A", "7")]).await;
    let answer = Pairs::parse(&response.data).unwrap();
    let challenge = Challenge::parse(answer.value("CHAP_I").unwrap(), answer.value("CHAP_C").unwrap()).unwrap();
    let proof = format_binary(&challenge.answer(ChapAlgorithm::Sha256, &SecretString::from(visitor.secret)));
    let keys = [("CHAP_N", visitor.user), ("CHAP_R", proof.as_str())];
    let request = initiator.login_request(stage(Stage::Security, Some(Stage::Operational)), pairs(&keys).encode());
    initiator.send(request.into_pdu()).await;
}

/// Goes through CHAP and gives the last answer: a refusal, or the one that begins the full feature phase.
pub(super) async fn visit(initiator: &mut Initiator, visitor: &Visitor<'_>) -> LoginResponse {
    offer(initiator, visitor).await;
    let response = initiator.login_response().await;
    if response.status_class != 0 {
        return response;
    }
    initiator.login(stage(Stage::Operational, Some(Stage::FullFeature)), &[]).await
}

/// The status of a visit by a new initiator whose ISID ends like this, and the initiator.
pub(super) async fn try_visit(portal: &Handle, isid: u8, visitor: &Visitor<'_>) -> ((u8, u8), Initiator) {
    let mut initiator = Initiator::connect(portal).await;
    initiator.isid[5] = isid;
    let response = visit(&mut initiator, visitor).await;
    ((response.status_class, response.status_detail), initiator)
}

/// A session of a user with its own target.
pub(super) async fn log_in(portal: &Handle, isid: u8, user: &str) -> Initiator {
    let (target, secret) = (iqn(user), secret(user));
    let visitor = Visitor { user, secret: &secret, target: Some(&target) };
    let (status, initiator) = try_visit(portal, isid, &visitor).await;
    assert_eq!(status, (0, 0));
    initiator
}
