//! What is told when a recovery point that somebody was given access to cannot be opened: why, and what to do next.

use crate::error::from_iscsi;
use crate::{Error, ErrorKind};
use bundle::azure::{AzureScript, LIFETIME_SECONDS};
use bundle::sealed::Offer;
use std::time::{Duration, SystemTime};

/// Why the target of a sealed bundle cannot be used.
pub(crate) fn sealed(offer: &Offer, error: &iscsi::Error) -> Error {
    let plain = from_iscsi(error);
    if is_withdrawn(error) {
        let message = format!(
            "the service does not let this bundle in any more: the access to VM {} (grant {}) was withdrawn, by \"Unmount \
             disks\" or by whoever runs the service, or its time is over. Make a new bundle ({})",
            offer.vm, offer.grant, plain.message
        );
        return Error::new(ErrorKind::NotValid, message);
    }
    match error.kind {
        iscsi::ErrorKind::Unavailable => with_advice(plain, "Others may be using all that the grant allows at a time"),
        _ => plain,
    }
}

/// Why the target of a script cannot be used.
pub(crate) fn azure(script: &AzureScript, error: &iscsi::Error) -> Error {
    use iscsi::ErrorKind as Iscsi;
    use tunnel::ErrorKind as Tunnel;
    let plain = from_iscsi(error);
    let portal = &script.portal;
    match error.kind {
        Iscsi::SecretRefused => Error::new(
            ErrorKind::WrongPassword,
            format!(
                "Azure refuses the password: enter the 15 characters as the portal showed them for this script, or make a \
                 new one ({})",
                plain.message
            ),
        ),
        Iscsi::LoginRefused | Iscsi::TargetNotFound | Iscsi::Revoked => Error::new(
            ErrorKind::NotValid,
            format!(
                "Azure does not let this script in: either it is not valid any more, because the disks were unmounted in the \
                 portal or 12 hours have passed{}, or the password is not the one that was shown for it. Enter the password \
                 again; if it is right, make a new script ({})",
                age(script),
                plain.message
            ),
        ),
        Iscsi::Unavailable => with_advice(
            plain,
            "The recovery point may be attached already, here or on another computer, by this or by Microsoft's own script: \
             end that session, or click \"Unmount disks\" in the portal and make a new script",
        ),
        Iscsi::Tunnel(Tunnel::NameNotFound) => with_advice(
            plain,
            &format!(
                "The name server (port 53) has to know {}: check DNS, and for a private endpoint that this computer is in its \
                 network",
                portal.host
            ),
        ),
        Iscsi::Tunnel(Tunnel::Refused | Tunnel::Unreachable | Tunnel::TimedOut | Tunnel::Closed | Tunnel::Io) => {
            with_advice(
                plain,
                &format!(
                    "Firewalls and network security groups have to let this computer out to {} on TCP port {} (and 443), or \
                     --proxy leads there",
                    portal.host, portal.port
                ),
            )
        }
        Iscsi::Tunnel(Tunnel::ProxyRefused) => {
            with_advice(plain, &format!("The proxy has to allow CONNECT to {} on port {}", portal.host, portal.port))
        }
        Iscsi::Tunnel(
            Tunnel::NotTls | Tunnel::TlsVersion | Tunnel::TlsFailed | Tunnel::Untrusted | Tunnel::WrongName,
        ) => with_advice(
            plain,
            "If a firewall opens TLS on the way it has to leave this connection alone, or its authority is given with --ca",
        ),
        _ => plain,
    }
}

/// The portal says that the caller is outside the network of the vault.
pub(crate) fn blocked(script: &AzureScript) -> Error {
    let message = format!(
        "Azure blocks the access: the vault of VM {} has a private endpoint, and this computer is outside its network. Use a \
         computer inside that virtual network, or one that is connected to it",
        script.vm
    );
    Error::new(ErrorKind::Connect, message)
}

/// The target of the script is not there.
pub(crate) fn gone(script: &AzureScript) -> Error {
    let message = format!(
        "the script is not valid any more: Azure does not show its target, as the disks were unmounted in the portal or 12 \
         hours have passed{}. Make a new script in the portal",
        age(script)
    );
    Error::new(ErrorKind::NotValid, message)
}

/// The target was prepared for longer than anybody wants to wait.
pub(crate) fn not_ready(waited: Duration) -> Error {
    let message = format!(
        "Azure is still preparing the disks after {} s, as it does for large ones: try again in ten minutes, or wait longer \
         with --ready-timeout",
        waited.as_secs_f32()
    );
    Error::new(ErrorKind::Connect, message)
}

/// Whether the service does not know the grant any more, or says that it has ended. A bundle's secrets are right: they were
/// sealed together with its target.
const fn is_withdrawn(error: &iscsi::Error) -> bool {
    use iscsi::ErrorKind as Iscsi;
    matches!(error.kind, Iscsi::TargetNotFound | Iscsi::LoginRefused | Iscsi::SecretRefused | Iscsi::Revoked)
}

/// When the script's target was named, if that is so long ago that it matters.
fn age(script: &AzureScript) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match script.named_at.and_then(|named| now.checked_sub(named)) {
        Some(age) if age >= LIFETIME_SECONDS => {
            format!(" (its name is {} hours old)", age.checked_div(3600).unwrap_or_default())
        }
        _ => String::new(),
    }
}

fn with_advice(mut error: Error, advice: &str) -> Error {
    let end = if error.message.ends_with('.') { "" } else { "." };
    error.message = format!("{}{end} {advice}", error.message);
    error
}
