//! The service as its page, its command line and its target use it.

use crate::audit::{Audit, Event, Line};
use crate::exports::LiveExports;
use crate::key::ServiceKey;
use crate::ledger::{Known, Ledger};
use crate::points::Points;
use crate::sign_in::SignIn;
use crate::tls::Certificate;
use crate::usage::UsageBoard;
use crate::user::Identity;
use crate::vault::{Images, Vault};
use crate::{
    Config, Error, ErrorKind, Grant, GrantId, GrantRequest, GrantState, GrantStatus, Granted, Manifest, PointId,
    PointSummary, UnixTime, User, VmName, VmSummary,
};
use bundle::sealed::{FILE_EXTENSION, Offer, seal};
use secrecy::{SecretBox, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// A grant that ended is shown for so long.
const SHOWN_AFTER_END: Duration = Duration::from_secs(60 * 60);

/// The recovery service on one vault. Everything it knows is in the vault, so that several processes can serve one.
pub struct Service {
    config: Config,
    key: Arc<ServiceKey>,
    certificate: Arc<Certificate>,
    pub(crate) vault: Vault,
    pub(crate) audit: Audit,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) usage: Arc<UsageBoard>,
    sign_in: SignIn,
    points: Points,
    exports: Arc<LiveExports>,
}

impl Service {
    /// Opens the vault, the key and the audit log that the configuration names.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the configuration names what cannot be used, [`ErrorKind::Unavailable`] when
    /// the vault does not answer.
    pub async fn open(config: Config) -> Result<Arc<Self>, Error> {
        let vault = Vault::open(&config.vault)?;
        vault.check().await.map_err(|error| error.while_doing(&format!("the vault '{vault}'")))?;
        Self::on(vault, config).map(Arc::new)
    }

    /// A service on a vault that is open already.
    pub(crate) fn on(vault: Vault, config: Config) -> Result<Self, Error> {
        let key = Arc::new(ServiceKey::read(&config.key_file)?);
        let certificate = Certificate::read(&config.tls)?;
        let sign_in = SignIn::new(&config)?;
        let audit = Audit::open(&config.audit)?;
        let ledger = Arc::new(Ledger::new(vault.clone()));
        let images = Images::new(vault.clone(), config.cache_bytes);
        let exports = LiveExports::new(
            vault.clone(),
            images,
            Arc::clone(&ledger),
            Arc::clone(&key),
            audit.clone(),
            config.iscsi.limits.sessions_per_grant,
        );
        Ok(Self {
            points: Points::new(vault.clone()),
            usage: Arc::new(UsageBoard::new(vault.clone())),
            exports: Arc::new(exports),
            config,
            key,
            certificate,
            vault,
            audit,
            ledger,
            sign_in,
        })
    }

    /// How it is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the page's sessions are authenticated with: the same in every process that has the service's key.
    pub(crate) fn web_key(&self) -> &SecretBox<[u8; 32]> {
        self.key.web()
    }

    pub(crate) const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    pub(crate) const fn exports(&self) -> &Arc<LiveExports> {
        &self.exports
    }

    /// Who the holder of this bearer token is. `from` is the address they come from, for the audit log.
    ///
    /// # Errors
    /// [`ErrorKind::NotSignedIn`] when nobody is known by it.
    pub async fn sign_in(&self, token: &SecretString, from: &str) -> Result<User, Error> {
        self.sign_in.user(token, from, &self.audit).await
    }

    /// The user whom an identity means, as the configuration has them now.
    pub(crate) fn resume(&self, identity: &Identity) -> Result<User, Error> {
        self.sign_in.resume(identity)
    }

