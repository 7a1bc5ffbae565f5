//! How a target is reached: from what SOURCE says and what the options add.

use crate::args::{ConnectionArgs, Digests};
use crate::exit::Failure;
use crate::secrets::Secrets;
use bundle::RecoveryPoint;
use bundle::sealed::TrustAnchor;
use secrecy::SecretString;
use tunnel::{Address, ClientIdentity, ProxyChoice, Security, TlsConfig, Trust, TunnelConfig};

impl ConnectionArgs {
    /// Refuses options that SOURCE leaves no room for: the user believes in something that is not done.
    pub(crate) fn refuse_unfit(&self, point: &RecoveryPoint) -> Result<(), Failure> {
        let chap = [(self.chap_user.is_some(), "--chap-user"), (self.target_user.is_some(), "--target-user")];
        let trust =
            [(self.ca.is_some(), "--ca"), (self.pin.is_some(), "--pin"), (self.server_name.is_some(), "--server-name")];
        let described = [(self.password.is_some(), "--password"), (self.mutual, "--mutual")];
        let key = [(self.service_key.is_some(), "--service-key")];
        let plaintext = [(self.insecure_plaintext, "--insecure-plaintext")];
        let refuse = |groups: &[&[(bool, &str)]], why: &str| match groups.concat().iter().find(|(given, _)| *given) {
            Some((_, option)) => Err(Failure::usage(format!("{option} {why}"))),
            None => Ok(()),
        };
        match point {
            RecoveryPoint::Sealed { .. } => {
                refuse(
                    &[&chap, &trust, &plaintext],
                    "cannot be given with a sealed bundle: it says all of that itself",
                )?;
                refuse(&[&described[1..]], "is not needed with a sealed bundle: its target always has to prove itself")
            }
            RecoveryPoint::Azure { .. } => {
                refuse(&[&chap, &plaintext], "cannot be given with a script of Azure Backup: it says that itself")?;
                refuse(&[&key], "is for sealed bundles: a script of Azure Backup is not signed by a recovery service")
            }
            RecoveryPoint::Iscsi(url) => {
                refuse(&[&key], "is for sealed bundles")?;
                refuse(
                    &[&described],
                    "is for sealed bundles and scripts of Azure Backup; here --chap-secret and --target-secret are meant",
                )?;
                let client = [(self.client_cert.is_some(), "--client-cert")];
                let needs_tls: &[&[(bool, &str)]] = if url.tls { &[] } else { &[&trust, &client] };
                refuse(needs_tls, "needs TLS: write iscsis:// instead of iscsi://")
            }
            RecoveryPoint::Images(_) => {
                refuse(&[&described, &key], "is for sealed bundles and scripts of Azure Backup, and this is neither")
            }
        }
    }

    pub(crate) fn tunnel(&self, point: &RecoveryPoint, secrets: &Secrets) -> Result<TunnelConfig, Failure> {
        let tls = match point {
            RecoveryPoint::Iscsi(url) => {
                url.tls.then(|| Ok::<_, Failure>((self.trust()?, self.server_name.clone()))).transpose()?
            }
            RecoveryPoint::Images(_) => None,
            RecoveryPoint::Sealed { bundle, .. } => {
                let offer = bundle.offer();
                let trust = match &offer.trust {
                    TrustAnchor::System => Trust::SystemRoots,
                    TrustAnchor::Pin(pin) => Trust::Pin(*pin),
                    TrustAnchor::CaPem(pem) => Trust::CaPem(pem.clone()),
                };
                Some((trust, offer.server_name.clone()))
            }
            RecoveryPoint::Azure { script, .. } => {
                let name = self.server_name.as_ref().unwrap_or(&script.server_name);
                Some((self.trust()?, Some(name.clone())))
            }
        };
        let security = match tls {
            Some((trust, server_name)) => Security::Tls(TlsConfig { trust, server_name, client: self.client() }),
            None => Security::Plain { allow_remote: self.insecure_plaintext },
        };
        Ok(TunnelConfig { security, proxy: self.proxy_choice(secrets)? })
    }

    fn trust(&self) -> Result<Trust, Failure> {
        match (&self.ca, &self.pin) {
            (Some(file), _) => Ok(Trust::CaFile(file.clone())),
            (None, Some(pin)) => {
                tunnel::parse_pin(pin).map(Trust::Pin).map_err(|error| Failure::usage(error.to_string()))
            }
            (None, None) => Ok(Trust::SystemRoots),
        }
    }

    fn client(&self) -> Option<ClientIdentity> {
        let (certificate, key) = self.client_cert.clone().zip(self.client_key.clone())?;
        Some(ClientIdentity { certificate, key })
    }

    fn proxy_choice(&self, secrets: &Secrets) -> Result<ProxyChoice, Failure> {
        let Some(proxy) = &self.proxy else { return Ok(ProxyChoice::FromEnvironment) };
        if proxy == "none" {
            return Ok(ProxyChoice::None);
        }
        let mut url = url::Url::parse(proxy).map_err(|error| {
            Failure::usage(format!("--proxy is not a URL ({error}): write http://HOST:PORT or none"))
        })?;
        if url.password().is_some() {
            return Err(Failure::usage("a password does not belong into --proxy: use --proxy-secret file:PATH"));
        }
        if let Some(secret) = &secrets.proxy {
            let refused = || Failure::usage("this --proxy URL cannot carry a password");
            url.set_password(Some(secret)).map_err(|()| refused())?;
        }
        Ok(ProxyChoice::Url(SecretString::from(String::from(url))))
    }

    pub(crate) fn iscsi(&self, point: &RecoveryPoint, secrets: &Secrets) -> iscsi::SessionConfig {
        let nowhere = Address { host: String::new(), port: 0 };
        let (address, tls) = match point {
            RecoveryPoint::Iscsi(url) => (url.address.clone(), url.tls),
            RecoveryPoint::Images(_) => (nowhere, false),
            // A bundle names one portal at least.
            RecoveryPoint::Sealed { bundle, .. } => (bundle.offer().portals.first().cloned().unwrap_or(nowhere), true),
            RecoveryPoint::Azure { script, .. } => (script.portal.clone(), true),
        };
        let mut config = iscsi::SessionConfig::new(address);
        config.login = secrets.login();
        config.reverse = secrets.reverse();
        config.digests = match self.digests {
            Digests::On => iscsi::DigestPolicy::Require,
            Digests::Off => iscsi::DigestPolicy::Refuse,
            Digests::Auto if tls => iscsi::DigestPolicy::Accept,
            Digests::Auto => iscsi::DigestPolicy::Prefer,
        };
        config.login_timeout = self.connect_timeout;
        config.reconnect_timeout = self.reconnect_timeout;
        config.revocable = point.is_revocable();
        if let Some(name) = &self.initiator_name {
            config.initiator_name.clone_from(name);
        }
        config
    }
}
