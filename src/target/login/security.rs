//! SecurityNegotiation: CHAP, one way or mutual (RFC 7143 sections 9.2 and 12.1.3).

use super::Status;
use crate::shared::Shared;
use crate::{Export, Unavailable};
use iscsi::chap::{Challenge, ChapAlgorithm, ChapCredentials, format_binary, parse_binary};
use iscsi::text::{NONE, Pairs, parse_number};
use secrecy::SecretString;
use std::sync::Arc;

const CHAP: &str = "CHAP";
/// What responses of users that do not exist are checked with, so that it takes as long. Whoever guesses it is refused
/// all the same.
const STAND_IN: &str = "nobody's secret!";

/// How far the initiator has proved who it is.
#[derive(Default)]
pub(super) struct Security {
    required: bool,
    /// There are exports that need no proof.
    some_public: bool,
    step: Step,
    user: Option<String>,
    proven: Option<Arc<Export>>,
}

#[derive(Default)]
enum Step {
    /// No method was chosen yet.
    #[default]
    Method,
    /// CHAP it is; the initiator has to offer algorithms.
    Algorithm,
    /// It has to answer this.
    Response(ChapAlgorithm, Challenge),
    /// Nothing more is asked of it.
    Done,
}

impl Security {
    /// Of an initiator that has to prove itself, or not.
    pub(super) fn new(required: bool, some_public: bool) -> Self {
        Self { required, some_public, ..Self::default() }
    }

    /// Whether the initiator may go on.
    pub(super) const fn is_done(&self) -> bool {
        !self.required || matches!(self.step, Step::Done)
    }

    /// How an initiator is refused that does not want to prove itself. Where there is something to see without, it may as
    /// well have the name wrong. Whether there is a target of this name is not told.
    pub(super) const fn unproven(&self) -> Status {
        if self.some_public { Status::TARGET_NOT_FOUND } else { Status::AUTHENTICATION_FAILURE }
    }

    /// CHAP_N as the initiator told it.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The export whose secret it proved to know.
    pub(super) const fn proven(&self) -> Option<&Arc<Export>> {
        self.proven.as_ref()
    }

    /// Takes the security keys of one request and adds what they are answered with. Gives the export whose secret was
    /// proved by them.
    pub(super) async fn answer(
        &mut self,
        shared: &Shared,
        text: &Pairs,
        reply: &mut Pairs,
    ) -> Result<Option<Arc<Export>>, Status> {
        self.step = match std::mem::take(&mut self.step) {
            Step::Method => match text.value("AuthMethod") {
                Some(offer) => self.choose_method(offer, reply)?,
                None => Step::Method,
            },
            Step::Algorithm => challenge(&shared.config.chap_algorithms, text, reply)?,
            Step::Response(algorithm, challenge) => {
                let export = self.check(shared, algorithm, &challenge, text).await?;
                self.proven = Some(Arc::clone(&export));
                prove(algorithm, &challenge, export.reverse(), text, reply)?;
                self.step = Step::Done;
                return Ok(Some(export));
            }
            Step::Done => Step::Done,
        };
        Ok(None)
    }

    /// Whoever has to prove itself does so with CHAP, others with nothing: neither is negotiable.
    fn choose_method(&self, offer: &str, reply: &mut Pairs) -> Result<Step, Status> {
        let (method, next) = if self.required { (CHAP, Step::Algorithm) } else { (NONE, Step::Done) };
        if !offer.split(',').any(|offered| offered == method) {
            return Err(if self.required { self.unproven() } else { Status::AUTHENTICATION_FAILURE });
        }
        reply.push("AuthMethod", method);
        Ok(next)
    }

    /// Whether the initiator is who it has to be, and whose holder it then is. A user that does not exist and a wrong
    /// secret are not told apart.
    async fn check(
        &mut self,
        shared: &Shared,
        algorithm: ChapAlgorithm,
        challenge: &Challenge,
        text: &Pairs,
    ) -> Result<Arc<Export>, Status> {
        let name = text.value("CHAP_N").ok_or(Status::MISSING_PARAMETER)?;
        let response = text.value("CHAP_R").ok_or(Status::MISSING_PARAMETER)?;
        let response = parse_binary(response).unwrap_or_default();
        self.user = Some(name.to_owned());
        let export = match shared.exports.by_user(name).await {
            Ok(export) => Some(export),
            Err(Unavailable::NotFound) => None,
            Err(Unavailable::Busy) => return Err(Status::OUT_OF_RESOURCES),
        };
        let chap = export.as_ref().and_then(|export| export.chap()).filter(|chap| chap.user == name);
        let stand_in = SecretString::from(STAND_IN);
        let secret = chap.map_or(&stand_in, |chap| &chap.secret);
        let answered = challenge.is_answered_by(&response, algorithm, secret);
        let known = chap.is_some();
        export.filter(|_| known && answered).ok_or(Status::AUTHENTICATION_FAILURE)
    }
}

/// Takes the first algorithm of the offer that is configured, and asks with a challenge of its own.
fn challenge(allowed: &[ChapAlgorithm], text: &Pairs, reply: &mut Pairs) -> Result<Step, Status> {
    let offer = text.value("CHAP_A").ok_or(Status::MISSING_PARAMETER)?;
    let algorithms = offer.split(',').filter_map(|code| ChapAlgorithm::from_code(parse_number(code)?));
    let algorithm = algorithms.into_iter().find(|algorithm| allowed.contains(algorithm));
    let algorithm = algorithm.ok_or(Status::AUTHENTICATION_FAILURE)?;
    let challenge = Challenge::random().map_err(|_| Status::TARGET_ERROR)?;
    reply.push("CHAP_A", algorithm.code().to_string());
    reply.push("CHAP_I", challenge.identifier.to_string());
    reply.push("CHAP_C", format_binary(&challenge.bytes));
    Ok(Step::Response(algorithm, challenge))
}

/// Answers the initiator's own challenge, when it has one. Our own challenge coming back would have us compute for the
/// initiator what it should have computed, so that is refused (RFC 7143 section 9.2.1).
fn prove(
    algorithm: ChapAlgorithm,
    ours: &Challenge,
    reverse: Option<&ChapCredentials>,
    text: &Pairs,
    reply: &mut Pairs,
) -> Result<(), Status> {
    let (identifier, challenge) = match (text.value("CHAP_I"), text.value("CHAP_C")) {
        (None, None) => return Ok(()),
        (Some(identifier), Some(challenge)) => (identifier, challenge),
        _ => return Err(Status::MISSING_PARAMETER),
    };
    let challenge = Challenge::parse(identifier, challenge).ok_or(Status::INITIATOR_ERROR)?;
    let Some(reverse) = reverse.filter(|_| challenge.bytes != ours.bytes) else {
        return Err(Status::AUTHENTICATION_FAILURE);
    };
    let response = challenge.answer(algorithm, &reverse.secret);
    reply.push("CHAP_N", &reverse.user);
    reply.push("CHAP_R", format_binary(&response));
    Ok(())
}
