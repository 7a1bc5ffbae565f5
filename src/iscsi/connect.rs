//! From an address to a session: dialling, login, redirects.

use crate::login::{LoggedIn, Login, Redirect, Step, random_isid};
use crate::pdu::TargetPdu;
use crate::wire::Wire;
use crate::{ChapAlgorithm, Error, ErrorKind, SessionConfig};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tunnel::{Address, Dial};

/// A target that sends us around longer than this has lost its way.
const REDIRECTS_MAX: u32 = 5;

/// Makes connections of one session, one after the other.
pub(crate) struct Connector {
    dial: Arc<dyn Dial>,
    pub(crate) config: SessionConfig,
    /// `None` for a discovery session.
    target: Option<String>,
    isid: [u8; 6],
    /// Where the target is; a permanent redirect changes it.
    address: Address,
    /// Which CHAP algorithms are offered.
    algorithms: &'static [ChapAlgorithm],
}

/// What a login came to, if it did not fail.
enum Outcome {
    Connected(Box<Connected>),
    Elsewhere(Redirect),
    /// It was refused after the target had chosen SHA-256.
    Sha256Refused(Error),
}

/// A connection in full feature phase.
pub(crate) struct Connected {
    pub(crate) wire: Wire,
    pub(crate) logged_in: LoggedIn,
}

impl Connector {
    pub(crate) fn new(dial: Arc<dyn Dial>, config: &SessionConfig, target: Option<&str>) -> Result<Self, Error> {
        config.check()?;
        if let Some(target) = target {
            crate::config::check_name(target, "target")?;
        }
        Ok(Self {
            dial,
            config: config.clone(),
            target: target.map(str::to_owned),
            isid: random_isid()?,
            address: config.address.clone(),
            algorithms: &ChapAlgorithm::ALL,
        })
    }

    /// Connects and logs in, within the login time-out. A second time it reinstates the session.
    pub(crate) async fn connect(&mut self, cmd_sn: u32) -> Result<Connected, Error> {
        let deadline = Instant::now().checked_add(self.config.login_timeout).unwrap_or_else(Instant::now);
        let mut address = self.address.clone();
        let mut redirects = 0;
        let mut malformed_for_target = false;
        while redirects <= REDIRECTS_MAX {
            let attempt = timeout_at(deadline, self.log_in(&address, cmd_sn, deadline)).await;
            let attempt = attempt.unwrap_or_else(|_| Err(self.too_slow()));
            let attempt =
                attempt.map_err(|error| if malformed_for_target { self.secret_refused(error) } else { error });
            match attempt.map_err(|error| self.located(error, &address))? {
                Outcome::Connected(connected) => return Ok(*connected),
                Outcome::Sha256Refused(error) => {
                    // For good: it is the target's way, and the next login can do without the detour.
                    tracing::info!("{address} chose SHA-256 and then: {error}; trying without");
                    self.algorithms = &ChapAlgorithm::WITHOUT_SHA256;
                    malformed_for_target = error.kind == ErrorKind::Config;
                }
                Outcome::Elsewhere(redirect) => {
                    redirects = redirects.saturating_add(1);
                    tracing::info!("{address} sends us to {}", redirect.address);
                    if redirect.permanent {
                        self.address = redirect.address.clone();
                    }
                    address = redirect.address;
                }
            }
        }
        let message = format!("redirected more than {REDIRECTS_MAX} times");
        Err(self.located(Error::protocol(message), &address))
    }

    /// What failed, and where; a failed tunnel says so itself.
    pub(crate) fn located(&self, error: Error, address: &Address) -> Error {
        match (error.kind, &self.target) {
            (ErrorKind::Tunnel(_), _) => error,
            (_, Some(target)) => error.at(&format!("{target} at {address}")),
            (_, None) => error.at(&address.to_string()),
        }
    }

    /// [`Connector::located`] at the address that is used now.
    pub(crate) fn located_here(&self, error: Error) -> Error {
        self.located(error, &self.address)
    }

    /// A target that looked at a response of SHA-256 at all, and found that it is none, had found its user before.
    fn secret_refused(&self, error: Error) -> Error {
        match (error.kind, &self.config.login) {
            (ErrorKind::LoginRefused, Some(login)) => {
                let message =
                    format!("the target knows user `{}` and refuses the secret: check --chap-secret", login.user);
                Error::new(ErrorKind::SecretRefused, message)
            }
            _ => error,
        }
    }

    /// Whether the target would accept another login, in a session of its own that ends at once.
    pub(crate) async fn would_let_in(&self, config: &SessionConfig) -> bool {
        let Ok(isid) = random_isid() else { return false };
        let mut other = Self {
            dial: Arc::clone(&self.dial),
            config: config.clone(),
            target: self.target.clone(),
            isid,
            address: self.address.clone(),
            algorithms: self.algorithms,
        };
        match other.connect(1).await {
            Ok(connected) => {
                connected.wire.close().await;
                true
            }
            Err(_) => false,
        }
    }

    fn too_slow(&self) -> Error {
        let seconds = self.config.login_timeout.as_secs_f32();
        Error::new(ErrorKind::TimedOut, format!("the target did not finish the login within {seconds} s"))
    }

    async fn log_in(&self, address: &Address, cmd_sn: u32, deadline: Instant) -> Result<Outcome, Error> {
        let mut wire = Wire::new(self.dial.dial(address, deadline).await?);
        let mut login = Login::new(&self.config, self.target.as_deref(), self.algorithms, self.isid, cmd_sn);
        let mut request = login.start()?;
        loop {
            let answer = wire.exchange(&request.into_pdu()).await?;
            let response = match TargetPdu::parse(answer)? {
                TargetPdu::Login(response) => response,
                TargetPdu::Reject(_) => return Err(Error::protocol("the target rejects the login request")),
                _ => return Err(Error::protocol("the target answers the login with something else")),
            };
            match login.receive(&response) {
                Ok(Step::Send(next)) => request = next,
                Ok(Step::Redirect(redirect)) => return Ok(Outcome::Elsewhere(redirect)),
                Ok(Step::Done(logged_in)) => {
                    wire.enter_full_feature(logged_in.parameters.digests);
                    return Ok(Outcome::Connected(Box::new(Connected { wire, logged_in })));
                }
                Err(error)
                    if response.status_class != 0
                        && !error.is_transient()
                        && login.algorithm() == Some(ChapAlgorithm::Sha256) =>
                {
                    return Ok(Outcome::Sha256Refused(error));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
