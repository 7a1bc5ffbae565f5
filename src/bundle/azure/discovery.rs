//! Which of the targets that the portal shows belong to a script, and what their names say.

use super::AzureScript;

/// What discovery shows, by the rules of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovered {
    /// The vault has a private endpoint, and the caller is outside its network.
    Blocked,
    /// The target is being prepared; it may take a while for large disks.
    NotReady,
    /// These can be logged in to.
    Ready(Vec<String>),
    /// The script's target is not there: it was removed, or never was.
    Gone,
}

impl AzureScript {
    /// What the names that discovery showed mean.
    #[must_use]
    pub fn discovered(&self, names: &[String]) -> Discovered {
        let says = |word: &str| names.iter().any(|name| name.to_ascii_lowercase().contains(word));
        if says("blocked") {
            return Discovered::Blocked;
        }
        if says("notready") {
            return Discovered::NotReady;
        }
        let mine: Vec<_> = names.iter().filter(|name| self.is_mine(name)).cloned().collect();
        if mine.is_empty() { Discovered::Gone } else { Discovered::Ready(mine) }
    }

    /// The target itself; with several of them those that differ in the last digit before the ticks.
    fn is_mine(&self, name: &str) -> bool {
        if name == self.target {
            return true;
        }
        let Some((before, ticks)) = self.target.rsplit_once('.').filter(|_| self.several_targets) else { return false };
        let mut family = before.chars();
        family.next_back();
        let Some((its_family, its_ticks)) = name.rsplit_once('.') else { return false };
        its_ticks == ticks && its_family.starts_with(family.as_str())
    }
}
