//! How a login ended (RFC 7143 section 11.13.5).

use crate::{Redirect, Refusal};

/// Status-Class and Status-Detail of a Login Response that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) class: u8,
    pub(crate) detail: u8,
    /// TargetAddress of a redirection.
    pub(crate) moved_to: Option<String>,
}

impl Status {
    pub(crate) const INITIATOR_ERROR: Self = Self::new(2, 0);
    pub(crate) const AUTHENTICATION_FAILURE: Self = Self::new(2, 1);
    pub(crate) const TARGET_NOT_FOUND: Self = Self::new(2, 3);
    pub(crate) const TARGET_REMOVED: Self = Self::new(2, 4);
    pub(crate) const UNSUPPORTED_VERSION: Self = Self::new(2, 5);
    pub(crate) const MISSING_PARAMETER: Self = Self::new(2, 7);
    pub(crate) const CANNOT_INCLUDE_IN_SESSION: Self = Self::new(2, 8);
    pub(crate) const UNSUPPORTED_SESSION_TYPE: Self = Self::new(2, 9);
    pub(crate) const SESSION_DOES_NOT_EXIST: Self = Self::new(2, 10);
    pub(crate) const INVALID_DURING_LOGIN: Self = Self::new(2, 11);
    pub(crate) const TARGET_ERROR: Self = Self::new(3, 0);
    pub(crate) const OUT_OF_RESOURCES: Self = Self::new(3, 2);

    const fn new(class: u8, detail: u8) -> Self {
        Self { class, detail, moved_to: None }
    }

    /// A refusal without cause.
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self::new(refusal.class, refusal.detail)
    }

    /// Target moved, temporarily (1) or permanently (2).
    pub(crate) fn moved(redirect: &Redirect) -> Self {
        let detail = if redirect.permanently { 2 } else { 1 };
        Self { class: 1, detail, moved_to: Some(redirect.to.clone()) }
    }
}
