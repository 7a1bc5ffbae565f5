//! The part of a bundle that everybody can read: which recovery point it is, where it is served, until when.

use super::BundleError;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use tunnel::Address;

/// The end of the year 9999: no later time can be written down.
pub(super) const TIME_MAX: u64 = 253_402_300_799;
/// No service has more entrances.
const PORTALS_MAX: usize = 16;
/// The longest name of a VM, a point or a grant, in bytes.
const TEXT_BYTES_MAX: usize = 255;
/// A chain of authorities is much shorter.
const CA_BYTES_MAX: usize = 256 << 10;

/// What a bundle offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The VM whose disks these are.
    pub vm: String,
    /// Its recovery point.
    pub point: String,
    /// When the recovery point was taken, in seconds since 1970.
    pub taken_at: u64,
    /// The grant that this bundle was made for.
    pub grant: String,
    /// When the grant ends, in seconds since 1970.
    pub expires_at: u64,
    /// Where the service listens; tried in this order.
    pub portals: Vec<Address>,
    /// The name that the service's certificate carries, where it is not the host that is dialled.
    pub server_name: Option<String>,
    /// What makes the service's certificate acceptable.
    pub trust: TrustAnchor,
    /// The iSCSI name of the grant's target.
    pub target: String,
}

/// What makes the certificate of a service acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAnchor {
    /// The authorities that the client's computer trusts.
    System,
    /// SHA-256 of the SubjectPublicKeyInfo of the service's own certificate.
    Pin([u8; 32]),
    /// These authorities, in PEM.
    CaPem(String),
}

impl Offer {
    /// When the grant ends; `None` when this computer cannot count that far.
    #[must_use]
    pub fn ends(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.expires_at))
    }

    /// Whether every field is one that a client can use.
    pub(super) fn check(&self) -> Result<(), BundleError> {
        for (what, text) in [("VM", &self.vm), ("recovery point", &self.point), ("grant", &self.grant)] {
            if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
                return Err(invalid(format!("the name of its {what} is no name")));
            }
        }
        if self.expires_at > TIME_MAX || self.taken_at > TIME_MAX {
            return Err(invalid("its times are beyond the year 9999".to_owned()));
        }
        if self.portals.is_empty() || self.portals.len() > PORTALS_MAX {
            return Err(invalid(format!("it has to name one to {PORTALS_MAX} addresses of the service")));
        }
        for portal in &self.portals {
            portal.to_string().parse::<Address>().map_err(|error| invalid(error.to_string()))?;
        }
        if let Some(name) = &self.server_name {
            tunnel::parse_server_name(name).map_err(|error| invalid(error.to_string()))?;
        }
        if let TrustAnchor::CaPem(pem) = &self.trust
            && (pem.len() > CA_BYTES_MAX || !pem.contains("-----BEGIN CERTIFICATE-----"))
        {
            return Err(invalid("its certificate authority is not in PEM".to_owned()));
        }
        crate::name::check(&self.target).map_err(invalid)
    }

    /// The one line of JSON that stands in the file.
    pub(super) fn to_json(&self) -> Result<String, BundleError> {
        let layout = Layout {
            vm: self.vm.clone(),
            point: self.point.clone(),
            taken_at: self.taken_at,
            grant: self.grant.clone(),
            expires_at: self.expires_at,
            portals: self.portals.iter().map(ToString::to_string).collect(),
            server_name: self.server_name.clone(),
            trust: match &self.trust {
                TrustAnchor::System => TrustLayout::System,
                TrustAnchor::Pin(pin) => TrustLayout::Pin(tunnel::format_pin(pin)),
                TrustAnchor::CaPem(pem) => TrustLayout::Ca(pem.clone()),
            },
            target: self.target.clone(),
        };
        serde_json::to_string(&layout)
            .map_err(|error| BundleError::Internal(format!("cannot write the offer: {error}")))
    }

    pub(super) fn from_json(json: &str) -> Result<Self, BundleError> {
        let layout: Layout = serde_json::from_str(json).map_err(|error| invalid(format!("its offer: {error}")))?;
        let address = |text: &String| text.parse::<Address>().map_err(|error| invalid(error.to_string()));
        let offer = Self {
            vm: layout.vm,
            point: layout.point,
            taken_at: layout.taken_at,
            grant: layout.grant,
            expires_at: layout.expires_at,
            portals: layout.portals.iter().map(address).collect::<Result<_, _>>()?,
            server_name: layout.server_name,
            trust: match layout.trust {
                TrustLayout::System => TrustAnchor::System,
                TrustLayout::Pin(pin) => {
                    TrustAnchor::Pin(tunnel::parse_pin(&pin).map_err(|error| invalid(error.to_string()))?)
                }
                TrustLayout::Ca(pem) => TrustAnchor::CaPem(pem),
            },
            target: layout.target,
        };
        offer.check()?;
        Ok(offer)
    }
}

fn invalid(problem: String) -> BundleError {
    BundleError::Invalid(problem)
}

/// The offer as it is written: JSON, in this order, nothing else in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    vm: String,
    point: String,
    taken_at: u64,
    grant: String,
    expires_at: u64,
    portals: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    server_name: Option<String>,
    trust: TrustLayout,
    target: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TrustLayout {
    System,
    Pin(String),
    Ca(String),
}
