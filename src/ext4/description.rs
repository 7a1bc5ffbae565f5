//! What a superblock says of its file system and the past of it, as `dumpe2fs -h` shows it; features that keep the files
//! from being read are no hindrance.

use crate::features::Features;
use crate::state::states;
use crate::superblock::{self, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET};
use block::ReadAt;
use vfs::reader::{corrupt, io};
use vfs::{Description, Error, ErrorKind, History, Result, Timestamp};

/// What the file system on `volume` says of itself.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the superblock is damaged, [`ErrorKind::Unsupported`] when it is of a later revision, or
/// what kept it from being read.
pub fn describe(volume: &dyn ReadAt) -> Result<Description> {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    volume.read_exact_at(SUPERBLOCK_OFFSET, &mut bytes).map_err(io)?;
    let raw = superblock::raw(&bytes)?;
    let features = Features::of(raw);
    superblock::check_sum(&bytes, raw, features)?;
    let inode_size = match raw.s_rev_level.get() {
        0 => 128,
        1 => raw.s_inode_size.get().into(),
        other => {
            return Err(Error::new(ErrorKind::Unsupported, format!("revision {other} of the format is not known")));
        }
    };
    let log_block_size = raw.s_log_block_size.get();
    let block_size = 1024_u32.checked_shl(log_block_size).filter(|_| log_block_size <= 6);
    let [write_high, mount_high, ..] = raw.s_time_hi;
    Ok(Description {
        label: superblock::text(&raw.s_volume_name),
        uuid: Some(uuid::Uuid::from_bytes(raw.s_uuid).to_string()),
        block_size: block_size.ok_or_else(|| corrupt(format!("a block size of 2^{log_block_size} KiB")))?,
        inode_size,
        features: features.names(),
        state: states(raw, features),
        history: Some(History {
            last_mount_path: superblock::text(&raw.s_last_mounted),
            last_mount: time(mount_high, raw.s_mtime.get()),
            last_write: time(write_high, raw.s_wtime.get()),
        }),
    })
}

/// A time of 40 bits; 0 stands for never.
fn time(high: u8, low: u32) -> Option<Timestamp> {
    let seconds = i64::from(high) << 32 | i64::from(low);
    (seconds != 0).then_some(Timestamp { seconds, nanoseconds: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};
    use vfs::State;

    /// A volume whose superblock has these bytes at these places.
    fn described(patches: &[(usize, &[u8])]) -> Result<Description> {
        let mut volume = vec![0; 8192];
        let magic_and_revision: [(usize, &[u8]); 3] = [(0x38, &[0x53, 0xEF, 1]), (0x4C, &[1]), (0x58, &[0, 1])];
        for (at, bytes) in magic_and_revision.iter().chain(patches) {
            volume[1024 + at..][..bytes.len()].copy_from_slice(bytes);
        }
        describe(&MemoryDisk::new(volume, BlockSize::B512))
    }

    #[test]
    fn a_superblock_without_anything_is_clean_and_says_nothing() {
        let description = described(&[]).unwrap();
        assert_eq!((description.block_size, description.inode_size), (1024, 256));
        assert_eq!(description.label, None);
        assert_eq!(description.history, Some(History { last_mount_path: None, last_mount: None, last_write: None }));
        assert_eq!((description.features, description.state), (Vec::new(), vec![State::Clean]));
    }

    #[test]
    fn whatever_speaks_against_clean_is_said() {
        let state = |patches: &[(usize, &[u8])]| described(patches).unwrap().state;
        assert_eq!(state(&[(0x3A, &[0])]), [State::NotClean]);
        assert_eq!(state(&[(0x3A, &[3])]), [State::ErrorsRecorded]);
        assert_eq!(state(&[(0x194, &[1])]), [State::ErrorsRecorded]);
        assert_eq!(state(&[(0x60, &[4])]), [State::JournalToBeReplayed]);
        for orphans in [(0xE8, &[12][..]), (0x3A, &[5]), (0x64, &[0, 0, 1])] {
            assert_eq!(state(&[orphans]), [State::Orphans]);
        }
        let all = [State::ErrorsRecorded, State::NotClean, State::JournalToBeReplayed, State::Orphans];
        assert_eq!(state(&[(0x3A, &[6]), (0x60, &[4])]), all);
    }

    #[test]
    fn the_past_and_unreadable_features_are_told() {
        let description = described(&[
            (0x2C, &[1, 0, 0, 0, 2]),
            (0x274, &[3, 4]),
            (0x62, &[0x82]),
            (0x78, b"home"),
            (0x88, b"/srv/\xFF"),
        ]);
        let description = description.unwrap();
        let history = description.history.unwrap();
        assert_eq!(history.last_mount.map(|time| time.seconds), Some(4 << 32 | 1));
        assert_eq!(history.last_write.map(|time| time.seconds), Some(3 << 32 | 2));
        assert_eq!(description.features, ["casefold", "incompat:0x800000"]);
        assert_eq!(description.label.as_deref(), Some("home"));
        assert_eq!(history.last_mount_path.as_deref(), Some("/srv/\u{FFFD}"));
    }

    #[test]
    fn what_is_no_sound_superblock_describes_nothing() {
        for patch in [(0x38, &[0][..]), (0x18, &[7]), (0x18, &[0xFF; 4]), (0x4C, &[2]), (0x64, &[0, 4])] {
            assert!(described(&[patch]).is_err(), "{patch:?}");
        }
        assert!(describe(&MemoryDisk::new(vec![0; 1024], BlockSize::B512)).is_err());
    }
}
