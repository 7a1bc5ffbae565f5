//! Volumes with a cache (`lib/cache_segtype/cache.c`, `lib/writecache/writecache.c`).

use super::build::{Builder, Built, Failure, Member, healths, size};
use super::health::{is_complete, of_pieces};
use super::metadata::{Cache, CacheSettings, SegmentKind};
use crate::Health;
use crate::dm::cache::{CacheMap, CacheMode};
use crate::dm::writecache::WritecacheMap;
use crate::map::{Leg, Linear, Place, Segment};
use block::{ReadAt, Slice};
use std::sync::Arc;

/// Where the blocks of a cache are, and the settings that it is used with.
struct Store {
    metadata: Member,
    data: Member,
    settings: CacheSettings,
}

impl Builder<'_> {
    /// A volume whose blocks are partly in a cache, perhaps there alone.
    pub(super) fn cache(&mut self, cache: &Cache, bytes: u64) -> Result<Built, Failure> {
        let origin = self.logical_member(cache.origin)?;
        let store = self.store(cache)?;
        let (chunk, mode) = (store.settings.chunk, store.settings.mode);
        let words = format!("cache ({}), {}", mode_name(mode), size(chunk));
        let Some(metadata) = store.metadata.leg.data.clone() else {
            let why = format!("{} cannot be had, and nothing else says what is in the cache", store.metadata.leg.name);
            // What is written through is in the origin as well.
            return if matches!(mode, CacheMode::Writeback) {
                Err(why.into())
            } else {
                Ok(self.bare(origin, bytes, &words))
            };
        };
        let map =
            CacheMap::open(metadata, bytes, mode).map_err(|error| format!("{}: {error}", store.metadata.leg.name))?;
        if map.block_bytes() != chunk {
            let what =
                format!("its chunks have {chunk} bytes, and the metadata of the cache say {}", map.block_bytes());
            return Err(what.into());
        }
        let mut notices = Vec::new();
        if !map.was_shut_down() {
            notices.push("its cache was not shut down; what is in it was taken as the kernel takes it then".to_owned());
        }
        if map.needs_check() {
            notices.push("the metadata of its cache say that they need a check (cache_check)".to_owned());
        }
        let health = cached_health(&origin, &store.data, map.needs_cache() > 0);
        let built = self.mapped(Box::new(map), vec![origin, store.data], health, words);
        Ok(Built { notices, ..built })
    }

    /// A pool as a whole, which is what its data volume holds.
    pub(super) fn cache_pool(&mut self, data: usize, metadata: usize) -> Result<Built, Failure> {
        let (data, metadata) = (self.logical_member(data)?, self.logical_member(metadata)?);
        let health = of_pieces(&[data.health, metadata.health]);
        let is_stale = data.is_stale || metadata.is_stale;
        let data = data.leg.data.ok_or_else(|| format!("{} cannot be had", data.leg.name))?;
        Ok(Built { data, health, is_stale, words: "cache pool".to_owned(), refused: None, notices: Vec::new() })
    }

    /// A volume whose newest blocks are on another one.
    pub(super) fn writecache(
        &mut self,
        (origin, cache): (usize, usize),
        block: u64,
        bytes: u64,
    ) -> Result<Built, Failure> {
        let (origin, cache) = (self.logical_member(origin)?, self.logical_member(cache)?);
        let Some(data) = &cache.leg.data else {
            return Err(format!("{} cannot be had, which has its newest blocks", cache.leg.name).into());
        };
        let map = WritecacheMap::open(data, bytes).map_err(|error| format!("{}: {error}", cache.leg.name))?;
        if map.block_bytes() != block {
            let what = format!("its blocks have {block} bytes, and the write cache says {}", map.block_bytes());
            return Err(what.into());
        }
        let health = cached_health(&origin, &cache, map.needs_cache() > 0);
        Ok(self.mapped(Box::new(map), vec![origin, cache], health, format!("writecache, {}", size(block))))
    }

    /// An origin without its cache.
    fn bare(&self, origin: Member, bytes: u64, words: &str) -> Built {
        let layout = Linear::new(vec![Segment::of(Place { member: 0, offset: 0 }, bytes)]);
        let health = origin.health.max(Health::Degraded);
        let built = self.mapped(Box::new(layout), vec![origin], health, words.to_owned());
        let notice = "its cache cannot be had; all that was written is in the origin as well, which is read";
        Built { notices: vec![notice.to_owned()], ..built }
    }

    fn store(&mut self, cache: &Cache) -> Result<Store, Failure> {
        let group = self.group;
        if let Some(single) = &cache.single {
            let whole = self.logical_member(cache.pool)?;
            let metadata = part(&whole, single.metadata)?;
            let data = part(&whole, single.data)?;
            return Ok(Store { metadata, data, settings: cache.settings });
        }
        let pool = group.logical.get(cache.pool);
        let kind = pool.and_then(|pool| pool.segments.as_ref().ok()?.first()).map(|segment| &segment.kind);
        let Some(SegmentKind::CachePool { data, metadata, settings }) = kind else {
            return Err(format!("{} is no cache pool", pool.map_or("", |pool| pool.name.as_str())).into());
        };
        let (metadata, data) = (self.logical_member(*metadata)?, self.logical_member(*data)?);
        // While a cache is emptied, what is in it is as new as anything.
        let mode = if cache.settings.is_being_emptied { CacheMode::Writeback } else { settings.mode };
        Ok(Store { metadata, data, settings: CacheSettings { mode, ..*settings } })
    }
}

/// A part of a volume, as its first byte and length.
fn part(whole: &Member, (start, length): (u64, u64)) -> Result<Member, Failure> {
    let Some(data) = whole.leg.data.clone() else { return Ok(whole.clone()) };
    let slice = Slice::new(data, start, length).map_err(|error| format!("{}: {error}", whole.leg.name))?;
    let data: Arc<dyn ReadAt> = Arc::new(slice);
    Ok(Member { leg: Leg { name: whole.leg.name.clone(), data: Some(data) }, ..*whole })
}

fn cached_health(origin: &Member, cache: &Member, is_needed: bool) -> Health {
    let members = [origin.clone(), cache.clone()];
    if is_needed || is_complete(cache.health) {
        return of_pieces(&healths(&members));
    }
    origin.health.max(Health::Degraded)
}

const fn mode_name(mode: CacheMode) -> &'static str {
    match mode {
        CacheMode::Writeback => "writeback",
        CacheMode::Writethrough => "writethrough",
        CacheMode::Passthrough => "passthrough",
    }
}
