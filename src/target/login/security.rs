//! SecurityNegotiation: CHAP, one way or mutual (RFC 7143 sections 9.2 and 12.1).

use super::Status;
use super::negotiation::choice;
use crate::TargetConfig;
use crate::text::Keys;
use iscsi::ChapCredentials;

/// Bytes of a challenge of ours.
const CHALLENGE_BYTES: usize = 32;

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
    Response(Challenge),
    /// Nothing more is asked of it.
    Done,
}

struct Challenge {
    algorithm: ChapAlgorithm,
    identifier: u8,
    bytes: [u8; CHALLENGE_BYTES],
}

impl Security {
    /// Whether the initiator may go on. Without CHAP it always may.
    pub(super) const fn is_done(&self, config: &TargetConfig) -> bool {
        config.chap.is_none() || matches!(self.step, Step::Done)
    }

    /// Takes the security keys of one request and says what they are answered with.
    pub(super) fn answer(
        &mut self,
        config: &TargetConfig,
        keys: &mut Keys,
        replies: &mut Vec<(String, String)>,
    ) -> Result<(), Status> {
        let step = std::mem::take(&mut self.step);
        self.step = match (step, &config.chap) {
            (Step::Method, chap) => match keys.take("AuthMethod") {
                Some(offer) => choose_method(&offer, chap.is_some(), replies)?,
                None => Step::Method,
            },
            (Step::Algorithm, Some(_)) => match keys.take("CHAP_A") {
                Some(offer) => Step::Response(challenge(config, &offer, replies)?),
                None => return Err(Status::MISSING_PARAMETER),
            },
            (Step::Response(challenge), Some(credentials)) => {
                check(&challenge, credentials, keys)?;
                prove(&challenge, config.reverse.as_ref(), keys, replies)?;
                Step::Done
            }
            (step, _) => step,
        };
        Ok(())
    }
}
