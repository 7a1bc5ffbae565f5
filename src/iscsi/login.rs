//! The login phase as seen by an initiator (RFC 7143 chapters 6 and 7), without any input or output: responses go in,
//! requests come out.

mod operational;
mod security;
mod status;

pub(crate) use operational::{DATA_SEGMENT_BYTES, DEFAULT_DATA_SEGMENT_BYTES, Parameters};

use crate::pdu::{LoginRequest, LoginResponse, Stage, StatusNumbers, TransitFlags};
use crate::text::{Pairs, Parts};
use crate::{ChapAlgorithm, Error, SessionConfig, portal};
use operational::Operational;
use security::{Answer, Security};
use std::collections::BTreeSet;
use tunnel::Address;

/// More requests than this no login takes.
const ROUNDS_MAX: u32 = 64;
/// More text than this no target needs, in bytes, for the answer to one request.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The identifier of the only connection of our sessions.
pub(crate) const CONNECTION_ID: u16 = 1;
/// The task tag of login requests.
const LOGIN_TAG: u32 = 0;

/// What comes after a response.
#[derive(Debug)]
pub(crate) enum Step {
    /// This has to be sent next.
    Send(LoginRequest),
    /// The target is to be found elsewhere.
    Redirect(Redirect),
    /// The session is there.
    Done(LoggedIn),
}

/// Where a target went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) address: Address,
    /// It will not come back.
    pub(crate) permanent: bool,
}

/// A session that can be used.
#[derive(Clone, Debug)]
pub(crate) struct LoggedIn {
    pub(crate) parameters: Parameters,
    /// CmdSN of the first command.
    pub(crate) cmd_sn: u32,
    /// StatSN that is expected next.
    pub(crate) exp_stat_sn: u32,
    pub(crate) numbers: StatusNumbers,
}

/// One login on one connection.
#[derive(Debug)]
pub(crate) struct Login {
    phase: Phase,
    user: Option<String>,
    identity: Pairs,
    discovery: bool,
    digests: crate::DigestPolicy,
    isid: [u8; 6],
    cmd_sn: u32,
    /// StatSN that is expected next; `None` before the first response.
    exp_stat_sn: Option<u32>,
    /// The flags of the request that was sent last.
    sent: TransitFlags,
    parts: Parts,
    rounds: u32,
}

#[derive(Debug)]
enum Phase {
    Security(Security),
    Operational(Operational),
}

impl Login {
    /// A login to `target`, or a discovery session without one, with this initiator session identifier. With an ISID
    /// that the target knows, the session is reinstated (section 6.3.5).
    pub(crate) fn new(
        config: &SessionConfig,
        target: Option<&str>,
        algorithms: &'static [ChapAlgorithm],
        isid: [u8; 6],
        cmd_sn: u32,
    ) -> Self {
        let mut identity = Pairs::default();
        identity.push("InitiatorName", config.initiator_name.clone());
        match target {
            Some(target) => {
                identity.push("SessionType", "Normal");
                identity.push("TargetName", target);
            }
            None => identity.push("SessionType", "Discovery"),
        }
        Self {
            phase: Phase::Security(Security::new(config.login.clone(), config.reverse.clone(), algorithms)),
            user: config.login.as_ref().map(|login| login.user.clone()),
            identity,
            discovery: target.is_none(),
            digests: config.digests,
            isid,
            cmd_sn,
            exp_stat_sn: None,
            sent: TransitFlags { current: Stage::Security, transit_to: None, continues: false },
            parts: Parts::new(TEXT_BYTES_MAX),
            rounds: 0,
        }
    }

    /// The CHAP algorithm that the target chose; `None` before that and after the security stage.
    pub(crate) const fn algorithm(&self) -> Option<ChapAlgorithm> {
        match &self.phase {
            Phase::Security(security) => security.chosen(),
            Phase::Operational(_) => None,
        }
    }

    /// The first request.
    pub(crate) fn start(&mut self) -> Result<LoginRequest, Error> {
        let mut text = std::mem::take(&mut self.identity);
        let Phase::Security(security) = &self.phase else { return Err(Error::protocol("the login began already")) };
        let Answer { pairs, transit } = security.offer();
        for (key, value) in pairs.iter() {
            text.push(key, value);
        }
        self.request(&text, transit)
    }

