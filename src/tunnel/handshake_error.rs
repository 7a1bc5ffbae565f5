//! What a failed handshake means, and what to do about it.

use crate::error::{printable, words};
use crate::pin::{PinMismatch, format_pin};
use crate::{Error, ErrorKind, Trust};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, PeerIncompatible};
use std::io;
use std::time::{Duration, SystemTime};

/// Names of a certificate that a message shows at most, and how much of each.
const NAMES_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 100;

/// What was asked of the server, for the words of an error.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// The name that the certificate has to carry.
    pub(crate) name: String,
    /// What makes it acceptable.
    pub(crate) trust: Trust,
    /// Whether we have a certificate to show.
    pub(crate) has_client_certificate: bool,
}

/// Why the handshake failed.
pub(crate) fn explain(error: &io::Error, circumstances: &Circumstances) -> Error {
    if let Some(tls) = inner(error) {
        return explain_tls(tls, circumstances);
    }
    let advice = "Perhaps the port does not speak TLS (then the URL begins with iscsi://), or the server does not serve this client";
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Closed, "the peer ended it during the TLS handshake").with_advice(advice)
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Error::new(ErrorKind::Closed, "the peer cut it off during the TLS handshake").with_advice(advice)
        }
        _ => Error::new(ErrorKind::Io, format!("{} (during the TLS handshake)", words(error))),
    }
}

/// The TLS failure inside of what a TLS stream returned.
pub(crate) fn inner(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// What a TLS failure means, during the handshake or after it.
pub(crate) fn explain_tls(error: &TlsError, circumstances: &Circumstances) -> Error {
    match error {
        TlsError::InvalidCertificate(error) => certificate_error(error, circumstances),
        TlsError::AlertReceived(alert) => alert_error(*alert, circumstances),
        TlsError::PeerIncompatible(incompatible) => incompatible_error(incompatible),
        // What a first record cannot be, whatever the version.
        TlsError::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => Error::new(ErrorKind::NotTls, "it answered something else")
            .with_advice("Check the port; for a server without TLS the URL begins with iscsi://"),
        TlsError::NoCertificatesPresented => Error::new(ErrorKind::Untrusted, "it shows none at all"),
        other => Error::new(ErrorKind::TlsFailed, other.to_string()),
    }
}

fn tls_version(detail: &str) -> Error {
    Error::new(ErrorKind::TlsVersion, detail).with_advice("TLS 1.2 or 1.3 has to be enabled on the server")
}

fn incompatible_error(incompatible: &PeerIncompatible) -> Error {
    match incompatible {
        PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            tls_version("the server chose a version before TLS 1.2")
        }
        other => {
            let what = lower_case_words(&format!("{other:?}"), ' ');
            Error::new(
                ErrorKind::TlsFailed,
                format!("the server and this program do not fit: {}", printable(&what, 200)),
            )
        }
    }
}

/// A fatal alert of the server (RFC 8446 section 6.2). The only certificate that it judges is ours.
fn alert_error(alert: AlertDescription, circumstances: &Circumstances) -> Error {
    let said = format!("the server ended the handshake with the alert {}", alert_name(alert));
    match alert {
        AlertDescription::ProtocolVersion => tls_version(&said),
        AlertDescription::UnrecognisedName => {
            Error::new(ErrorKind::WrongName, format!("the server does not know the name `{}`", circumstances.name))
                .with_advice("Give the right one with --server-name")
        }
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => client_certificate(&said, circumstances),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            let advice = if circumstances.has_client_certificate {
                "Either there is no cipher suite in common, or the server does not accept our client certificate"
            } else {
                "Either there is no cipher suite in common, or the server wants a client certificate (--client-cert and --client-key)"
            };
            Error::new(ErrorKind::TlsFailed, said).with_advice(advice)
        }
        _ => Error::new(ErrorKind::TlsFailed, said),
    }
}

fn client_certificate(said: &str, circumstances: &Circumstances) -> Error {
    if circumstances.has_client_certificate {
        return Error::new(ErrorKind::ClientCertificate, said)
            .with_advice("Check that it is the right one, still valid, and sent with the intermediates up to an authority that the server knows");
    }
    Error::new(ErrorKind::ClientCertificate, format!("{said}, and none was given"))
        .with_advice("Give one with --client-cert and --client-key")
}

