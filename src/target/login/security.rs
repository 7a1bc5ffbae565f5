//! SecurityNegotiation: CHAP, one way or mutual (RFC 7143 sections 9.2 and 12.1.3).

use super::Status;
use crate::TargetConfig;
use iscsi::chap::{Challenge, ChapAlgorithm, ChapCredentials, format_binary, parse_binary};
use iscsi::text::{NONE, Pairs, parse_number};

const CHAP: &str = "CHAP";

/// How far the initiator has proved who it is.
#[derive(Default)]
pub(super) struct Security {
    step: Step,
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
    /// Whether the initiator may go on. Without CHAP everybody may.
    pub(super) const fn is_done(&self, config: &TargetConfig) -> bool {
        config.chap.is_none() || matches!(self.step, Step::Done)
    }

    /// Takes the security keys of one request and adds what they are answered with.
    pub(super) fn answer(&mut self, config: &TargetConfig, text: &Pairs, reply: &mut Pairs) -> Result<(), Status> {
        self.step = match (std::mem::take(&mut self.step), &config.chap) {
            (Step::Method, chap) => match text.value("AuthMethod") {
                Some(offer) => choose_method(offer, chap.is_some(), reply)?,
                None => Step::Method,
            },
            (Step::Algorithm, Some(_)) => challenge(config, text, reply)?,
            (Step::Response(algorithm, challenge), Some(credentials)) => {
                check(algorithm, &challenge, credentials, text)?;
                prove(algorithm, &challenge, config.reverse.as_ref(), text, reply)?;
                Step::Done
            }
            (step, _) => step,
        };
        Ok(())
    }
}

/// With credentials the method is CHAP, without it is None: neither is negotiable.
fn choose_method(offer: &str, chap: bool, reply: &mut Pairs) -> Result<Step, Status> {
    let (method, next) = if chap { (CHAP, Step::Algorithm) } else { (NONE, Step::Done) };
    if !offer.split(',').any(|offered| offered == method) {
        return Err(Status::AUTHENTICATION_FAILURE);
    }
    reply.push("AuthMethod", method);
    Ok(next)
}

/// Takes the first algorithm of the offer that is configured, and asks with a challenge of its own.
fn challenge(config: &TargetConfig, text: &Pairs, reply: &mut Pairs) -> Result<Step, Status> {
    let offer = text.value("CHAP_A").ok_or(Status::MISSING_PARAMETER)?;
    let algorithms = offer.split(',').filter_map(|code| ChapAlgorithm::from_code(parse_number(code)?));
    let algorithm = algorithms.into_iter().find(|algorithm| config.chap_algorithms.contains(algorithm));
    let algorithm = algorithm.ok_or(Status::AUTHENTICATION_FAILURE)?;
    let challenge = Challenge::random().map_err(|_| Status::TARGET_ERROR)?;
    reply.push("CHAP_A", algorithm.code().to_string());
    reply.push("CHAP_I", challenge.identifier.to_string());
    reply.push("CHAP_C", format_binary(&challenge.bytes));
    Ok(Step::Response(algorithm, challenge))
}

/// Whether the initiator is who it has to be. A wrong name and a wrong secret are not told apart.
fn check(
    algorithm: ChapAlgorithm,
    challenge: &Challenge,
    credentials: &ChapCredentials,
    text: &Pairs,
) -> Result<(), Status> {
    let name = text.value("CHAP_N").ok_or(Status::MISSING_PARAMETER)?;
    let response = text.value("CHAP_R").ok_or(Status::MISSING_PARAMETER)?;
    let response = parse_binary(response).unwrap_or_default();
    let proven = challenge.is_answered_by(&response, algorithm, &credentials.secret);
    if proven && name == credentials.user { Ok(()) } else { Err(Status::AUTHENTICATION_FAILURE) }
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
