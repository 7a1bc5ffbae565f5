//! Puts arrays together as a session does, and reads them whole.

use crate::{Device, Group, Health, Member, MemberState, Purpose, scan};
use block::{BlockSize, ReadAt};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// An array that a scan found.
pub(super) struct Array {
    pub(super) kind: String,
    pub(super) layout: String,
    pub(super) name: Option<String>,
    pub(super) uuid: Option<String>,
    pub(super) health: Health,
    pub(super) purpose: Purpose,
    pub(super) members: Vec<Member>,
    pub(super) notices: Vec<String>,
    pub(super) data: Arc<dyn ReadAt>,
    /// What the user should know of the volume itself.
    pub(super) warnings: Vec<String>,
}

impl Array {
    /// The disks in this state, in their order.
    pub(super) fn devices(&self, state: MemberState) -> Vec<usize> {
        let mut devices: Vec<_> =
            self.members.iter().filter(|member| member.state == state).filter_map(|member| member.device).collect();
        devices.sort_unstable();
        devices
    }
}

/// The only array that is on these disks.
pub(super) fn array_of(disks: &[Arc<dyn ReadAt>]) -> Array {
    let device =
        |data: &Arc<dyn ReadAt>| Device { name: String::new(), data: Arc::clone(data), block_size: BlockSize::B512 };
    let devices: Vec<_> = disks.iter().map(device).collect();
    let mut found = scan(&devices);
    let groups: Vec<_> = (0..found.groups.len()).filter(|group| found.groups[*group].kind.starts_with("md")).collect();
    assert_eq!(groups.len(), 1, "{:?}", found.notices);
    let Group { kind, name, uuid, members, notices, .. } = std::mem::take(&mut found.groups[groups[0]]);
    let node = found.nodes.iter().find(|node| node.made_by == Some(groups[0])).unwrap();
    Array {
        kind,
        layout: node.volume.kind.to_string(),
        name,
        uuid,
        health: node.volume.health,
        purpose: node.volume.purpose.clone(),
        members,
        notices,
        data: Arc::clone(&node.volume.data),
        warnings: node.volume.notices.clone(),
    }
}

/// The SHA-256 of everything, read in pieces of this size; or why not.
pub(super) fn try_hash(data: &Arc<dyn ReadAt>, piece: usize) -> Result<String, block::ReadError> {
    let mut hash = Sha256::new();
    let mut buf = vec![0; piece];
    let mut at = 0;
    while at < data.size() {
        let length = usize::try_from(data.size() - at).unwrap_or(usize::MAX).min(piece);
        data.read_exact_at(at, &mut buf[..length])?;
        hash.update(&buf[..length]);
        at += length as u64;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Every selection of these, in their order.
pub(super) fn all_subsets(of: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let chosen = |mask: u32| of.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1).map(|(_, one)| *one);
    (1..1_u32 << of.len()).map(move |mask| chosen(mask).collect())
}
