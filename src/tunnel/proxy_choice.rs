//! Which proxy a connection goes through.

use crate::address::Host;
use crate::no_proxy::NoProxy;
use crate::proxy::Proxy;
use crate::{Error, ProxyChoice};
use secrecy::{ExposeSecret, SecretString};

/// The proxy, and which hosts do not need it.
#[derive(Debug, Default)]
pub(crate) struct ProxyRule {
    /// A variable that cannot be read is an error only for hosts that need it.
    proxy: Option<Result<Proxy, Error>>,
    direct: NoProxy,
    loopback_is_direct: bool,
}

impl ProxyRule {
    /// What `choice` means in this environment, which is looked at once, here.
    pub(crate) fn new(choice: &ProxyChoice, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match choice {
            ProxyChoice::None => Ok(Self::default()),
            ProxyChoice::Url(url) => Ok(Self { proxy: Some(Ok(Proxy::parse(url, "--proxy")?)), ..Self::default() }),
            ProxyChoice::FromEnvironment => Ok(Self::from_environment(environment)),
        }
    }

    fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| environment(name).map(|value| (name, SecretString::from(value))))
        };
        let proxy = first(["https_proxy", "HTTPS_PROXY"]).filter(|(_, url)| !url.expose_secret().trim().is_empty());
        let direct = first(["no_proxy", "NO_PROXY"]).map(|(_, list)| NoProxy::parse(list.expose_secret()));
        Self {
            proxy: proxy.map(|(name, url)| Proxy::parse(&url, name)),
            direct: direct.unwrap_or_default(),
            loopback_is_direct: true,
        }
    }

    /// The proxy to this host, if it needs one.
    pub(crate) fn for_host(&self, host: &Host, port: u16) -> Result<Option<&Proxy>, Error> {
        if self.loopback_is_direct && host.is_loopback() || self.direct.covers(host, port) {
            return Ok(None);
        }
        self.proxy.as_ref().map(|proxy| proxy.as_ref().map_err(Clone::clone)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn rule(pairs: &[(&str, &str)]) -> ProxyRule {
        let environment = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ProxyRule::new(&ProxyChoice::FromEnvironment, &environment).unwrap()
    }

    fn proxy_for(rule: &ProxyRule, host: &str) -> Option<String> {
        rule.for_host(&Host::parse(host).unwrap(), 3260).unwrap().map(|proxy| proxy.address.to_string())
    }

    #[test]
    fn without_variables_there_is_no_proxy() {
        assert_eq!(proxy_for(&rule(&[]), "a.example"), None);
        assert_eq!(proxy_for(&rule(&[("HTTPS_PROXY", " ")]), "a.example"), None);
    }

    #[test]
    fn either_spelling_names_the_proxy_and_the_lower_case_one_wins() {
        let upper = ("HTTPS_PROXY", "http://upper:1");
        assert_eq!(proxy_for(&rule(&[upper]), "a.example").unwrap(), "upper:1");
        let both = rule(&[upper, ("https_proxy", "lower:2")]);
        assert_eq!(proxy_for(&both, "a.example").unwrap(), "lower:2");
        let off = rule(&[upper, ("https_proxy", "")]);
        assert_eq!(proxy_for(&off, "a.example"), None);
    }

    #[test]
    fn excepted_hosts_and_loopback_are_reached_directly() {
        let rule = rule(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", ".example,10.0.0.0/8")]);
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
    fn a_bad_variable_is_named_without_its_value_where_it_matters() {
        let rule = rule(&[("HTTPS_PROXY", "socks5://user:hunter2@p:1"), ("NO_PROXY", "a.example")]);
        let error = rule.for_host(&Host::parse("b.example").unwrap(), 3260).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadConfig);
        let text = error.to_string();
        assert!(text.contains("HTTPS_PROXY") && !text.contains("hunter2"), "{text}");
        assert_eq!(proxy_for(&rule, "a.example"), None);
        assert_eq!(proxy_for(&rule, "127.0.0.1"), None);
    }

    #[test]
    fn a_bad_url_given_by_name_is_told_at_once() {
        let error = ProxyRule::new(&ProxyChoice::Url("ftp://p:1".into()), &|_| None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadConfig);
    }
}
