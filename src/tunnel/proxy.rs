//! A way through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6).

use crate::address::Host;
use crate::error::{printable, words};
use crate::{Address, Error, ErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;
use zeroize::Zeroizing;

/// The head of an answer to CONNECT is a few hundred bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
const REASON_CHARS_MAX: usize = 100;

const NO_PROXY_THERE: &str = "Check that the address is the one of an HTTP proxy";
const URL_ADVICE: &str =
    "Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, special characters percent-encoded";

/// A proxy and what it wants to see.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: Address,
    /// Value of `Proxy-Authorization`: Basic (RFC 7617).
    pub(crate) authorization: Option<SecretString>,
}

impl Proxy {
    /// Reads `http://[USER[:PASSWORD]@]HOST[:PORT]`; `http://` may be left out. Errors name the `setting` that it
    /// came from and not what it says, as that may be a secret.
    pub(crate) fn parse(url: &SecretString, setting: &str) -> Result<Self, Error> {
        let text = url.expose_secret().trim();
        let scheme = if text.contains("://") { "" } else { "http://" };
        let text = Zeroizing::new([scheme, text].concat());
        let parsed = Url::parse(&text).map_err(|error| format!("is not a URL ({error})")).and_then(|url| {
            let proxy = Self::from_url(&url);
            drop(Zeroizing::new(String::from(url)));
            proxy
        });
        parsed.map_err(|why| Error::new(ErrorKind::BadConfig, format!("{setting} {why}")).with_advice(URL_ADVICE))
    }

    fn from_url(url: &Url) -> Result<Self, String> {
        if url.scheme() != "http" {
            return Err(format!("has the scheme {}://, but only http:// proxies are supported", url.scheme()));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("has more than a host and a port".to_owned());
        }
        let host = url.host_str().ok_or("has no host")?;
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or("has no usable port")?;
        let authorization = basic(url.username(), url.password())?;
        Ok(Self { address: Address::new(host, port), authorization })
    }

    /// Asks the proxy at the other end of `stream` to connect on to `host`. After that the stream is one to `host`.
    pub(crate) async fn connect<S>(&self, stream: &mut S, host: &Host, port: u16) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let authority = Address::new(host.to_string(), port).to_string();
        let mut request = Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
        if let Some(value) = &self.authorization {
            request.reserve_exact(value.expose_secret().len().saturating_add(32));
            request.push_str("Proxy-Authorization: ");
            request.push_str(value.expose_secret());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| lost(&error))?;
        stream.flush().await.map_err(|error| lost(&error))?;
        let answer = read_answer(stream).await?;
        self.judge(&answer)
    }

    fn judge(&self, answer: &Answer) -> Result<(), Error> {
        let status = answer.status;
        let said = format!("status {status} {}", answer.reason).trim_end().to_owned();
        match status {
            200..=299 if answer.bytes_after == 0 => Ok(()),
            // The client speaks first in TLS and in iSCSI: this is no answer from the other end.
            200..=299 => {
                Err(Error::new(ErrorKind::ProxyProtocol, "it sent more than was asked for").with_advice(NO_PROXY_THERE))
            }
            407 => Err(self.wants_credentials(answer, said)),
            403 => {
                Err(refused(said, "The proxy's rules forbid this host or port; ask who runs it to allow CONNECT to it"))
            }
            502..=504 => Err(refused(said, "The proxy cannot reach the host: check its name and port")),
            100..=199 => Err(Error::new(ErrorKind::ProxyProtocol, said)),
            _ => Err(refused(said, "Check that the address is the one of an HTTP proxy that allows CONNECT")),
        }
    }

    fn wants_credentials(&self, answer: &Answer, said: String) -> Error {
        let error = Error::new(ErrorKind::ProxyCredentials, said);
        if !answer.offers_basic && !answer.schemes.is_empty() {
            let schemes = answer.schemes.join(", ");
            return error.with_advice(format!(
                "It wants {schemes}, but only Basic is supported; a local proxy such as cntlm can translate"
            ));
        }
        error.with_advice(match self.authorization {
            Some(_) => "It does not accept this user and password",
            None => "Give the user and password for it in its URL: http://USER:PASSWORD@HOST:PORT",
        })
    }
}

fn refused(said: String, advice: &str) -> Error {
    Error::new(ErrorKind::ProxyRefused, said).with_advice(advice)
}

/// The value of the header for these parts of a URL.
fn basic(user: &str, password: Option<&str>) -> Result<Option<SecretString>, &'static str> {
    if user.is_empty() && password.is_none() {
        return Ok(None);
    }
    let user = decoded(user);
    let password = decoded(password.unwrap_or_default());
    if user.contains(&b':') {
        return Err("has a user name with a colon in it, which Basic authentication cannot express");
    }
    if user.iter().chain(password.iter()).any(u8::is_ascii_control) {
        return Err("has control characters in its user name or password");
    }
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len().saturating_add(password.len()).saturating_add(1)));
    pair.extend_from_slice(&user);
    pair.push(b':');
    pair.extend_from_slice(&password);
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_slice()));
    // Of exactly its length, so that no copy is left behind.
    Ok(Some(SecretString::from(["Basic ", encoded.as_str()].concat())))
}

fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    bytes
}

/// What counts of the proxy's answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    reason: String,
    offers_basic: bool,
    schemes: Vec<String>,
    /// Bytes that came behind the head.
    bytes_after: usize,
}

async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Answer, Error> {
    let mut bytes: Vec<u8> = Vec::with_capacity(1024);
    loop {
        let room = HEAD_BYTES_MAX.saturating_sub(bytes.len());
        if room == 0 {
            return Err(not_http(&format!("its head is longer than {HEAD_BYTES_MAX} bytes")));
        }
        let limit = u64::try_from(room).unwrap_or(u64::MAX);
        let count = (&mut *stream).take(limit).read_buf(&mut bytes).await.map_err(|error| lost(&error))?;
        if let Some(answer) = parse_answer(&bytes)? {
            return Ok(answer);
        }
        if count == 0 {
            return Err(Error::new(ErrorKind::Closed, "the proxy ended it without a complete answer")
                .with_advice(NO_PROXY_THERE));
        }
    }
}

/// The answer once its head is complete.
fn parse_answer(bytes: &[u8]) -> Result<Option<Answer>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| not_http(&error.to_string()))?;
    let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
    let schemes = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("proxy-authenticate"));
    let schemes = schemes.filter_map(|header| std::str::from_utf8(header.value).ok());
    let schemes: Vec<String> = schemes.filter_map(|value| value.split_whitespace().next()).map(scheme_name).collect();
    Ok(Some(Answer {
        status: response.code.unwrap_or_default(),
        reason: printable(response.reason.unwrap_or_default(), REASON_CHARS_MAX),
        offers_basic: schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")),
        schemes,
        bytes_after: bytes.len().saturating_sub(head_bytes),
    }))
}

fn scheme_name(scheme: &str) -> String {
    printable(scheme.trim_end_matches(','), 20)
}

fn not_http(why: &str) -> Error {
    Error::new(ErrorKind::ProxyProtocol, why).with_advice(NO_PROXY_THERE)
}

fn lost(error: &io::Error) -> Error {
    Error::new(ErrorKind::Closed, format!("{} (while asking the proxy)", words(error))).with_advice(NO_PROXY_THERE)
}

#[cfg(test)]
mod tests;
