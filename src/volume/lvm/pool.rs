//! Thin pools and their volumes (`lib/thin/thin.c`).

use super::build::{Builder, Built, Failure, Member, healths, size};
use super::health::of_pieces;
use super::metadata::{SegmentKind, VolumeGroup};
use crate::dm::thin::ThinPool;
use std::collections::HashMap;
use std::sync::Arc;

/// A thin volume as the metadata have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thin {
    pub(super) pool: usize,
    pub(super) device: u64,
    pub(super) external_origin: Option<usize>,
    /// The volume that it is to become, as it is a snapshot that is being merged.
    pub(super) merge: Option<usize>,
}

/// The members of a pool, and what they hold.
#[derive(Clone)]
pub(super) struct Opened {
    pool: Arc<ThinPool>,
    data: Member,
    metadata: Member,
    notices: Vec<String>,
}

/// What volumes have become that a snapshot is merged into: at the next activation they take its number in the pool.
pub(super) fn merged(group: &VolumeGroup) -> HashMap<usize, u64> {
    let segments = group.logical.iter().flat_map(|logical| logical.segments.iter().flatten());
    let merge = segments.filter_map(|segment| match &segment.kind {
        SegmentKind::Thin(thin) => Some((thin.merge?, thin.device)),
        _ => None,
    });
    merge.collect()
}

impl Builder<'_> {
    /// A pool as a whole, which is what its data volume holds.
    pub(super) fn thin_pool(&mut self, data: usize, metadata: usize, chunk: u64) -> Result<Built, Failure> {
        let (data, metadata) = (self.logical_member(data)?, self.logical_member(metadata)?);
        let health = of_pieces(&[data.health, metadata.health]);
        let is_stale = data.is_stale || metadata.is_stale;
        let data = data.leg.data.ok_or_else(|| format!("{} cannot be had", data.leg.name))?;
        let words = format!("thin pool, {}", size(chunk));
        Ok(Built { data, health, is_stale, words, refused: None, notices: Vec::new() })
    }

    /// The thin volume that `logical` is.
    pub(super) fn thin(&mut self, thin: Thin, bytes: u64) -> Result<Built, Failure> {
        let opened = match self.pools.get(&thin.pool) {
            Some(opened) => opened.clone()?,
            None => {
                let opened = self.open_pool(thin.pool);
                self.pools.insert(thin.pool, opened.clone());
                opened?
            }
        };
        let mut members = vec![opened.data];
        let mut origin_bytes = None;
        if let Some(origin) = thin.external_origin {
            let member = self.logical_member(origin)?;
            let data = member.leg.data.as_ref().ok_or_else(|| format!("{} cannot be had", member.leg.name))?;
            origin_bytes = Some(data.size());
            members.push(member);
        }
        let layout = opened.pool.volume(thin.device, bytes, origin_bytes).map_err(|error| error.to_string())?;
        let health = of_pieces(&[of_pieces(&healths(&members)), opened.metadata.health]);
        let built = self.mapped(Box::new(layout), members, health, "thin".to_owned());
        Ok(Built { notices: opened.notices, ..built })
    }

    fn open_pool(&mut self, number: usize) -> Result<Opened, Failure> {
        let group = self.group;
        let pool = group.logical.get(number);
        let name = pool.map_or("", |pool| pool.name.as_str());
        let kind = pool.and_then(|pool| pool.segments.as_ref().ok()?.first()).map(|segment| &segment.kind);
        let Some(SegmentKind::ThinPool { metadata, data, chunk, transaction, has_messages }) = kind else {
            return Err(format!("{name} is no thin pool").into());
        };
        let (data, metadata) = (self.logical_member(*data)?, self.logical_member(*metadata)?);
        let bytes = metadata.leg.data.clone().ok_or_else(|| format!("{} cannot be had", metadata.leg.name))?;
        let pool = ThinPool::open(bytes).map_err(|error| format!("{}: {error}", metadata.leg.name))?;
        if pool.block_bytes() != *chunk {
            let what = format!("{name} has chunks of {chunk} bytes, and its metadata say {}", pool.block_bytes());
            return Err(what.into());
        }
        let mut notices = Vec::new();
        if *has_messages && pool.transaction_id().checked_add(1) == Some(*transaction) {
            // LVM2 makes up for it when it activates the pool (`_check_pool_transaction` of libdm).
            notices.push(format!("a volume that was to be made or removed in {name} was not yet"));
        } else if pool.transaction_id() != *transaction {
            notices.push(other_time(name, pool.transaction_id(), *transaction));
        }
        if pool.needs_check() {
            notices.push(format!("the metadata of {name} say that they need a check (thin_check)"));
        }
        Ok(Opened { pool: Arc::new(pool), data, metadata, notices })
    }
}

/// What it means that a pool is not of the time of its group: LVM2 does not activate it.
fn other_time(name: &str, pool: u64, group: u64) -> String {
    format!(
        "the metadata of {name} are of transaction {pool}, and those of the volume group expect {group}: they are of \
         different times, and what is read here may be wrong or of another volume. Perhaps the disks are of different \
         backups or recovery points; take all of them from one. LVM2 does not activate the pool"
    )
}
