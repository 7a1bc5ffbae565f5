"""What a driver shows of an NTFS volume, as lines of text that are compared with what we show of it.

A manifest has one line for statfs and one for each name, sorted by path; fields are separated by tabs, see `Driver.line`.
A field that the driver does not tell is ?, and one that the file does not have -. Owners and permissions are left out:
every driver makes up its own. So is the size of directories.
"""
import ctypes
import errno
import hashlib
import os
import stat

import manifest as recipe
from manifest import shown, time, value

# Larger data is hashed by its data extents only, which ntfs-3g does not tell; so such files are all holes or small.
HASHED_WHOLE_MAX = 64 << 20
# FILE_ATTRIBUTE_ENCRYPTED
ENCRYPTED = 0x4000
# 100 ns from 1601 to 1970.
EPOCH = 116444736000000000
TYPES = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s", stat.S_IFCHR: "c",
         stat.S_IFBLK: "b"}
# What ntfs-3g shows of a file as an extended attribute, in the order of the fields.
ATTRIBUTES = ("dos_name", "reparse_data", "acl", "object_id", "ea", "efsinfo")
ABSENT = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT)
UNTOLD = "?"
ROOT = 5
XATTR_SIZE_MAX = 1 << 16


def attribute(path, name):
    """The value of an extended attribute, or None. A buffer that is too short is an I/O error with ntfs-3g, so this has
    one that never is, unlike os.getxattr."""
    data = ctypes.create_string_buffer(XATTR_SIZE_MAX)
    size = recipe.LIBC.lgetxattr(path, name.encode(), data, XATTR_SIZE_MAX)
    if size >= 0:
        return data.raw[:size]
    error = ctypes.get_errno()
    if error not in ABSENT:
        raise OSError(error, os.strerror(error), name, None, path)
    return None


def digest_of(path, size):
    """SHA-256 of the data; of a larger file, of its first and last MiB."""
    parts = [(0, size)] if size <= HASHED_WHOLE_MAX else [(0, 1 << 20), (size - (1 << 20), size)]
    digest = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY)
    try:
        for start, end in parts:
            while start < end:
                part = os.pread(fd, min(end - start, 1 << 20), start)
                if not part:
                    raise OSError(errno.EIO, "a file shorter than its size")
                digest.update(part)
                start += len(part)
    finally:
        os.close(fd)
    return digest.hexdigest()


def filetime(raw):
    return time((int.from_bytes(raw, "little") - EPOCH) * 100)


class Driver:
    """ntfs-3g, mounted with streams_interface=windows."""

    def born(self, path):
        return filetime(attribute(path, "system.ntfs_crtime"))

    def windows(self, path):
        """FILE_ATTRIBUTE_*, the four times as they are stored, and each of ATTRIBUTES."""
        found = [self.attribute(path, name) for name in ATTRIBUTES]
        flags = int.from_bytes(attribute(path, "system.ntfs_attrib"), "little")
        times = attribute(path, "system.ntfs_times").hex()
        return flags, [times] + found

    def attribute(self, path, name):
        try:
            data = attribute(path, "system.ntfs_" + name)
        except OSError as error:
            # ntfs-3g has no name for the root.
            if (name, error.errno) == ("dos_name", errno.EPERM) and os.lstat(path).st_ino == ROOT:
                return UNTOLD
            raise
        return "-" if data is None else value(data)

    def streams(self, path, flags):
        """Name, size and SHA-256 of each stream."""
        names = (attribute(path, "ntfs.streams.list") or b"").split(b"\0")
        found = []
        for name in sorted(filter(None, names)):
            full = path + b":" + name
            size = os.lstat(full).st_size
            found.append("%s:%d:%s" % (shown(name), size, "-" if flags & ENCRYPTED else digest_of(full, size)))
        return ",".join(found) or "-"

    def target(self, path, root):
        """Where a link leads. Absolute ones begin with where the volume is mounted."""
        return shown(os.readlink(path).replace(root, b"@"))

    def line(self, root, path, name):
        """path, inode, type, links, size, 512-byte blocks, atime, mtime, ctime, creation, device, link target, SHA-256,
        FILE_ATTRIBUTE_*, then what `windows` and `streams` tell."""
        st = os.lstat(path)
        size = blocks = device = target = digest = "-"
        flags, more = self.windows(path)
        if stat.S_ISREG(st.st_mode):
            size, blocks = st.st_size, st.st_blocks
            digest = "encrypted" if flags & ENCRYPTED else self.digest(path, st.st_size)
        elif stat.S_ISLNK(st.st_mode):
            target = self.target(path, root)
        elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
            device = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
        fields = [shown(name), st.st_ino, TYPES[stat.S_IFMT(st.st_mode)], st.st_nlink, size, blocks, time(st.st_atime_ns),
                  time(st.st_mtime_ns), time(st.st_ctime_ns), self.born(path), device, target, digest, "%x" % flags, *more,
                  self.streams(path, flags)]
        return "\t".join(str(f) for f in fields)

    def digest(self, path, size):
        return digest_of(path, size)

    def manifest(self, root):
        s = os.statvfs(root)
        first = "\t".join(str(f) for f in ("statfs", s.f_frsize, s.f_blocks, s.f_bfree))
        root = os.fsencode(root)
        found = [(b".", self.line(root, root, b"."))]
        for directory, names, files in os.walk(root, onerror=raised):
            for name in names + files:
                path = os.path.join(directory, name)
                relative = os.path.relpath(path, root)
                found.append((relative, self.line(root, path, relative)))
        return "\n".join([first] + [text for _, text in sorted(found)]) + "\n"


def raised(error):
    raise error


class Kernel(Driver):
    """The kernel's ntfs3."""

    def born(self, path):
        return recipe.born(path)

    def windows(self, path):
        flags = int.from_bytes(attribute(path, "system.ntfs_attrib"), "little")
        security = attribute(path, "system.ntfs_security")
        security = "-" if security is None else value(security)
        told = {"acl": security}
        return flags, [UNTOLD] + [told.get(name, UNTOLD) for name in ATTRIBUTES]

    def streams(self, path, flags):
        return UNTOLD
