//! Who asks, and what their roles allow.

use crate::{Grant, UnixTime, VmName};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    roles: Vec<Arc<Role>>,
    proof: String,
    until: Option<UnixTime>,
}

/// Who somebody is, for whoever keeps them signed in without keeping the token. It holds no secret; whoever keeps it has to see to
/// it that nobody changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// Names of roles.
    pub(crate) roles: Vec<String>,
    /// What changes when the token does.
    pub(crate) proof: String,
    /// When they have to sign in again.
    pub(crate) until: Option<UnixTime>,
}

impl User {
    pub(crate) const fn new(name: String, roles: Vec<Arc<Role>>, proof: String, until: Option<UnixTime>) -> Self {
        Self { name, roles, proof, until }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            roles: self.roles.iter().map(|role| role.name.clone()).collect(),
            proof: self.proof.clone(),
            until: self.until,
        }
    }

    /// Whoever runs the program on the vault itself: no role limits somebody who has the service's key.
    pub(crate) fn administrator(name: String) -> Self {
        let all =
            Role { name: "administrator".to_owned(), vms: vec![VmPattern::all()], revoke_others: true, see_all: true };
        Self { name, roles: vec![Arc::new(all)], proof: String::new(), until: None }
    }

    /// The name, as grants and the audit log have it. Users of the configuration have no `:` in it; those of an OpenID provider
    /// are `oidc:NAME`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this user may see a VM's recovery points and read them.
    #[must_use]
    pub fn may_restore(&self, vm: &VmName) -> bool {
        self.allows(vm, |_| true)
    }

    /// Whether this user may know of a grant.
    #[must_use]
    pub fn may_see(&self, grant: &Grant) -> bool {
        grant.user == self.name || self.allows(&grant.vm, |role| role.see_all || role.revoke_others)
    }

    /// Whether this user may end a grant: their own, and with a role for that those of others.
    #[must_use]
    pub fn may_revoke(&self, grant: &Grant) -> bool {
        grant.user == self.name || self.allows(&grant.vm, |role| role.revoke_others)
    }

    fn allows(&self, vm: &VmName, how: impl Fn(&Role) -> bool) -> bool {
        self.roles.iter().any(|role| how(role) && role.vms.iter().any(|pattern| pattern.matches(vm)))
    }
}

/// What a role of the configuration allows, on which VMs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// The VMs whose recovery points may be read.
    pub(crate) vms: Vec<VmPattern>,
    /// Grants that others made for these VMs may be ended.
    pub(crate) revoke_others: bool,
    /// Grants that others made for these VMs are shown.
    pub(crate) see_all: bool,
}

/// Names of VMs: `*` stands for any number of characters, everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VmPattern(String);

impl VmPattern {
    /// `None` when no name of a VM could match.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
        (!text.is_empty() && text.len() <= 80 && text.chars().all(legal)).then(|| Self(text.to_owned()))
    }

    fn all() -> Self {
        Self("*".to_owned())
    }

    fn matches(&self, vm: &VmName) -> bool {
        let name = vm.as_str();
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        // Between stars the first place is as good as any; what follows the last one has to be the end.
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        VmPattern::new(pattern).unwrap().matches(&name.parse().unwrap())
    }

    #[test]
    fn a_star_stands_for_any_characters_and_all_else_for_itself() {
        for (pattern, name) in
            [("*", "web"), ("web-*", "web-"), ("web-*", "web-1"), ("*-db", "x-db"), ("a*b*c", "aXbbYc")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("web-*", "web"), ("*-db", "x-db2"), ("web", "web-1"), ("a*b", "b"), ("ab*ba", "aba")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert_eq!(VmPattern::new("web?"), None);
        assert_eq!(VmPattern::new(""), None);
    }

    fn user(name: &str, vms: &str, revoke_others: bool, see_all: bool) -> User {
        let vms = vec![VmPattern::new(vms).unwrap()];
        let role = Role { name: "r".to_owned(), vms, revoke_others, see_all };
        User::new(name.to_owned(), vec![Arc::new(role)], String::new(), None)
    }

    fn grant(user: &str, vm: &str) -> Grant {
        let now = UnixTime::now();
        Grant {
            id: "0".repeat(32).parse().unwrap(),
            vm: vm.parse().unwrap(),
            point: "p".parse().unwrap(),
            user: user.to_owned(),
            made_at: now,
            expires_at: now,
            target: String::new(),
        }
    }

    #[test]
    fn a_role_holds_for_its_vms_only() {
        let ann = user("ann", "web-*", true, true);
        assert!(ann.may_restore(&"web-1".parse().unwrap()) && !ann.may_restore(&"db".parse().unwrap()));
        assert!(ann.may_revoke(&grant("bob", "web-1")) && !ann.may_revoke(&grant("bob", "db")));
        assert!(ann.may_see(&grant("bob", "web-1")) && !ann.may_see(&grant("bob", "db")));
    }

    #[test]
    fn without_a_role_for_it_others_grants_are_not_seen_and_not_ended() {
        let ann = user("ann", "*", false, false);
        assert!(!ann.may_see(&grant("bob", "web")) && !ann.may_revoke(&grant("bob", "web")));
        assert!(ann.may_see(&grant("ann", "web")) && ann.may_revoke(&grant("ann", "web")));
        let eve = user("eve", "*", false, true);
        assert!(eve.may_see(&grant("bob", "web")) && !eve.may_revoke(&grant("bob", "web")));
    }
}