    /// Takes a response.
    pub(crate) fn receive(&mut self, response: &LoginResponse) -> Result<Step, Error> {
        self.check_header(response)?;
        if response.status_class == status::REDIRECTION {
            return redirect(response).map(Step::Redirect);
        }
        if response.status_class != 0 {
            return Err(status::failure(response.status_class, response.status_detail, self.user.as_deref()));
        }
        self.check_stage(response.stage)?;
        let Some(said) = self.parts.push(&response.data, response.stage.continues)? else {
            return self.request(&Pairs::default(), false).map(Step::Send);
        };
        check_unique(&said)?;
        if let Phase::Security(security) = &mut self.phase {
            let answer = security.receive(&said)?;
            let done = security.is_done();
            return match response.stage.transit_to {
                None => self.request(&answer.pairs, answer.transit).map(Step::Send),
                Some(_) if !done => Err(Error::protocol("the target ends the login before it knows who we are")),
                Some(_) => self.begin_operational().map(Step::Send),
            };
        }
        self.negotiate(&said, response)
    }

    fn begin_operational(&mut self) -> Result<LoginRequest, Error> {
        let operational = Operational::new(self.digests, self.discovery);
        let offers = operational.offer();
        self.phase = Phase::Operational(operational);
        self.request(&offers, true)
    }

    fn negotiate(&mut self, said: &Pairs, response: &LoginResponse) -> Result<Step, Error> {
        let Phase::Operational(operational) = &mut self.phase else {
            return Err(Error::protocol("an answer to no offer"));
        };
        let reply = operational.receive(said)?;
        if response.stage.transit_to.is_none() {
            return self.request(&reply, true).map(Step::Send);
        }
        if !reply.is_empty() {
            return Err(Error::protocol("the target asks something and does not wait for the answer"));
        }
        if response.tsih == 0 {
            return Err(Error::protocol("the target gives the session no handle (TSIH 0)"));
        }
        let taken = std::mem::replace(operational, Operational::new(self.digests, self.discovery));
        Ok(Step::Done(LoggedIn {
            parameters: taken.finish()?,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn.unwrap_or(0),
            numbers: response.numbers,
        }))
    }

    fn check_header(&mut self, response: &LoginResponse) -> Result<(), Error> {
        // A refusal need not repeat what it refuses, and those of tgt do not.
        if response.status_class == 0 {
            if response.initiator_task_tag != LOGIN_TAG || response.isid != self.isid {
                return Err(Error::protocol("the target answers a login that is not ours"));
            }
            if response.version_active != 0 {
                return Err(Error::protocol(format!("the target chose version {}", response.version_active)));
            }
            let found = response.numbers.stat_sn;
            if self.exp_stat_sn.is_some_and(|expected| expected != found) {
                return Err(Error::protocol(format!("login response with StatSN {found} out of turn")));
            }
            self.exp_stat_sn = Some(found.wrapping_add(1));
        }
        Ok(())
    }

    fn check_stage(&self, stage: TransitFlags) -> Result<(), Error> {
        if stage.current != self.sent.current {
            return Err(Error::protocol("the target is in another stage of the login"));
        }
        if stage.transit_to.is_some() && stage.transit_to != self.sent.transit_to {
            return Err(Error::protocol("the target goes to a stage of the login that we are not ready for"));
        }
        Ok(())
    }

    fn request(&mut self, text: &Pairs, transit: bool) -> Result<LoginRequest, Error> {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS_MAX {
            return Err(Error::protocol("the login does not come to an end"));
        }
        let (current, next) = match &self.phase {
            Phase::Security(_) => (Stage::Security, Stage::Operational),
            Phase::Operational(_) => (Stage::Operational, Stage::FullFeature),
        };
        self.sent = TransitFlags { current, transit_to: transit.then_some(next), continues: false };
        Ok(LoginRequest {
            stage: self.sent,
            version_max: 0,
            version_min: 0,
            isid: self.isid,
            tsih: 0,
            initiator_task_tag: LOGIN_TAG,
            cid: CONNECTION_ID,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn.unwrap_or(0),
            data: text.encode(),
        })
    }
}

/// An initiator session identifier that nobody else is likely to use (section 11.12.5, the random format).
pub(crate) fn random_isid() -> Result<[u8; 6], Error> {
    let mut isid = [0; 6];
    getrandom::fill(&mut isid)
        .map_err(|_| Error::new(crate::ErrorKind::Config, "the operating system gives no random numbers"))?;
    let [_, rest @ ..] = isid;
    let [a, b, c, d, e] = rest;
    Ok([0x80, a, b, c, d, e])
}

fn redirect(response: &LoginResponse) -> Result<Redirect, Error> {
    let said = Pairs::parse(&response.data)?;
    let address = said.value("TargetAddress");
    let address = address.ok_or_else(|| Error::protocol("the target sends us elsewhere without an address"))?;
    Ok(Redirect { address: portal::parse(address)?, permanent: response.status_detail == status::MOVED_PERMANENTLY })
}

fn check_unique(said: &Pairs) -> Result<(), Error> {
    let mut keys = BTreeSet::new();
    match said.iter().find(|(key, _)| !keys.insert(*key)) {
        Some((key, _)) => Err(Error::protocol(format!("the target says {key} twice"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
