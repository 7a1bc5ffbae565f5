//! Times as inodes record them (Linux `xfs_inode_from_disk_ts`).

use crate::layout::RawTimestamp;
use vfs::Timestamp;

const NANOSECONDS: u32 = 1_000_000_000;
/// With `bigtime` seconds are counted from here (Linux `XFS_BIGTIME_EPOCH_OFFSET`): December 1901.
const BIG_EPOCH: i64 = 1 << 31;

/// Seconds since 1970, 32 bits of them with a sign, and nanoseconds; `None` where those are more than a second.
pub(crate) fn of_legacy(raw: RawTimestamp) -> Option<Timestamp> {
    let nanoseconds = u32::try_from(raw.t_nsec.get()).ok().filter(|nanoseconds| *nanoseconds < NANOSECONDS)?;
    Some(Timestamp { seconds: raw.t_sec.get().into(), nanoseconds })
}

/// 64 bits of nanoseconds since 1901-12-13 20:45:52 UTC.
pub(crate) fn of_big(raw: RawTimestamp) -> Timestamp {
    let word = |half: zerocopy::big_endian::I32| u64::from(half.get().cast_unsigned());
    let all = word(raw.t_sec) << 32 | word(raw.t_nsec);
    let (seconds, nanoseconds) = (all.div_euclid(NANOSECONDS.into()), all.rem_euclid(NANOSECONDS.into()));
    Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX).saturating_sub(BIG_EPOCH),
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(high: u32, low: u32) -> RawTimestamp {
        RawTimestamp { t_sec: high.cast_signed().into(), t_nsec: low.cast_signed().into() }
    }

    #[test]
    fn seconds_before_1970_are_negative() {
        let time = of_legacy(raw(0xFFFF_FFFF, 999_999_999)).unwrap();
        assert_eq!((time.seconds, time.nanoseconds), (-1, 999_999_999));
        assert!(of_legacy(raw(0, 1_000_000_000)).is_none());
        assert!(of_legacy(raw(0, 0x8000_0000)).is_none());
    }

    #[test]
    fn big_times_begin_in_1901_and_end_in_2486() {
        assert_eq!(of_big(raw(0, 0)), Timestamp { seconds: -(1 << 31), nanoseconds: 0 });
        let last = of_big(raw(0xFFFF_FFFF, 0xFFFF_FFFF));
        assert_eq!((last.seconds, last.nanoseconds), (16_299_260_425, 709_551_615));
        let epoch = 0x8000_0000_u64 * 1_000_000_000 + 5;
        assert_eq!(of_big(raw((epoch >> 32) as u32, epoch as u32)), Timestamp { seconds: 0, nanoseconds: 5 });
    }
}