    /// The VMs whose points this user may read, in the order of their names.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn vms(&self, user: &User) -> Result<Vec<VmSummary>, Error> {
        let mut vms = self.points.vms().await?;
        vms.retain(|vm| user.may_restore(&vm.vm));
        Ok(vms)
    }

    /// The recovery points of a VM, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such VM, or this user may not read it.
    pub async fn points(&self, user: &User, vm: &VmName) -> Result<Vec<PointSummary>, Error> {
        // One answer for both, so that nobody finds out which VMs there are.
        let none = || Error::not_found(format!("there is no recovery point of a VM '{vm}' that you may read"));
        if !user.may_restore(vm) {
            return Err(none());
        }
        let points = self.points.of(vm).await?;
        if points.is_empty() { Err(none()) } else { Ok(points) }
    }

    /// A recovery point with its disks and volumes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such point, or this user may not read it.
    pub async fn point(&self, user: &User, vm: &VmName, point: &PointId) -> Result<Arc<Manifest>, Error> {
        let none =
            || Error::not_found(format!("there is no recovery point '{point}' of a VM '{vm}' that you may read"));
        if !user.may_restore(vm) {
            return Err(none());
        }
        self.vault.manifest(vm, point).await?.map(Arc::new).ok_or_else(none)
    }

    /// Makes a grant. The password that comes with it is known to nobody afterwards but to whoever asked.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] as for [`Service::point`]; [`ErrorKind::Forbidden`] when this user has too many already;
    /// [`ErrorKind::Invalid`] for a lifetime of nothing or beyond what is allowed.
    pub async fn grant(&self, user: &User, from: &str, request: GrantRequest) -> Result<Granted, Error> {
        let refused = |error: Error| {
            let line = Line::new(Event::GrantRefused).user(user.name()).from(from);
            self.audit.note(line.point(&request.vm, &request.point).reason(&error.to_string()));
            error
        };
        let manifest = self.point(user, &request.vm, &request.point).await.map_err(refused)?;
        let lifetime = self.lifetime(request.lifetime).map_err(refused)?;
        self.check_number(user).await.map_err(refused)?;
        let grant = self.new_grant(user, &request, lifetime)?;
        let password = bundle::password::generate().map_err(|error| Error::internal(error.to_string()))?;
        let bundle = self.sealed(&grant, &manifest, &password).await?;
        // The log before the grant: one that is told and was not made harms nobody, the other way round it would.
        self.audit.record(Line::new(Event::GrantMade).user(user.name()).from(from).grant(&grant)).await?;
        self.ledger.add(grant.clone()).await?;
        let file_name = format!("{}_{}.{FILE_EXTENSION}", grant.vm, grant.point);
        Ok(Granted { grant, file_name, bundle, password })
    }

    fn lifetime(&self, wanted: Option<Duration>) -> Result<Duration, Error> {
        let most = self.config.lifetime_max;
        let lifetime = wanted.unwrap_or(most);
        if lifetime < Duration::from_secs(1) || lifetime > most {
            let most = humantime::format_duration(most);
            return Err(Error::invalid(format!("a grant lives for one second at least, and {most} at most")));
        }
        Ok(lifetime)
    }

    async fn check_number(&self, user: &User) -> Result<(), Error> {
        let most = self.config.iscsi.limits.grants_per_user;
        let revoked = self.ledger.revoked_ids().await?;
        let is_active = |known: &&Known| {
            known.grant.user == user.name() && !known.deadline.is_over() && !revoked.contains(&known.grant.id)
        };
        if self.ledger.all().await?.iter().filter(is_active).count() >= most {
            let message = format!("you have {most} grants that can be used; end those that are not needed");
            return Err(Error::forbidden(message));
        }
        Ok(())
    }

    fn new_grant(&self, user: &User, request: &GrantRequest, lifetime: Duration) -> Result<Grant, Error> {
        let id = GrantId::random()?;
        let now = UnixTime::now();
        Ok(Grant {
            target: format!("{}:{id}", self.config.iscsi.iqn_prefix),
            vm: request.vm.clone(),
            point: request.point.clone(),
            user: user.name().to_owned(),
            made_at: now,
            expires_at: now.after(lifetime),
            id,
        })
    }

    async fn sealed(&self, grant: &Grant, manifest: &Manifest, password: &SecretString) -> Result<String, Error> {
        let offer = Offer {
            vm: grant.vm.to_string(),
            point: grant.point.to_string(),
            taken_at: manifest.taken_at.seconds(),
            grant: grant.id.to_string(),
            expires_at: grant.expires_at.seconds(),
            portals: self.config.iscsi.portals.clone(),
            server_name: self.config.tls.server_name.clone(),
            trust: self.certificate.trust_anchor()?,
            target: grant.target.clone(),
        };
        let (key, password, secrets) = (Arc::clone(&self.key), password.clone(), self.key.chap(grant)?);
        // Deriving a key from a password takes long on purpose.
        let sealed = tokio::task::spawn_blocking(move || seal(&offer, &secrets, &password, key.signing())).await;
        let sealed = sealed.map_err(|error| Error::internal(format!("sealing a bundle failed: {error}")))?;
        sealed.map_err(|error| Error::internal(error.to_string()))
    }

    /// The grants that this user may know of, newest first: active ones, and those that ended a short while ago.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn grants(&self, user: &User) -> Result<Vec<GrantStatus>, Error> {
        let mut known = self.ledger.all().await?;
        let now = UnixTime::now();
        known.retain(|known| user.may_see(&known.grant) && known.grant.expires_at.after(SHOWN_AFTER_END) >= now);
        let mut usage = self.usage.all().await?;
        let own = self.exports.usage();
        let revoked = self.ledger.revoked_ids().await?;
        let mut all = Vec::new();
        for known in known {
            let state = if revoked.contains(&known.grant.id) {
                self.ledger.state(&known).await?
            } else if known.deadline.is_over() {
                GrantState::Expired
            } else {
                GrantState::Active
            };
            if matches!(state, GrantState::Revoked { at, .. } if at.after(SHOWN_AFTER_END) < now) {
                continue;
            }
            let used = usage.remove(&known.grant.id).or_else(|| own.get(&known.grant.id).cloned()).unwrap_or_default();
            let seconds_left = if state == GrantState::Active { known.deadline.left().as_secs() } else { 0 };
            let grant = Grant::clone(&known.grant);
            all.push(GrantStatus { grant, state, sessions: used.sessions, bytes_read: used.bytes_read, seconds_left });
        }
        all.sort_by(|a, b| b.grant.made_at.cmp(&a.grant.made_at).then_with(|| a.grant.id.cmp(&b.grant.id)));
        Ok(all)
    }

    /// Ends a grant and every session that uses it, in every process that serves this vault, within seconds. A grant that has
    /// ended already is no error.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, or this user may not know of it; [`ErrorKind::Forbidden`]
    /// when they may see it and not end it.
    pub async fn revoke(&self, user: &User, from: &str, grant: &GrantId) -> Result<(), Error> {
        let line = |event| Line::new(event).user(user.name()).from(from);
        let known = self.ledger.find(grant).await?.filter(|known| user.may_see(&known.grant));
        let Some(known) = known else {
            let error = Error::not_found(format!("there is no grant {grant} that you may know of"));
            self.audit.note(line(Event::RevocationRefused).grant_id(grant).reason(&error.to_string()));
            return Err(error);
        };
        if !user.may_revoke(&known.grant) {
            let error = Error::new(ErrorKind::Forbidden, "you may see this grant, and not end it");
            self.audit.note(line(Event::RevocationRefused).grant(&known.grant).reason(&error.to_string()));
            return Err(error);
        }
        self.audit.record(line(Event::GrantRevoked).grant(&known.grant)).await?;
        self.ledger.revoke(grant, user.name()).await?;
        self.exports.withdraw(grant);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
