//! What `lsattr` asks for (Linux `include/uapi/linux/fs.h`, ioctl_iflags(2), ioctl_fsgetxattr(2)). The numbers are those of
//! `include/uapi/asm-generic/ioctl.h`; where a `long` is in them there are two, as programs of 32 bits have their own.

use fuser::Errno;
use vfs::NodeFlags;

const FS_IOC_GETFLAGS: [u32; 2] = [0x8008_6601, 0x8004_6601];
const FS_IOC_SETFLAGS: [u32; 2] = [0x4008_6602, 0x4004_6602];
const FS_IOC_GETVERSION: [u32; 2] = [0x8008_7601, 0x8004_7601];
const FS_IOC_SETVERSION: [u32; 2] = [0x4008_7602, 0x4004_7602];
const FS_IOC_FSGETXATTR: u32 = 0x801C_581F;
const FS_IOC_FSSETXATTR: u32 = 0x401C_5820;
const FS_IOC_SETFSLABEL: u32 = 0x4100_9432;

/// What is asked of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Flags,
    Generation,
    /// `struct fsxattr`.
    Extended,
}

impl Question {
    /// The question that an ioctl is; EROFS for those that would change something, ENOTTY for all others.
    pub(crate) fn of(command: u32) -> Result<Self, Errno> {
        match command {
            FS_IOC_FSGETXATTR => Ok(Self::Extended),
            FS_IOC_FSSETXATTR | FS_IOC_SETFSLABEL => Err(Errno::EROFS),
            _ if FS_IOC_GETFLAGS.contains(&command) => Ok(Self::Flags),
            _ if FS_IOC_GETVERSION.contains(&command) => Ok(Self::Generation),
            _ if FS_IOC_SETFLAGS.contains(&command) || FS_IOC_SETVERSION.contains(&command) => Err(Errno::EROFS),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// The answer. Where the ioctl's number says `long` it is an `int` all the same: callers have no room for more.
    pub(crate) fn answer(self, of: &NodeFlags) -> Vec<u8> {
        match self {
            Self::Flags => of.flags.to_ne_bytes().to_vec(),
            Self::Generation => of.generation.to_ne_bytes().to_vec(),
            Self::Extended => fsxattr(of),
        }
    }
}

/// `struct fsxattr`: flags, extent size hint, number of extents, project, hint for copies on write, 8 bytes of nothing.
fn fsxattr(of: &NodeFlags) -> Vec<u8> {
    let mut answer =
        [of.extended(), of.extent_size_hint, 0, of.project, of.cow_extent_size_hint].map(u32::to_ne_bytes).concat();
    answer.extend_from_slice(&[0; 8]);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing_and_is_known_is_a_question() {
        for command in [0x8008_6601, 0x8004_6601] {
            assert!(matches!(Question::of(command), Ok(Question::Flags)));
        }
        for command in [0x8008_7601, 0x8004_7601] {
            assert!(matches!(Question::of(command), Ok(Question::Generation)));
        }
        let refusal = |command| Question::of(command).unwrap_err().code();
        for command in [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x401C_5820, 0x4100_9432] {
            assert_eq!(refusal(command), Errno::EROFS.code(), "{command:#x}");
        }
        // TCGETS, FIEMAP, FITRIM and EXT4_IOC_RESIZE_FS.
        for command in [0x5401, 0xC020_660B, 0xC018_5879, 0x4008_6610] {
            assert_eq!(refusal(command), Errno::ENOTTY.code(), "{command:#x}");
        }
    }

    #[test]
    fn the_long_form_has_the_kernels_layout() {
        let flags = NodeFlags { flags: !0, generation: 7, project: 42, extent_size_hint: 4096, ..NodeFlags::default() };
        let answer = Question::Extended.answer(&flags);
        let words: Vec<_> = answer.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words, [0x2_82F8, 4096, 0, 42, 0, 0, 0]);
        let said = NodeFlags { extended: Some(0x8000_0801), cow_extent_size_hint: 8192, ..flags };
        let answer = Question::Extended.answer(&said);
        let words: Vec<_> = answer.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words, [0x8000_0801, 4096, 0, 42, 8192, 0, 0]);
        assert_eq!(Question::Flags.answer(&flags), [0xFF; 4]);
        assert_eq!(Question::Generation.answer(&flags), 7_u32.to_ne_bytes());
    }
}
