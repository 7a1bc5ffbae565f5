//! Mirrors of the old kind, and extents that are being moved, which are mirrors for that time.

use super::build::{Builder, Built, Failure, Member, healths};
use super::health::{is_complete, of_redundant};
use super::metadata::SegmentKind;
use crate::Health;
use crate::dm::mirror_log::LoggedMirror;

impl Builder<'_> {
    /// A segment of type `mirror` (`lib/mirror/mirrored.c`).
    pub(super) fn mirror(&mut self, kind: &SegmentKind, extents: u64) -> Result<Built, Failure> {
        let SegmentKind::Mirror { region, log, moved, parts } = kind else {
            return Err(Failure::from("it is no mirror".to_owned()));
        };
        let bytes = self.bytes(extents)?;
        if let Some(moved) = moved {
            // What is moved is put in place segment by segment: until all of one is, it counts where it was.
            let current = if *moved == extents { parts.get(1) } else { parts.first() };
            let current = current.copied().into_iter().collect::<Vec<_>>();
            let members = self.members(&current, extents)?;
            let health = of_redundant(&healths(&members), 0);
            let layout = LoggedMirror::unknown(1, bytes);
            return Ok(self.mapped(Box::new(layout), members, health, "being moved".to_owned()));
        }
        let mut members = self.members(parts, extents)?;
        let legs = members.len();
        let is_some_current = members.iter().any(|member| !member.is_stale && is_complete(member.health));
        for member in members.iter_mut().filter(|member| member.is_stale && is_some_current) {
            *member = Member::away(format!("{} (out of date)", member.leg.name));
        }
        let (layout, notice) = match log {
            Some(log) => self.logged(*log, legs, bytes, *region)?,
            None => (LoggedMirror::unknown(legs, bytes), None),
        };
        let health = health(&layout, &members);
        let built = self.mapped(Box::new(layout), members, health, format!("mirror of {legs}"));
        Ok(Built { notices: notice.into_iter().collect(), ..built })
    }

    fn logged(
        &mut self,
        log: usize,
        legs: usize,
        bytes: u64,
        region: u64,
    ) -> Result<(LoggedMirror, Option<String>), Failure> {
        let member = self.logical_member(log)?;
        let unknown = |why: &str| {
            let name = &member.leg.name;
            let notice = format!("{name}: the log cannot be used ({why}); what the first leg holds counts");
            (LoggedMirror::unknown(legs, bytes), Some(notice))
        };
        let Some(data) = &member.leg.data else { return Ok(unknown("it is missing")) };
        Ok(LoggedMirror::read(legs, bytes, region, data.as_ref())
            .map_or_else(|why| unknown(&why), |mirror| (mirror, None)))
    }
}

fn health(layout: &LoggedMirror, members: &[Member]) -> Health {
    let all = healths(members);
    let first = all.first().copied().unwrap_or_default();
    let some = of_redundant(&all, all.len().saturating_sub(1));
    // What is not in sync is on the first leg alone.
    match (layout.is_in_sync() || is_complete(first), some) {
        (false, Health::Degraded) if layout.knows_nothing() => first,
        (false, Health::Degraded) => Health::Partial,
        (_, some) => some,
    }
}
