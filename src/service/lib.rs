//! The recovery service: a vault of recovery points, grants to read one of them for at most twelve hours, sealed
//! bundles, revocation, the HTTPS API and its page.
