//! The login phase as the target sees it (RFC 7143 sections 6.3 and 11.12), without I/O: what each Login Request is
//! answered with, and what was agreed in the end.

mod negotiation;
mod security;
mod status;

pub(crate) use negotiation::{Agreed, RECEIVE_MAX, Reply};
pub(crate) use status::Status;

use crate::sessions::InitiatorPort;
use crate::shared::Shared;
use iscsi::pdu::{LoginRequest, Stage};
use iscsi::text::{Pairs, Parts};
use negotiation::SEGMENT_DEFAULT;
use security::Security;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A login text that is longer than this, over all its PDUs, is not taken.
const TEXT_MAX: usize = 64 << 10;
/// A login that takes more requests than this is not going to end.
const REQUESTS_MAX: u32 = 64;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Discovery,
    Normal(InitiatorPort),
}

/// A login under way.
pub(crate) struct Login {
    shared: Arc<Shared>,
    begun: Option<Begun>,
    requests: u32,
    text: Parts,
    /// A key may be negotiated once only.
    keys_seen: BTreeSet<String>,
    purpose: Option<Purpose>,
    security: Security,
    agreed: Agreed,
    declared: bool,
}

/// What the first request fixed, and the stage that was reached.
struct Begun {
    initiator_task_tag: u32,
    isid: [u8; 6],
    cid: u16,
    stage: Stage,
}

impl Login {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            begun: None,
            requests: 0,
            text: Parts::new(TEXT_MAX),
            keys_seen: BTreeSet::new(),
            purpose: None,
            security: Security::default(),
            agreed: Agreed::default(),
            declared: false,
        }
    }

    /// The answer to a request. After a refusal nothing more can be asked.
    pub(crate) fn answer(&mut self, request: &LoginRequest) -> Result<LoginAnswer, Status> {
        let stage = self.check(request)?;
        let text = self.text.push(&request.data, request.stage.continues).map_err(|_| Status::INITIATOR_ERROR)?;
        let mut answer = LoginAnswer::default();
        let Some(text) = text else { return Ok(answer) };
        if !text.iter().all(|(key, _)| self.keys_seen.insert(key.to_owned())) {
            return Err(Status::INITIATOR_ERROR);
        }
        if self.purpose.is_none() {
            self.introduce(request.isid, &text, &mut answer)?;
        }
        if stage == Stage::Security {
            self.security.answer(&self.shared.config, &text, &mut answer.text)?;
        } else if !self.security.is_done(&self.shared.config) {
            return Err(Status::AUTHENTICATION_FAILURE);
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
            self.begun = Some(self.begin(request)?);
            return Ok(stage);
        };
        let same = begun.initiator_task_tag == request.initiator_task_tag
            && begun.isid == request.isid
            && begun.cid == request.cid
            && begun.stage == stage
            && request.tsih == 0;
        if same && self.requests <= REQUESTS_MAX { Ok(stage) } else { Err(Status::INITIATOR_ERROR) }
    }

    fn begin(&self, request: &LoginRequest) -> Result<Begun, Status> {
        if request.version_min > 0 {
            return Err(Status::UNSUPPORTED_VERSION);
        }
        match request.tsih {
            0 => {}
            tsih if self.shared.sessions.has(tsih) => return Err(Status::CANNOT_INCLUDE_IN_SESSION),
            _ => return Err(Status::SESSION_DOES_NOT_EXIST),
        }
        Ok(Begun {
            initiator_task_tag: request.initiator_task_tag,
            isid: request.isid,
            cid: request.cid,
            stage: request.stage.current,
        })
    }

    /// The first complete text says who comes, what for, and to which target.
    fn introduce(&mut self, isid: [u8; 6], text: &Pairs, answer: &mut LoginAnswer) -> Result<(), Status> {
        let name = text.value("InitiatorName").filter(|name| !name.is_empty()).ok_or(Status::MISSING_PARAMETER)?;
        if name.len() > NAME_MAX {
            return Err(Status::INITIATOR_ERROR);
        }
        let purpose = match text.value("SessionType") {
            Some("Discovery") => Purpose::Discovery,
            Some("Normal") | None => Purpose::Normal(InitiatorPort { name: name.to_lowercase(), isid }),
            Some(_) => return Err(Status::UNSUPPORTED_SESSION_TYPE),
        };
        let is_ours = |target: &str| target.eq_ignore_ascii_case(&self.shared.config.iqn);
        match (&purpose, text.value("TargetName").map(is_ours)) {
            (Purpose::Normal(_), None) => return Err(Status::MISSING_PARAMETER),
            (_, Some(false)) => return Err(Status::TARGET_NOT_FOUND),
            (Purpose::Discovery, _) => {}
            (Purpose::Normal(_), Some(true)) => {
                if let Some(redirect) = self.shared.take_redirection() {
                    return Err(Status::moved(redirect));
                }
                if let Some(refusal) = self.shared.take_refusal() {
                    return Err(Status::refused(refusal));
                }
                answer.text.push("TargetPortalGroupTag", PORTAL_GROUP.to_string());
            }
        }
        self.purpose = Some(purpose);
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
        let Some(next) = request.stage.transit_to.filter(|_| self.security.is_done(&self.shared.config)) else {
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
