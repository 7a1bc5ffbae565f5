//! The service as its page, its command line and its target use it.

use crate::{
    Config, Error, GrantId, GrantRequest, GrantStatus, Granted, Manifest, PointId, PointSummary, User, VmName,
    VmSummary,
};
use secrecy::SecretString;
use std::sync::Arc;

/// The recovery service on one vault. Everything it knows is in the vault, so that several processes can serve one.
pub struct Service {
    config: Config,
}

impl Service {
    /// Opens the vault, the key and the audit log that the configuration names.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] when the configuration names what cannot be used, [`crate::ErrorKind::Unavailable`] when
    /// the vault does not answer.
    pub async fn open(config: Config) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self { config }))
    }

    /// How it is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Who the holder of this bearer token is. `from` is the address they come from, for the audit log.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotSignedIn`] when nobody is known by it.
    pub async fn sign_in(&self, token: &SecretString, from: &str) -> Result<User, Error> {
        let _ = (token, from);
        Err(Error::unavailable("signing in"))
    }

    /// The VMs whose points this user may read, in the order of their names.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn vms(&self, user: &User) -> Result<Vec<VmSummary>, Error> {
        let _ = user;
        Err(Error::unavailable("vms"))
    }

    /// The recovery points of a VM, newest first.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when there is no such VM, or this user may not read it.
    pub async fn points(&self, user: &User, vm: &VmName) -> Result<Vec<PointSummary>, Error> {
        let _ = (user, vm);
        Err(Error::unavailable("points"))
    }

    /// A recovery point with its disks and volumes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when there is no such point, or this user may not read it.
    pub async fn point(&self, user: &User, vm: &VmName, point: &PointId) -> Result<Arc<Manifest>, Error> {
        let _ = (user, vm, point);
        Err(Error::unavailable("point"))
    }

    /// Makes a grant. The password that comes with it is known to nobody afterwards but to whoever asked.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] and [`crate::ErrorKind::Forbidden`] as for [`Service::point`];
    /// [`crate::ErrorKind::Invalid`] for a lifetime of nothing or beyond what is allowed.
    pub async fn grant(&self, user: &User, from: &str, request: GrantRequest) -> Result<Granted, Error> {
        let _ = (user, from, request);
        Err(Error::unavailable("grant"))
    }

    /// The grants that this user may know of, newest first: active ones, and those that ended a short while ago.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub async fn grants(&self, user: &User) -> Result<Vec<GrantStatus>, Error> {
        let _ = user;
        Err(Error::unavailable("grants"))
    }

    /// Ends a grant and every session that uses it, in every process that serves this vault, within seconds. A grant that has
    /// ended already is no error.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when there is none, or this user may not know of it; [`crate::ErrorKind::Forbidden`]
    /// when they may see it and not end it.
    pub async fn revoke(&self, user: &User, from: &str, grant: &GrantId) -> Result<(), Error> {
        let _ = (user, from, grant);
        Err(Error::unavailable("revoke"))
    }
}
