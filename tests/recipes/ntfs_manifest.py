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
import struct
import sys

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
FILE_ATTRIBUTE_SYSTEM, FILE_ATTRIBUTE_REPARSE_POINT = 0x4, 0x400
UNTOLD = "?"
# A minute of 1970, in nanoseconds.
EARLY = 60 * 10**9
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


class Driver:
    """ntfs-3g, mounted with streams_interface=windows."""

    def times(self, path, st):
        """atime, mtime, ctime, creation, and all as they are stored. What ntfs-3g's stat shows of times before 1970 that
        are no full seconds is wrong: it rounds them up, to seconds."""
        raw = attribute(path, "system.ntfs_times")
        born, modified, accessed, changed = ((x - EPOCH) * 100 for x in struct.unpack("<4q", raw))
        for told, true in ((st.st_atime_ns, accessed), (st.st_mtime_ns, modified), (st.st_ctime_ns, changed)):
            assert told == true or true < 0, path
        return [time(accessed), time(modified), time(changed), time(born)], raw.hex()

    def flags(self, path):
        """FILE_ATTRIBUTE_*."""
        return int.from_bytes(attribute(path, "system.ntfs_attrib"), "little")

    def windows(self, path):
        """Each of ATTRIBUTES."""
        return [self.attribute(path, name) for name in ATTRIBUTES]

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
        if self.kind(path) == UNTOLD:
            # It opens nothing of reparse points that it does not know.
            return UNTOLD
        for name in sorted(filter(None, names)):
            full = path + b":" + name
            size = os.lstat(full).st_size
            found.append("%s:%d:%s" % (shown(name), size, "-" if flags & ENCRYPTED else digest_of(full, size)))
        return ",".join(found) or "-"

    def kind(self, path):
        return self.target(path, path)[0] if os.path.islink(path) else ""

    def target(self, path, root):
        """Type and target of a link. ntfs-3g makes links of all reparse points; where those that lead to other volumes
        lead, and what those are that it does not know, it cannot tell."""
        target = os.readlink(path)
        if target.startswith(b"unsupported reparse"):
            return UNTOLD, UNTOLD
        return "l", UNTOLD if root in target else shown(target)

    def line(self, root, path, name):
        """path, inode, type, links, size, 512-byte blocks, atime, mtime, ctime, creation, device, link target, SHA-256,
        FILE_ATTRIBUTE_*, the four times as they are stored, then what `windows` and `streams` tell."""
        st = os.lstat(path)
        kind = TYPES[stat.S_IFMT(st.st_mode)]
        size = blocks = device = target = digest = "-"
        flags = self.flags(path)
        times, raw_times = self.times(path, st)
        if kind == "f":
            size, blocks = st.st_size, st.st_blocks
            # With efs_raw a file is as long as its backup.
            size, digest = (UNTOLD, "encrypted") if flags & ENCRYPTED else (size, self.digest(path, size))
        elif kind == "l":
            kind, target = self.target(path, root)
            if kind == UNTOLD:
                size = blocks = digest = UNTOLD
        elif kind in "cb":
            device = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
        windows = self.windows(path)
        if kind in "ps" and windows[ATTRIBUTES.index("reparse_data")] == "-":
            # Any file of no or one byte with the attribute `system` is one to ntfs-3g, as it was to Interix.
            kind = size = blocks = digest = UNTOLD
        if kind == "f" and b"$LXMOD" in (attribute(path, "system.ntfs_ea") or b""):
            # What kind of file it is for WSL and ntfs3.
            kind = size = blocks = device = digest = UNTOLD
        # ntfs-3g counts short names as links.
        links = st.st_nlink if windows[0] in "-?" else UNTOLD
        fields = [shown(name), st.st_ino, kind, links, size, blocks, *times, device, target, digest, "%x" % flags,
                  raw_times, *windows, self.streams(path, flags)]
        return "\t".join(str(f) for f in fields)

    def digest(self, path, size):
        return digest_of(path, size)

    def unlisted(self, error):
        """What to do about a directory that cannot be listed."""
        raise error

    def manifest(self, root):
        s = os.statvfs(root)
        first = "\t".join(str(f) for f in ("statfs", s.f_frsize, s.f_blocks, s.f_bfree))
        root = os.fsencode(root)
        found = [(b".", self.line(root, root, b"."))]
        for directory, names, files in os.walk(root, onerror=self.unlisted):
            for name in names + files:
                path = os.path.join(directory, name)
                relative = os.path.relpath(path, root)
                found.append((relative, self.line(root, path, relative)))
        return "\n".join([first] + [text for _, text in sorted(found) if text]) + "\n"


class Kernel(Driver):
    """The kernel's ntfs3, as it is in Linux 6.12. Names that it cannot read have no line where a volume may be damaged."""

    def __init__(self, is_damaged=False):
        self.is_damaged = is_damaged

    def times(self, path, st):
        # Those before 1970 come out wrong, as it divides without regard to the sign.
        found = [time(ns) if ns > EARLY else UNTOLD for ns in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        born = recipe.born(path)
        return found + [born if born != "-" and float(born) * 1e9 > EARLY else UNTOLD], UNTOLD

    def line(self, root, path, name):
        try:
            fields = super().line(root, path, name).split("\t")
        except OSError as error:
            # It lists names up to a lone surrogate in them, and then cannot find them.
            if error.errno != errno.ENOENT and not self.is_damaged:
                raise
            print(error, file=sys.stderr)
            return None
        kind, flags = fields[2], int(fields[13], 16)
        if kind == "f" and UNTOLD not in fields[4:6] and int(fields[5]) * 512 < int(fields[4]) < 4096:
            # What data takes in a record, in full blocks.
            fields[5] = UNTOLD
        if kind in "dl?":
            # It has a bit of its own for directories, not for links that are.
            fields[13] = UNTOLD
        if kind == "f" and flags & FILE_ATTRIBUTE_REPARSE_POINT and fields[5] == "0":
            # It counts only the main data of what is system-compressed.
            fields[5] = UNTOLD
        is_reparse = flags & FILE_ATTRIBUTE_REPARSE_POINT and fields[4] == "0"
        if kind == "f" and (is_reparse or flags & FILE_ATTRIBUTE_SYSTEM and is_interix(path)):
            # Ordinary files to it.
            for i in (2, 4, 5, 10, 11, 12):
                fields[i] = UNTOLD
        return "\t".join(fields)

    def windows(self, path):
        try:
            security = attribute(path, "system.ntfs_security")
        except OSError as error:
            print(error, file=sys.stderr)
            security = None
        # It reads nothing but $Secure.
        told = {} if security is None else {"acl": value(security)}
        return [told.get(name, UNTOLD) for name in ATTRIBUTES]

    def streams(self, path, flags):
        return UNTOLD

    def unlisted(self, error):
        if not self.is_damaged:
            raise error
        print(error, file=sys.stderr)

    def kind(self, path):
        return ""

    def target(self, path, root):
        try:
            target = os.readlink(path)
            # It makes no difference between this volume and others where they are absolute.
            is_relative = not target.startswith((b"/", b"./")) and b":" not in target
            return "l", shown(target) if is_relative else UNTOLD
        except OSError as error:
            # It takes reparse points that it does not know for links, too.
            print("%r: %s" % (path, error), file=sys.stderr)
            return UNTOLD, UNTOLD

    def digest(self, path, size):
        try:
            return digest_of(path, size)
        except OSError as error:
            print("%r: %s" % (path, error), file=sys.stderr)
            return UNTOLD


def is_interix(path):
    with open(path, "rb") as f:
        return f.read(4) == b"Intx"
