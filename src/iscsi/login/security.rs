//! SecurityNegotiation: who we are, and whether the target is who it should be (RFC 7143 sections 6.3.2, 9.2, 12.1).

use crate::chap::{Challenge, ChapAlgorithm, ChapCredentials, format_binary, parse_binary};
use crate::text::{NONE, Pairs};
use crate::{Error, ErrorKind};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

const CHAP: &str = "CHAP";

/// What to send next in this stage.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) pairs: Pairs,
    /// Ready for the next stage (T).
    pub(super) transit: bool,
}

/// This stage of one login.
#[derive(Debug)]
pub(super) struct Security {
    login: Option<ChapCredentials>,
    reverse: Option<ChapCredentials>,
    /// What is offered, the preferred one first.
    algorithms: &'static [ChapAlgorithm],
    /// What the target chose of it.
    chosen: Option<ChapAlgorithm>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// AuthMethod was offered.
    Method,
    /// CHAP_A was offered.
    Algorithm,
    /// The challenge was answered, and possibly another one sent.
    Responded { algorithm: ChapAlgorithm, ours: Option<Challenge>, response: Vec<u8> },
    /// Nothing is missing.
    Done,
}

impl Security {
    pub(super) const fn new(
        login: Option<ChapCredentials>,
        reverse: Option<ChapCredentials>,
        algorithms: &'static [ChapAlgorithm],
    ) -> Self {
        Self { login, reverse, algorithms, chosen: None, state: State::Method }
    }

    /// The algorithm that the target chose, once it did.
    pub(super) const fn chosen(&self) -> Option<ChapAlgorithm> {
        self.chosen
    }

    /// What comes first. With credentials, a login without them is not offered: somebody in between cannot talk both
    /// sides out of it.
    pub(super) fn offer(&self) -> Answer {
        let mut pairs = Pairs::default();
        pairs.push("AuthMethod", if self.login.is_some() { CHAP } else { NONE });
        Answer { pairs, transit: self.login.is_none() }
    }

    /// Whether the next stage may begin.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what the target said; gives what to say next.
    pub(super) fn receive(&mut self, said: &Pairs) -> Result<Answer, Error> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Method => self.method(said),
            State::Algorithm => self.challenged(said),
            State::Responded { algorithm, ours, response } => self.proof(said, algorithm, ours, &response),
            State::Done => Ok(Answer { pairs: Pairs::default(), transit: true }),
        }
    }

    fn method(&mut self, said: &Pairs) -> Result<Answer, Error> {
        let method = said.value("AuthMethod");
        let mut pairs = Pairs::default();
        if self.login.is_none() {
            return match method {
                None | Some(NONE) => Ok(Answer { pairs, transit: true }),
                Some(_) => Err(Error::new(
                    ErrorKind::LoginRefused,
                    "the target wants a CHAP login: give --chap-user and --chap-secret",
                )),
            };
        }
        match method {
            Some(CHAP) => {}
            None => return Err(Error::protocol("the target does not answer AuthMethod")),
            Some(_) => {
                let message = "the target does not do CHAP logins: its owner has to set a CHAP user for it, or leave \
                               --chap-user away";
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        let codes: Vec<String> = self.algorithms.iter().map(|algorithm| algorithm.code().to_string()).collect();
        pairs.push("CHAP_A", codes.join(","));
        self.state = State::Algorithm;
        Ok(Answer { pairs, transit: false })
    }

    fn challenged(&mut self, said: &Pairs) -> Result<Answer, Error> {
        let Some(login) = &self.login else { return Err(Error::protocol("a challenge without a CHAP login")) };
        let chosen = said.value("CHAP_A").ok_or_else(|| Error::protocol("the target chose no CHAP algorithm"))?;
        let algorithm = crate::text::parse_number(chosen).and_then(ChapAlgorithm::from_code);
        let algorithm = algorithm.filter(|chosen| self.algorithms.contains(chosen)).ok_or_else(|| {
            let message = "the target knows none of the CHAP algorithms SHA3-256, SHA-256, SHA-1 and MD5";
            Error::new(ErrorKind::Config, message)
        })?;
        self.chosen = Some(algorithm);
        let theirs = said.value("CHAP_I").zip(said.value("CHAP_C"));
        let theirs = theirs.and_then(|(identifier, challenge)| Challenge::parse(identifier, challenge));
        let theirs = theirs.ok_or_else(|| Error::protocol("the target sent no CHAP challenge that can be answered"))?;
        if is_ours(&theirs) {
            return Err(reflected());
        }
        let response = theirs.answer(algorithm, &login.secret);
        let mut pairs = Pairs::default();
        pairs.push("CHAP_N", login.user.clone());
        pairs.push("CHAP_R", format_binary(&response));
        let mut ours = None;
        if self.reverse.is_some() {
            let challenge = issue()?;
            pairs.push("CHAP_I", challenge.identifier.to_string());
            pairs.push("CHAP_C", format_binary(&challenge.bytes));
            ours = Some(challenge);
        }
        self.state = State::Responded { algorithm, ours, response };
        Ok(Answer { pairs, transit: true })
    }

    fn proof(
        &self,
        said: &Pairs,
        algorithm: ChapAlgorithm,
        ours: Option<Challenge>,
        sent: &[u8],
    ) -> Result<Answer, Error> {
        let done = Answer { pairs: Pairs::default(), transit: true };
        let Some((reverse, challenge)) = self.reverse.as_ref().zip(ours) else { return Ok(done) };
        let not_proven = |message: String| Err(Error::new(ErrorKind::TargetNotProven, message));
        let Some((name, response)) = said.value("CHAP_N").zip(said.value("CHAP_R")) else {
            let message = "the target let us in but did not prove who it is: its owner has to give it a user and \
                           secret of its own (mutual CHAP), or leave --target-user away";
            return Err(Error::new(ErrorKind::NotMutual, message));
        };
        let Some(response) = parse_binary(response) else {
            return Err(Error::protocol("the target's CHAP response is no binary value"));
        };
        if response.ct_eq(sent).into() {
            return Err(reflected());
        }
        if !reverse.user.is_empty() && name != reverse.user {
            let name = name.escape_debug();
            return not_proven(format!(
                "the target names itself `{name}` and not `{}`: check --target-user",
                reverse.user
            ));
        }
        if !challenge.is_answered_by(&response, algorithm, &reverse.secret) {
            return not_proven(format!(
                "the target does not know the secret of `{}`: check --target-secret; if it is right, this is not the \
                 target it should be",
                name.escape_debug()
            ));
        }
        Ok(done)
    }
}

fn reflected() -> Error {
    let message = "the target sends back what we sent it, as somebody would who does not know the secret";
    Error::new(ErrorKind::TargetNotProven, message)
}

/// How many of our challenges are remembered.
const REMEMBERED: usize = 1024;

/// The challenges that this process sent last, of all its sessions: whoever gets one to answer could open a second
/// connection and have it answered by us (RFC 7143 section 9.2.1).
static ISSUED: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());

fn issue() -> Result<Challenge, Error> {
    let challenge = Challenge::random()
        .map_err(|_| Error::new(ErrorKind::Config, "the operating system gives no random numbers"))?;
    let mut issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
    if issued.len() >= REMEMBERED {
        issued.pop_front();
    }
    issued.push_back(challenge.bytes.clone());
    Ok(challenge)
}

fn is_ours(challenge: &Challenge) -> bool {
    ISSUED.lock().unwrap_or_else(PoisonError::into_inner).contains(&challenge.bytes)
}

#[cfg(test)]
mod tests;