/// The alert as RFC 8446 spells it, such as `unknown_ca`.
fn alert_name(alert: AlertDescription) -> String {
    match alert.as_str() {
        Some(name) => lower_case_words(name, '_'),
        None => format!("number {}", u8::from(alert)),
    }
}

/// `two_words` of `TwoWords`.
fn lower_case_words(name: &str, between: char) -> String {
    let mut text = String::new();
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            text.push(between);
        }
        after_lower = letter.is_ascii_lowercase();
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[expect(deprecated, reason = "variants that a platform's verifier may still return")]
fn certificate_error(error: &CertificateError, circumstances: &Circumstances) -> Error {
    let untrusted =
        |detail: &str| Error::new(ErrorKind::Untrusted, detail).with_advice(trust_advice(&circumstances.trust));
    match error {
        CertificateError::Expired => Error::new(ErrorKind::Expired, "").with_advice(EXPIRED_ADVICE),
        CertificateError::ExpiredContext { time, not_after } => {
            let detail = format!("it was valid until {}, and now it is {}", date(*not_after), date(*time));
            Error::new(ErrorKind::Expired, detail).with_advice(EXPIRED_ADVICE)
        }
        CertificateError::NotValidYet => Error::new(ErrorKind::NotYetValid, "").with_advice(CLOCK_ADVICE),
        CertificateError::NotValidYetContext { time, not_before } => {
            let detail = format!("it will be valid from {}, and now it is {}", date(*not_before), date(*time));
            Error::new(ErrorKind::NotYetValid, detail).with_advice(CLOCK_ADVICE)
        }
        CertificateError::NotValidForName => wrong_name(&circumstances.name, None),
        CertificateError::NotValidForNameContext { presented, .. } => wrong_name(&circumstances.name, Some(presented)),
        CertificateError::UnknownIssuer => untrusted(unknown_issuer(&circumstances.trust)),
        CertificateError::Revoked => untrusted("its authority has revoked it"),
        CertificateError::BadEncoding => untrusted("it cannot be read as an X.509 certificate of version 3"),
        CertificateError::BadSignature if matches!(circumstances.trust, Trust::Pin(_)) => Error::new(
            ErrorKind::Untrusted,
            "the server shows the pinned key but cannot prove that it has its private half",
        )
        .with_advice("Somebody may be posing as the server"),
        CertificateError::BadSignature => untrusted("a signature in it, or in the handshake, is wrong"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            untrusted("it is not meant for servers (extended key usage)")
        }
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            untrusted("it is signed with an algorithm that is too weak or unknown")
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<PinMismatch>() {
            Some(mismatch) => pin_mismatch(mismatch),
            None => untrusted(&other_certificate_error(other)),
        },
        other => untrusted(&other.to_string()),
    }
}

const EXPIRED_ADVICE: &str = "Ask the server's owner to renew it, and check the clock of this computer";
const CLOCK_ADVICE: &str = "Check the clock of this computer";

fn other_certificate_error(other: &rustls::OtherError) -> String {
    match other.0.downcast_ref::<webpki::Error>() {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "it is an authority's certificate and not a server's, as `openssl req -x509` makes it".to_owned()
        }
        Some(webpki::Error::UnsupportedCertVersion) => "it is not of version 3".to_owned(),
        _ => other.0.to_string(),
    }
}

fn unknown_issuer(trust: &Trust) -> &'static str {
    match trust {
        Trust::CaPem(_) => "it does not come from the authority that the service named when access was given",
        Trust::CaFile(_) => "it does not come from an authority in the CA file",
        Trust::SystemRoots | Trust::Pin(_) => "it does not come from an authority that this computer trusts",
    }
}

fn trust_advice(trust: &Trust) -> &'static str {
    match trust {
        Trust::SystemRoots => {
            "For an authority of your own give its certificate with --ca, or the server's key with --pin"
        }
        Trust::CaFile(_) => {
            "Check that the CA file is the one for this server; --pin accepts one server's key without any authority"
        }
        Trust::CaPem(_) => "Another server answers here, or the service has a new authority: get a new bundle",
        Trust::Pin(_) => "",
    }
}

fn pin_mismatch(mismatch: &PinMismatch) -> Error {
    let (found, pinned) = (format_pin(&mismatch.found), format_pin(&mismatch.pinned));
    Error::new(ErrorKind::PinMismatch, format!("it is {found}, the pin is {pinned}")).with_advice(
        "Ask the server's owner for the right pin; if it has not changed, somebody may be posing as the server",
    )
}

