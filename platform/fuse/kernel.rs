//! What the kernel tells about mounts, and how it is told to end one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount (proc(5), /proc/pid/mountinfo).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// Minor number of the device; the major number of FUSE is 0.
    pub(crate) minor: u32,
    pub(crate) mount_point: PathBuf,
    /// File system type, such as `fuse.fr-mount`.
    pub(crate) file_system: String,
    pub(crate) source: String,
}

/// The mounts that this process sees, later ones on top of earlier ones.
pub(crate) fn mounts() -> io::Result<Vec<MountEntry>> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// What is mounted at `path`, on top.
pub(crate) fn mounted_at(path: &Path) -> io::Result<Option<MountEntry>> {
    Ok(mounts()?.into_iter().rfind(|entry| entry.mount_point == path))
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = std::str::from_utf8(fields.nth(2)?).ok()?;
    let mount_point = fields.nth(1)?;
    let mut after_dash = fields.skip_while(|field| *field != b"-");
    let file_system = after_dash.nth(1)?;
    let source = after_dash.next()?;
    Some(MountEntry {
        minor: device.split_once(':')?.1.parse().ok()?,
        mount_point: OsString::from_vec(unescape(mount_point)).into(),
        file_system: String::from_utf8_lossy(file_system).into_owned(),
        source: String::from_utf8_lossy(&unescape(source)).into_owned(),
    })
}

/// Blanks, line ends and backslashes are written as `\` and three octal digits.
fn unescape(mut field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    // Every turn takes one byte at least.
    while let [first, rest @ ..] = field {
        if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] = field {
            bytes.push((a & 3) << 6 | (b & 7) << 3 | c & 7);
            field = rest;
        } else {
            bytes.push(*first);
            field = rest;
        }
    }
    bytes
}

/// Ends the connection of a FUSE mount with its daemon: whatever waits for an answer gets an error.
pub(crate) fn abort(minor: u32) -> io::Result<()> {
    fs::write(format!("/sys/fs/fuse/connections/{minor}/abort"), "1")
}

/// How far the kernel itself reads ahead, which only root may set.
pub(crate) fn set_read_ahead(minor: u32, kib: u32) -> io::Result<()> {
    fs::write(format!("/sys/class/bdi/0:{minor}/read_ahead_kb"), kib.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_optional_fields_are_understood() {
        let line = br"36 35 0:98 / /mnt/a\040b\134c rw,nosuid master:1 shared:2 - fuse.fr-mount fr-mount:da\011ta ro";
        let entry = parse(line).unwrap();
        assert_eq!(entry.mount_point, Path::new(r"/mnt/a b\c"));
        assert_eq!((entry.minor, entry.file_system.as_str()), (98, "fuse.fr-mount"));
        assert_eq!(entry.source, "fr-mount:da\tta");
        assert_eq!(parse(b"36 35 8:1 / / rw - ext4 /dev/sda1 rw").unwrap().mount_point, Path::new("/"));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"36 35 8:1 / / rw"), None);
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(mounted_at(Path::new("/")).unwrap().is_some());
        assert!(mounted_at(Path::new("/no/such/place")).unwrap().is_none());
    }
}
