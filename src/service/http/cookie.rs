//! The cookie of somebody who signed in: a JSON web token (RFC 7519) that names them and ends after twelve hours at
//! most. It is signed with a key that every process of the service derives, so any of them accepts it, and it holds no
//! secret of the user's.

use super::problem::Problem;
use crate::user::Identity;
use crate::{LIFETIME_MAX, UnixTime};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};

/// `__Host-`: browsers take it over HTTPS only, for this host and all of its paths (RFC 6265bis, 4.1.3.2).
const NAME: &str = "__Host-fr-session";
/// What the token is for: nothing else that is signed with the same key could pass for one.
const AUDIENCE: &str = "fr-serve page";

/// Makes and checks cookies.
pub(crate) struct Cookies {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
    user: Identity,
}

/// What a cookie says.
pub(crate) struct SignIn {
    pub(crate) identity: Identity,
    pub(crate) seconds_left: u64,
}

impl Cookies {
    pub(crate) fn new(key: &SecretBox<[u8; 32]>) -> Self {
        let key = key.expose_secret();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.leeway = 0;
        Self { signing: EncodingKey::from_secret(key), checking: DecodingKey::from_secret(key), validation }
    }

    /// The header that gives the cookie to a browser, and the seconds that it is good for.
    pub(crate) fn give(&self, identity: Identity) -> Result<(HeaderValue, u64), Problem> {
        let now = UnixTime::now().seconds();
        let longest = now.saturating_add(LIFETIME_MAX.as_secs());
        let exp = identity.until.map_or(longest, UnixTime::seconds).min(longest);
        let claims = Claims { aud: AUDIENCE.to_owned(), exp, user: identity };
        let failed = |error: &dyn std::fmt::Display| {
            Problem::from(crate::Error::internal(format!("the sign-in could not be kept: {error}")))
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| failed(&error))?;
        let seconds = exp.saturating_sub(now);
        let mut header = HeaderValue::try_from(with_attributes(&token, seconds)).map_err(|error| failed(&error))?;
        header.set_sensitive(true);
        Ok((header, seconds))
    }

    /// Who a request's cookie says it is from; `None` without a cookie that is good.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Option<SignIn> {
        let token = value(headers)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?.claims;
        let seconds_left = claims.exp.saturating_sub(UnixTime::now().seconds());
        Some(SignIn { identity: claims.user, seconds_left })
    }
}

/// The header that takes the cookie away.
pub(crate) fn taken_away() -> HeaderValue {
    HeaderValue::from_static("__Host-fr-session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

fn with_attributes(token: &str, seconds: u64) -> String {
    format!("{NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}

fn value(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(key: u8) -> Cookies {
        Cookies::new(&SecretBox::new(Box::new([key; 32])))
    }

    fn ann() -> Identity {
        Identity { name: "ann".into(), roles: vec!["operator".into()], proof: "1".into(), until: None }
    }

    fn sent(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers
    }

    fn pair(header: &HeaderValue) -> String {
        header.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn another_process_with_the_same_key_accepts_a_cookie_and_one_with_another_key_does_not() {
        let (header, seconds) = cookies(1).give(ann()).unwrap();
        assert_eq!(seconds, 12 * 60 * 60);
        let headers = sent(&format!("theme=dark; {}; x=y", pair(&header)));
        assert_eq!(cookies(1).check(&headers).unwrap().identity.name, "ann");
        assert!(cookies(2).check(&headers).is_none());
    }

    #[test]
    fn a_cookie_is_kept_from_scripts_from_other_hosts_and_from_requests_of_other_sites() {
        let (header, _) = cookies(1).give(ann()).unwrap();
        let text = header.to_str().unwrap();
        for attribute in ["; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite=Strict;", "; Max-Age=43200"] {
            assert!(text.contains(attribute), "{text}");
        }
        assert!(text.starts_with("__Host-") && !text.contains("Domain"));
        assert!(header.is_sensitive());
    }

    #[test]
    fn a_cookie_ends_with_the_token_that_it_came_from_and_an_old_one_is_not_accepted() {
        let cookies = cookies(1);
        let at = |seconds| UnixTime::from_seconds(UnixTime::now().seconds() + 60 - seconds);
        let (_, seconds) = cookies.give(Identity { until: Some(at(0)), ..ann() }).unwrap();
        assert!(seconds <= 60);
        let (old, seconds) = cookies.give(Identity { until: Some(at(100)), ..ann() }).unwrap();
        assert_eq!(seconds, 0);
        assert!(cookies.check(&sent(&pair(&old))).is_none());
    }

    #[test]
    fn a_changed_unsigned_or_foreign_token_is_none() {
        let cookies = cookies(1);
        let (header, _) = cookies.give(ann()).unwrap();
        let good = pair(&header);
        let (signed, _) = good.rsplit_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIn0";
        let payload = good.split('.').nth(1).unwrap();
        let foreign = jsonwebtoken::encode(
            &Header::default(),
            &Claims { aud: "something else".into(), exp: u64::MAX, user: ann() },
            &EncodingKey::from_secret(&[1; 32]),
        );
        for bad in [
            format!("{signed}.AAAA"),
            format!("{signed}."),
            format!("{NAME}={none}.{payload}."),
            format!("{NAME}={}", foreign.unwrap()),
            format!("{NAME}=; {good}"),
            format!("{NAME}={}", "A".repeat(5000)),
            "=;;;=".to_owned(),
        ] {
            assert!(cookies.check(&sent(&bad)).is_none(), "{bad}");
        }
        assert!(cookies.check(&sent(&good)).is_some());
    }
}