fn wrong_name(wanted: &str, presented: Option<&Vec<String>>) -> Error {
    let (has, advice) = match presented {
        None => ("other names".to_owned(), OTHER_NAME_ADVICE),
        Some(names) if names.is_empty() => (
            "no name that could be checked (subjectAltName)".to_owned(),
            "Ask the server's owner for a certificate with its names, or accept the server's key with --pin",
        ),
        Some(names) => {
            let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| bare_name(name)).collect();
            let more = if names.len() > NAMES_MAX { " and others" } else { "" };
            (format!("{}{more}", shown.join(", ")), OTHER_NAME_ADVICE)
        }
    };
    Error::new(ErrorKind::WrongName, format!("`{wanted}` was asked for, it has {has}")).with_advice(advice)
}

const OTHER_NAME_ADVICE: &str = "If one of its names is right, give it with --server-name";

/// `x` of webpki's `DnsName("x")` and `IpAddress(x)`.
fn bare_name(presented: &str) -> String {
    let inside = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    printable(inside.unwrap_or(presented).trim_matches('"'), NAME_CHARS_MAX)
}

fn date(time: UnixTime) -> String {
    // The first second of the year 10000, which the formatter cannot write; X.509 cannot either.
    const END: u64 = 253_402_300_800;
    let seconds = time.as_secs().min(END.saturating_sub(1));
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.map_or_else(|| "an unknown time".to_owned(), |time| humantime::format_rfc3339_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circumstances(has_client_certificate: bool) -> Circumstances {
        Circumstances { name: "a.example".into(), trust: Trust::SystemRoots, has_client_certificate }
    }

    #[test]
    fn alerts_are_named_as_in_the_rfc() {
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(alert_name(AlertDescription::ProtocolVersion), "protocol_version");
        assert_eq!(alert_name(AlertDescription::from(200)), "number 200");
    }

    #[test]
    fn what_does_not_fit_is_told_in_words() {
        let error = explain_tls(&PeerIncompatible::NoKxGroupsInCommon.into(), &circumstances(false));
        assert_eq!(error.kind, ErrorKind::TlsFailed);
        assert!(error.to_string().ends_with("do not fit: no kx groups in common"), "{error}");
    }

    #[test]
    fn advice_on_a_client_certificate_depends_on_whether_there_is_one() {
        let alert = TlsError::AlertReceived(AlertDescription::BadCertificate);
        let with = explain_tls(&alert, &circumstances(true));
        let without = explain_tls(&alert, &circumstances(false));
        assert_eq!((with.kind, without.kind), (ErrorKind::ClientCertificate, ErrorKind::ClientCertificate));
        assert!(without.to_string().contains("none was given"), "{without}");
        assert!(!with.to_string().contains("none was given"), "{with}");
    }

    #[test]
    fn names_of_a_certificate_are_shown_bounded_and_clean() {
        let presented: Vec<String> = (0..20).map(|n| format!("DnsName(\"{n}\u{1b}.{}\")", "x".repeat(500))).collect();
        let error = wrong_name("a.example", Some(&presented));
        let text = error.to_string();
        assert!(text.len() < 1500 && text.contains("and others") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(bare_name("IpAddress(192.0.2.1)"), "192.0.2.1");
        assert_eq!(bare_name("DirectoryName"), "DirectoryName");
    }

    #[test]
    fn the_last_date_of_a_certificate_can_be_shown() {
        let date = |seconds| date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(date(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_certificate_error_has_its_kind() {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let cases = [
            (CertificateError::Expired, ErrorKind::Expired),
            (CertificateError::ExpiredContext { time: now, not_after: now }, ErrorKind::Expired),
            (CertificateError::NotValidYet, ErrorKind::NotYetValid),
            (CertificateError::NotValidYetContext { time: now, not_before: now }, ErrorKind::NotYetValid),
            (CertificateError::NotValidForName, ErrorKind::WrongName),
            (CertificateError::UnknownIssuer, ErrorKind::Untrusted),
            (CertificateError::Revoked, ErrorKind::Untrusted),
            (CertificateError::InvalidPurpose, ErrorKind::Untrusted),
            (CertificateError::BadSignature, ErrorKind::Untrusted),
        ];
        for (error, kind) in cases {
            assert_eq!(explain_tls(&TlsError::InvalidCertificate(error), &circumstances(false)).kind, kind);
        }
    }
}
