//! Which proxy a connection goes through.

use crate::address::Host;
use crate::no_proxy::NoProxy;
use crate::proxy::Proxy;
use crate::{Error, ProxyChoice};
use secrecy::SecretString;

/// The proxy, and which hosts do not need it.
#[derive(Debug, Default)]
pub(crate) struct ProxyRule {
    proxy: Option<Proxy>,
    direct: NoProxy,
    loopback_is_direct: bool,
}

impl ProxyRule {
    /// What `choice` means in this environment, which is looked at once, here.
    pub(crate) fn new(choice: &ProxyChoice, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match choice {
            ProxyChoice::None => Ok(Self::default()),
            ProxyChoice::Url(url) => Ok(Self { proxy: Some(Proxy::parse(url, "--proxy")?), ..Self::default() }),
            ProxyChoice::FromEnvironment => Self::from_environment(environment),
        }
    }

    fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let first =
            |names: [&'static str; 2]| names.into_iter().find_map(|name| environment(name).map(|value| (name, value)));
        let proxy = match first(["https_proxy", "HTTPS_PROXY"]) {
            Some((name, url)) if !url.trim().is_empty() => Some(Proxy::parse(&SecretString::from(url), name)?),
            _ => None,
        };
        let direct = first(["no_proxy", "NO_PROXY"]).map(|(_, list)| NoProxy::parse(&list)).unwrap_or_default();
        Ok(Self { proxy, direct, loopback_is_direct: true })
    }

    /// The proxy to this host, if it needs one.
    pub(crate) fn for_host(&self, host: &Host, port: u16) -> Option<&Proxy> {
        if self.loopback_is_direct && host.is_loopback() || self.direct.covers(host, port) {
            return None;
        }
        self.proxy.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn rule(pairs: &[(&str, &str)]) -> Result<ProxyRule, Error> {
        let environment = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ProxyRule::new(&ProxyChoice::FromEnvironment, &environment)
    }

    fn proxy_for(rule: &ProxyRule, host: &str) -> Option<String> {
        rule.for_host(&Host::parse(host).unwrap(), 3260).map(|proxy| proxy.address.to_string())
    }

    #[test]
    fn without_variables_there_is_no_proxy() {
        assert_eq!(proxy_for(&rule(&[]).unwrap(), "a.example"), None);
        assert_eq!(proxy_for(&rule(&[("HTTPS_PROXY", " ")]).unwrap(), "a.example"), None);
    }

    #[test]
    fn either_spelling_names_the_proxy_and_the_lower_case_one_wins() {
        let upper = ("HTTPS_PROXY", "http://upper:1");
        assert_eq!(proxy_for(&rule(&[upper]).unwrap(), "a.example").unwrap(), "upper:1");
        let both = rule(&[upper, ("https_proxy", "lower:2")]).unwrap();
        assert_eq!(proxy_for(&both, "a.example").unwrap(), "lower:2");
        let off = rule(&[upper, ("https_proxy", "")]).unwrap();
        assert_eq!(proxy_for(&off, "a.example"), None);
    }

    #[test]
    fn excepted_hosts_and_loopback_are_reached_directly() {
        let rule = rule(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", ".example,10.0.0.0/8")]).unwrap();
        for host in ["a.example", "10.9.8.7", "127.0.0.1", "::1", "localhost"] {
            assert_eq!(proxy_for(&rule, host), None, "{host}");
        }
        assert_eq!(proxy_for(&rule, "a.test").unwrap(), "p:1");
    }

    #[test]
    fn a_proxy_given_by_name_is_used_for_every_host() {
        let environment = |name: &str| (name == "NO_PROXY").then(|| "*".to_owned());
        let choice = ProxyChoice::Url("http://p:1".into());
        let rule = ProxyRule::new(&choice, &environment).unwrap();
        for host in ["a.example", "127.0.0.1", "localhost"] {
            assert_eq!(proxy_for(&rule, host).unwrap(), "p:1");
        }
        let none = ProxyRule::new(&ProxyChoice::None, &|_| Some("http://p:1".into())).unwrap();
        assert_eq!(proxy_for(&none, "a.example"), None);
    }

    #[test]
    fn a_bad_variable_is_named_without_its_value() {
        let error = rule(&[("HTTPS_PROXY", "socks5://user:hunter2@p:1")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadConfig);
        let text = error.to_string();
        assert!(text.contains("HTTPS_PROXY") && !text.contains("hunter2"), "{text}");
    }
}
