//! The login phase as the target sees it (RFC 7143 sections 6.3 and 11.12), without I/O: what each Login Request is
//! answered with, and what was agreed in the end.

mod negotiation;
mod security;
mod status;

pub(crate) use negotiation::{Agreed, RECEIVE_MAX, Reply};
pub(crate) use status::Status;

use crate::Export;
use crate::sessions::InitiatorPort;
use crate::shared::Shared;
use iscsi::pdu::{LoginRequest, Stage};
use iscsi::text::{Pairs, Parts};
use negotiation::SEGMENT_DEFAULT;
use security::Security;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A login text that is longer than this, over all its PDUs, is not taken (RFC 7143 section 6.1 asks for as much).
const TEXT_MAX: usize = 16 << 10;
/// A login that takes more requests than this is not going to end.
const REQUESTS_MAX: u32 = 64;
/// No initiator has so many keys to say.
const KEYS_MAX: usize = 256;
/// The only portal group.
pub(crate) const PORTAL_GROUP: u16 = 1;
/// iSCSI names are no longer than this (RFC 7143 section 4.2.7.1).
const NAME_MAX: usize = 223;

/// What a Login Request is answered with when it is not refused.
#[derive(Debug, Default)]
pub(crate) struct LoginAnswer {
    /// The initiator may go to the stage that it wants.
    pub(crate) transit: bool,
    pub(crate) text: Pairs,
    /// The login is over, with success.
    pub(crate) established: Option<Established>,
}

/// A login that succeeded.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) agreed: Agreed,
    pub(crate) purpose: Purpose,
}

/// What a session is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// To be told of these.
    Discovery(Vec<Arc<Export>>),
    Normal(InitiatorPort, Arc<Export>),
}

/// A login under way.
pub(crate) struct Login {
    shared: Arc<Shared>,
    begun: Option<Begun>,
    requests: u32,
    text: Parts,
    /// A key may be negotiated once only.
    keys_seen: BTreeSet<String>,
    introduced: Option<Introduced>,
    purpose: Option<Purpose>,
    security: Security,
    agreed: Agreed,
    declared: bool,
}

/// What the first request fixed, and the stage that was reached.
struct Begun {
    initiator_task_tag: u32,
    isid: [u8; 6],
    tsih: u16,
    cid: u16,
    stage: Stage,
}

/// Who comes, and to which target; none for discovery.
struct Introduced {
    port: InitiatorPort,
    target: Option<String>,
}

