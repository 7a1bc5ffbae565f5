//! Members of different times: of an array whose disks were copied at different moments, event counts may agree by
//! chance (a clean array counts back when it is written to and comes to rest), and the time of the last change tells.

use super::{Candidate, Members};

/// What the superblocks of one change may differ by, in seconds.
const APART_MAX: u64 = 1;

impl Members<'_> {
    /// Says so where what is read was last written at different times.
    pub(super) fn tell_times(&mut self) {
        let seated: Vec<&Candidate<'_>> =
            self.seats.iter().flat_map(|seat| [seat.holder, seat.replacement]).flatten().collect();
        let times = || seated.iter().map(|candidate| candidate.superblock.updated);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        if last.saturating_sub(first) <= APART_MAX {
            return;
        }
        let each: Vec<_> = seated
            .iter()
            .map(|candidate| format!("{} at {}", candidate.device.name, utc(candidate.superblock.updated)))
            .collect();
        let mut notice = format!(
            "its members were last written at different times ({}): they may be of different recovery points",
            each.join(", ")
        );
        if seated.iter().any(|candidate| candidate.superblock.in_sync_to.is_some()) {
            notice.push_str(
                ". IT WAS IN USE THEN: WHAT IS READ MAY MIX THESE TIMES AND BE WRONG. Open disks of one recovery \
                 point only",
            );
        }
        self.notices.push(notice);
        self.is_mixed = true;
    }
}

/// A time in words, in UTC.
pub(super) fn utc(seconds: u64) -> String {
    crate::utc::to_the_second(seconds).unwrap_or_else(|| format!("second {seconds} after 1970"))
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_told_in_utc() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
