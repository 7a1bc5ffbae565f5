//! What every request may use.

use super::cookie::Cookies;
use super::failures::FailedSignIns;
use crate::Service;
use std::sync::Arc;
use std::time::Duration;

/// The service, and what the HTTPS side keeps for itself.
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) cookies: Cookies,
    pub(crate) failures: FailedSignIns,
    /// Whether browsers are told to come over HTTPS only, for a year.
    pub(crate) hsts: bool,
    /// A request that takes longer, from its header to its answer, is given up.
    pub(crate) request_time_max: Duration,
}

impl App {
    pub(crate) fn new(service: Arc<Service>, hsts: bool, request_time_max: Duration) -> Arc<Self> {
        let cookies = Cookies::new(service.web_key());
        Arc::new(Self { service, cookies, failures: FailedSignIns::new(), hsts, request_time_max })
    }
}
