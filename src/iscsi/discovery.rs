//! Discovery sessions: which targets a portal has (RFC 7143 section 4.3 and appendix C).

use crate::connect::{Connected, Connector};
use crate::diagnose::diagnose;
use crate::pdu::{CommandNumbers, LogoutRequest, RESERVED_TAG, TargetPdu, TextRequest, TextResponse};
use crate::text::{Pairs, Parts};
use crate::{Error, ErrorKind, LunNumber, SessionConfig, login, portal};
use std::sync::Arc;
use tokio::time::timeout;
use tunnel::{Address, Dial};

/// A portal that tells more than this in bytes is not listened to.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// More PDUs than this no answer takes.
const ROUNDS_MAX: u32 = 1024;
/// The task tags of the two requests there are.
const TEXT_TAG: u32 = 1;
const LOGOUT_TAG: u32 = 2;

/// A target that a portal told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTarget {
    /// TargetName.
    pub name: String,
    /// The addresses under which it says it can be reached; none means the portal that was asked.
    pub addresses: Vec<Address>,
}

/// Asks the portal for all targets that this initiator may see.
///
/// Many portals have users for their targets and none for discovery, and refuse those. They are asked again without:
/// nothing is read in a discovery session, and the login to the target itself proves both sides.
///
/// # Errors
/// When there is no connection, the portal refuses the login, or its answer cannot be used.
pub async fn discover(dial: Arc<dyn Dial>, config: &SessionConfig) -> Result<Vec<DiscoveredTarget>, Error> {
    match ask(Arc::clone(&dial), config).await {
        Err(error)
            if config.login.is_some() && matches!(error.kind, ErrorKind::LoginRefused | ErrorKind::SecretRefused) =>
        {
            tracing::info!("{error}; discovery without a user");
            let anonymous = SessionConfig { login: None, reverse: None, ..config.clone() };
            match ask(Arc::clone(&dial), &anonymous).await {
                Ok(targets) => Ok(targets),
                Err(_) => Err(diagnose(&Connector::new(dial, config, None)?, error).await),
            }
        }
        result => result,
    }
}

async fn ask(dial: Arc<dyn Dial>, config: &SessionConfig) -> Result<Vec<DiscoveredTarget>, Error> {
    let mut connector = Connector::new(dial, config, None)?;
    let connected = connector.connect(1).await?;
    let late = || Error::new(ErrorKind::TimedOut, "the target does not tell its targets in time");
    let told = timeout(config.login_timeout, send_targets(connected)).await;
    told.unwrap_or_else(|_| Err(late())).map_err(|error| connector.located_here(error))
}

async fn send_targets(connected: Connected) -> Result<Vec<DiscoveredTarget>, Error> {
    let Connected { mut wire, logged_in } = connected;
    let mut numbers = CommandNumbers { immediate: false, cmd_sn: logged_in.cmd_sn, exp_stat_sn: logged_in.exp_stat_sn };
    let mut parts = Parts::new(TEXT_BYTES_MAX);
    let mut question = Pairs::default();
    question.push("SendTargets", "All");
    let (mut data, mut target_transfer_tag) = (question.encode(), RESERVED_TAG);
    for _ in 0..ROUNDS_MAX {
        let request = TextRequest {
            is_final: true,
            continues: false,
            lun: LunNumber::default(),
            initiator_task_tag: TEXT_TAG,
            target_transfer_tag,
            numbers,
            data: std::mem::take(&mut data),
        };
        wire.queue(&request.into_pdu());
        let response = text_response(&mut wire).await?;
        numbers.cmd_sn = numbers.cmd_sn.wrapping_add(1);
        numbers.exp_stat_sn = response.numbers.stat_sn.wrapping_add(1);
        if let Some(pairs) = parts.push(&response.data, !response.is_final)? {
            // Whether the portal confirms it or not, all was said.
            let logout =
                LogoutRequest { reason_code: 0, initiator_task_tag: LOGOUT_TAG, cid: login::CONNECTION_ID, numbers };
            let _ = wire.exchange(&logout.into_pdu()).await;
            wire.close().await;
            return targets(&pairs);
        }
        target_transfer_tag = response.target_transfer_tag;
    }
    Err(Error::protocol("the list of targets does not come to an end"))
}

async fn text_response(wire: &mut crate::wire::Wire) -> Result<TextResponse, Error> {
    /// What may come in between: pings and the like.
    const OTHERS_MAX: u32 = 16;
    for _ in 0..OTHERS_MAX {
        match TargetPdu::parse(wire.receive().await?)? {
            TargetPdu::Text(response) if response.initiator_task_tag == TEXT_TAG => return Ok(response),
            TargetPdu::NopIn(nop) if nop.target_transfer_tag == RESERVED_TAG => {}
            TargetPdu::Async(message) => tracing::info!("asynchronous message {}", message.async_event),
            TargetPdu::Reject(_) => return Err(Error::protocol("the target rejects SendTargets")),
            _ => break,
        }
    }
    Err(Error::protocol("the target answers SendTargets with something else"))
}

/// The targets in an answer: every TargetName begins one, the addresses that follow are its own.
fn targets(pairs: &Pairs) -> Result<Vec<DiscoveredTarget>, Error> {
    let mut targets: Vec<DiscoveredTarget> = Vec::new();
    for (key, value) in pairs.iter() {
        match (key, targets.last_mut()) {
            ("TargetName", _) => {
                crate::config::check_name(value, "target").map_err(|error| Error::protocol(error.message))?;
                targets.push(DiscoveredTarget { name: value.to_owned(), addresses: Vec::new() });
            }
            ("TargetAddress", Some(target)) => target.addresses.push(portal::parse(value)?),
            _ => return Err(Error::protocol(format!("{key} in a list of targets"))),
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> Result<Vec<DiscoveredTarget>, Error> {
        let mut text = Pairs::default();
        pairs.iter().for_each(|(key, value)| text.push(key, *value));
        targets(&text)
    }

    #[test]
    fn addresses_belong_to_the_target_before_them() {
        let found = list(&[
            ("TargetName", "iqn.a"),
            ("TargetAddress", "10.0.0.1:3260,1"),
            ("TargetAddress", "[::1],2"),
            ("TargetName", "iqn.b"),
        ]);
        let found = found.unwrap();
        assert_eq!(found[0].addresses, [Address::new("10.0.0.1", 3260), Address::new("::1", 3260)]);
        assert_eq!((found[1].name.as_str(), found[1].addresses.len()), ("iqn.b", 0));
    }

    #[test]
    fn lists_that_make_no_sense_are_refused() {
        assert!(list(&[("TargetAddress", "10.0.0.1,1")]).is_err());
        assert!(list(&[("TargetName", "iqn.a"), ("X", "y")]).is_err());
        assert!(list(&[("TargetName", "a b")]).is_err());
        assert_eq!(list(&[]).unwrap(), []);
    }
}
