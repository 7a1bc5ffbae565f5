//! The login phase as the target sees it (RFC 7143 sections 6.3 and 11.12), without I/O: what each Login Request is
//! answered with, and what was agreed in the end.

mod negotiation;
mod security;
mod status;

pub(crate) use negotiation::{Agreed, RECEIVE_DEFAULT, RECEIVE_MAX, Reply};
pub(crate) use status::Status;

use crate::connection::Shared;
use crate::sessions::InitiatorPort;
use crate::text::Keys;
use bytes::BytesMut;
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

/// Stages as CSG and NSG tell them.
const SECURITY_NEGOTIATION: u8 = 0;
const OPERATIONAL_NEGOTIATION: u8 = 1;
const FULL_FEATURE: u8 = 3;

/// What matters of a Login Request's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginRequest {
    pub(crate) task_tag: u32,
    pub(crate) transit: bool,
    pub(crate) continues: bool,
    pub(crate) current_stage: u8,
    pub(crate) next_stage: u8,
    pub(crate) version_min: u8,
    pub(crate) isid: [u8; 6],
    pub(crate) tsih: u16,
    pub(crate) connection_id: u16,
}

/// What a Login Request is answered with when it is not refused.
#[derive(Debug, Default)]
pub(crate) struct LoginAnswer {
    /// Into NSG, with the T bit.
    pub(crate) transit: bool,
    pub(crate) keys: Vec<(String, String)>,
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
    Discovery,
    Normal(InitiatorPort),
}

/// A login under way.
pub(crate) struct Login {
    shared: Arc<Shared>,
    /// The request that began it.
    first: Option<LoginRequest>,
    requests: u32,
    stage: u8,
    /// Text of a request that is not complete yet.
    text: BytesMut,
    keys_seen: BTreeSet<String>,
    purpose: Option<Purpose>,
    security: Security,
    agreed: Agreed,
    declared: bool,
}

impl Login {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            first: None,
            requests: 0,
            stage: SECURITY_NEGOTIATION,
            text: BytesMut::new(),
            keys_seen: BTreeSet::new(),
            purpose: None,
            security: Security::default(),
            agreed: Agreed::default(),
            declared: false,
        }
    }

    /// The answer to a request with this text in its data segment.
    pub(crate) fn answer(&mut self, request: &LoginRequest, text: &[u8]) -> Result<LoginAnswer, Status> {
        self.check(request)?;
        if self.text.len().saturating_add(text.len()) > TEXT_MAX {
            return Err(Status::INITIATOR_ERROR);
        }
        self.text.extend_from_slice(text);
        if request.continues {
            return Ok(LoginAnswer::default());
        }
        let text = self.text.split();
        let mut keys = Keys::parse(&text).ok_or(Status::INITIATOR_ERROR)?;
        if !keys.names().all(|name| self.keys_seen.insert(name.to_owned())) {
            return Err(Status::INITIATOR_ERROR); // a key may be negotiated once only
        }
        let mut answer = LoginAnswer::default();
        if self.purpose.is_none() {
            self.introduce(request.isid, &mut keys, &mut answer)?;
        }
        self.authenticate(&mut keys, &mut answer)?;
        for (key, value) in keys {
            if let Reply::Value(reply) = self.agreed.answer(&key, &value) {
                answer.keys.push((key, reply));
            }
        }
        if self.stage == OPERATIONAL_NEGOTIATION && !self.declared {
            self.declared = true;
            answer.keys.push(("MaxRecvDataSegmentLength".to_owned(), RECEIVE_MAX.to_string()));
        }
        self.advance(request, &mut answer);
        Ok(answer)
    }

    /// What has to hold for every request, and what makes the first one acceptable.
    fn check(&mut self, request: &LoginRequest) -> Result<(), Status> {
        self.requests = self.requests.saturating_add(1);
        let stages = (request.current_stage, request.next_stage);
        let transit_is_legal = match stages {
            (SECURITY_NEGOTIATION, OPERATIONAL_NEGOTIATION | FULL_FEATURE) => true,
            (OPERATIONAL_NEGOTIATION, FULL_FEATURE) => true,
            (SECURITY_NEGOTIATION | OPERATIONAL_NEGOTIATION, _) => !request.transit,
            _ => false,
        };
        if !transit_is_legal || (request.transit && request.continues) || self.requests > REQUESTS_MAX {
            return Err(Status::INITIATOR_ERROR);
        }
        let Some(first) = self.first else { return self.begin(request) };
        let same = first.task_tag == request.task_tag
            && first.isid == request.isid
            && first.tsih == request.tsih
            && first.connection_id == request.connection_id;
        if same && request.current_stage == self.stage { Ok(()) } else { Err(Status::INITIATOR_ERROR) }
    }

    fn begin(&mut self, request: &LoginRequest) -> Result<(), Status> {
        if request.version_min > 0 {
            return Err(Status::UNSUPPORTED_VERSION);
        }
        match request.tsih {
            0 => {}
            tsih if self.shared.sessions.has(tsih) => return Err(Status::CANNOT_INCLUDE_IN_SESSION),
            _ => return Err(Status::SESSION_DOES_NOT_EXIST),
        }
        self.stage = request.current_stage;
        self.first = Some(*request);
        Ok(())
    }

    /// The first complete text says who comes, what for, and to which target.
    fn introduce(&mut self, isid: [u8; 6], keys: &mut Keys, answer: &mut LoginAnswer) -> Result<(), Status> {
        let name = keys.take("InitiatorName").filter(|name| !name.is_empty()).ok_or(Status::MISSING_PARAMETER)?;
        if name.len() > NAME_MAX {
            return Err(Status::INITIATOR_ERROR);
        }
        let target = keys.take("TargetName");
        let purpose = match keys.take("SessionType").as_deref() {
            Some("Discovery") => Purpose::Discovery,
            Some("Normal") | None => Purpose::Normal(InitiatorPort { name: name.to_lowercase(), isid }),
            Some(_) => return Err(Status::UNSUPPORTED_SESSION_TYPE),
        };
        let known = |target: String| target.eq_ignore_ascii_case(&self.shared.config.iqn);
        match (&purpose, target.map(known)) {
            (Purpose::Normal(_), None) => return Err(Status::MISSING_PARAMETER),
            (_, Some(false)) => return Err(Status::TARGET_NOT_FOUND),
            (Purpose::Discovery, _) => {}
            (Purpose::Normal(_), Some(true)) => {
                if let Some((to, status)) = self.shared.redirection() {
                    return Err(status.moved_to(to));
                }
                answer.keys.push(("TargetPortalGroupTag".to_owned(), PORTAL_GROUP.to_string()));
            }
        }
        self.purpose = Some(purpose);
        Ok(())
    }

    fn authenticate(&mut self, keys: &mut Keys, answer: &mut LoginAnswer) -> Result<(), Status> {
        let config = &self.shared.config;
        if self.stage == SECURITY_NEGOTIATION {
            return self.security.answer(config, keys, &mut answer.keys);
        }
        if self.security.is_done(config) { Ok(()) } else { Err(Status::AUTHENTICATION_FAILURE) }
    }

    /// Goes on to the next stage when the initiator wants to and nothing stands against it.
    fn advance(&mut self, request: &LoginRequest, answer: &mut LoginAnswer) {
        if !request.transit || !self.security.is_done(&self.shared.config) {
            return;
        }
        answer.transit = true;
        self.stage = request.next_stage;
        if self.stage == FULL_FEATURE {
            let established = |purpose| Established { agreed: self.agreed, purpose };
            answer.established = self.purpose.clone().map(established);
        }
    }
}

#[cfg(test)]
mod tests;