impl Login {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            begun: None,
            requests: 0,
            text: Parts::new(TEXT_MAX),
            keys_seen: BTreeSet::new(),
            introduced: None,
            purpose: None,
            security: Security::default(),
            agreed: Agreed::default(),
            declared: false,
        }
    }

    /// InitiatorName in lower case, as far as it is known.
    pub(crate) fn initiator(&self) -> &str {
        self.introduced.as_ref().map_or("", |introduced| &introduced.port.name)
    }

    /// The CHAP user that it says it is.
    pub(crate) fn user(&self) -> Option<&str> {
        self.security.user()
    }

    /// The export whose holder it proved to be.
    pub(crate) const fn proven(&self) -> Option<&Arc<Export>> {
        self.security.proven()
    }

    /// The answer to a request. After a refusal nothing more can be asked.
    pub(crate) async fn answer(&mut self, request: &LoginRequest) -> Result<LoginAnswer, Status> {
        let stage = self.check(request)?;
        let text = self.text.push(&request.data, request.stage.continues).map_err(|_| Status::INITIATOR_ERROR)?;
        let mut answer = LoginAnswer::default();
        let Some(text) = text else { return Ok(answer) };
        let all_new = text.iter().all(|(key, _)| self.keys_seen.insert(key.to_owned()));
        if !all_new || self.keys_seen.len() > KEYS_MAX {
            return Err(Status::INITIATOR_ERROR);
        }
        if self.introduced.is_none() {
            self.introduce(request, &text, &mut answer)?;
        }
        if stage == Stage::Security {
            let proven = self.security.answer(&self.shared, &text, &mut answer.text).await?;
            if let Some(export) = proven {
                self.admit(vec![export])?;
            }
        } else if !self.security.is_done() {
            return Err(self.security.unproven());
        }
        self.negotiate(stage, &text, &mut answer);
        if answer.text.encode().len() > SEGMENT_DEFAULT {
            return Err(Status::INITIATOR_ERROR); // of so many keys most are none
        }
        self.advance(request, &mut answer);
        Ok(answer)
    }

    /// What has to hold for every request, and what makes the first one acceptable; says in which stage it is.
    fn check(&mut self, request: &LoginRequest) -> Result<Stage, Status> {
        self.requests = self.requests.saturating_add(1);
        let stage = request.stage.current;
        let Some(begun) = &self.begun else {
            self.begun = Some(begin(request)?);
            return Ok(stage);
        };
        let same = begun.initiator_task_tag == request.initiator_task_tag
            && begun.isid == request.isid
            && begun.cid == request.cid
            && begun.stage == stage
            && begun.tsih == request.tsih;
        if same && self.requests <= REQUESTS_MAX { Ok(stage) } else { Err(Status::INITIATOR_ERROR) }
    }

    /// The first complete text says who comes, what for, and to which target.
    fn introduce(&mut self, request: &LoginRequest, text: &Pairs, answer: &mut LoginAnswer) -> Result<(), Status> {
        let name = text.value("InitiatorName").filter(|name| !name.is_empty()).ok_or(Status::MISSING_PARAMETER)?;
        let target = text.value("TargetName");
        if name.len() > NAME_MAX || target.is_some_and(|target| target.len() > NAME_MAX) {
            return Err(Status::INITIATOR_ERROR);
        }
        let target = match text.value("SessionType") {
            Some("Discovery") => None,
            Some("Normal") | None => Some(target.ok_or(Status::MISSING_PARAMETER)?.to_owned()),
            Some(_) => return Err(Status::UNSUPPORTED_SESSION_TYPE),
        };
        let port = InitiatorPort { name: name.to_lowercase(), isid: request.isid };
        if target.is_some() {
            if let Some(redirect) = self.shared.take_redirection() {
                return Err(Status::moved(redirect));
            }
            if let Some(refusal) = self.shared.take_refusal() {
                return Err(Status::refused(refusal));
            }
            answer.text.push("TargetPortalGroupTag", PORTAL_GROUP.to_string());
        }
        let public = self.shared.exports.public();
        let is_public = match &target {
            None => !public.is_empty(),
            Some(name) => public.iter().any(|export| export.is_named(name)),
        };
        self.introduced = Some(Introduced { port, target });
        self.security = Security::new(!is_public, !public.is_empty());
        if is_public { self.admit(public) } else { Ok(()) }
    }

    /// Fixes what the session is for, as far as the exports go that this initiator may see.
    fn admit(&mut self, mut visible: Vec<Arc<Export>>) -> Result<(), Status> {
        let (Some(introduced), Some(begun)) = (&self.introduced, &self.begun) else {
            return Err(Status::TARGET_ERROR); // never asked for before both are there
        };
        if let Some(target) = &introduced.target {
            visible.retain(|export| export.is_named(target));
            if visible.is_empty() {
                return Err(Status::TARGET_NOT_FOUND);
            }
        }
        visible.retain(|export| !export.is_withdrawn());
        let first = visible.first().ok_or(Status::TARGET_REMOVED)?;
        // One connection per session: nothing can be added to one.
        let sessions = introduced.target.is_some().then_some(&first.sessions);
        match begun.tsih {
            0 => {}
            tsih if sessions.is_some_and(|sessions| sessions.has(tsih)) => {
                return Err(Status::CANNOT_INCLUDE_IN_SESSION);
            }
            _ => return Err(Status::SESSION_DOES_NOT_EXIST),
        }
        self.purpose = Some(match introduced.target {
            Some(_) => Purpose::Normal(introduced.port.clone(), Arc::clone(first)),
            None => Purpose::Discovery(visible),
        });
        Ok(())
    }

    fn negotiate(&mut self, stage: Stage, text: &Pairs, answer: &mut LoginAnswer) {
        for (key, value) in text.iter() {
            if let Reply::Value(reply) = self.agreed.answer(key, value) {
                answer.text.push(key, reply);
            }
        }
        if stage == Stage::Operational && !self.declared {
            self.declared = true;
            answer.text.push("MaxRecvDataSegmentLength", RECEIVE_MAX.to_string());
        }
    }

    /// Goes on to the next stage when the initiator wants to and nothing stands against it.
    fn advance(&mut self, request: &LoginRequest, answer: &mut LoginAnswer) {
        let Some(next) = request.stage.transit_to.filter(|_| self.security.is_done()) else {
            return;
        };
        answer.transit = true;
        if let Some(begun) = &mut self.begun {
            begun.stage = next;
        }
        if next == Stage::FullFeature {
            let agreed = self.agreed;
            answer.established = self.purpose.clone().map(|purpose| Established { agreed, purpose });
        }
    }
}

fn begin(request: &LoginRequest) -> Result<Begun, Status> {
    if request.version_min > 0 {
        return Err(Status::UNSUPPORTED_VERSION);
    }
    Ok(Begun {
        initiator_task_tag: request.initiator_task_tag,
        isid: request.isid,
        tsih: request.tsih,
        cid: request.cid,
        stage: request.stage.current,
    })
}
