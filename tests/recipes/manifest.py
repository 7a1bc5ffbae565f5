"""What a kernel shows of a file system, as lines of text that are compared with what we show of it.

A manifest has one line for statfs and one for each name, sorted by path; fields are separated by tabs, see `line`. The
extents of a file are asked for before its data is read: a kernel counts pages in its cache as data.
"""
import ctypes
import errno
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager

# Larger files are hashed by their data extents only.
HASHED_WHOLE_MAX = 64 << 20
# Longer attribute values are hashed.
SHOWN_MAX = 64


class Statx(ctypes.Structure):
    """struct statx of Linux, as far as it is used."""
    class Time(ctypes.Structure):
        _fields_ = [("sec", ctypes.c_int64), ("nsec", ctypes.c_uint32), ("pad", ctypes.c_int32)]
    _fields_ = [("head", ctypes.c_uint8 * 64), ("atime", Time), ("btime", Time), ("ctime", Time), ("mtime", Time),
                ("rest", ctypes.c_uint8 * 128)]


LIBC = ctypes.CDLL(None, use_errno=True)


def time(ns):
    return "%d.%09d" % divmod(ns, 10**9)


def born(path):
    """The creation time, or - where the format has none."""
    at_fdcwd, no_follow, btime = -100, 0x100, 0x800
    x = Statx()
    if LIBC.statx(at_fdcwd, path, no_follow, btime, ctypes.byref(x)):
        raise OSError(ctypes.get_errno(), "statx")
    mask = int.from_bytes(bytes(x.head[:4]), sys.byteorder)
    return "%d.%09d" % (x.btime.sec, x.btime.nsec) if mask & btime else "-"


def shown(name):
    """A name or path in printable ASCII without spaces and %, other bytes as %xx."""
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x25 else "%%%02x" % b for b in name) or "%"


def value(data):
    return "hex:" + data.hex() if len(data) <= SHOWN_MAX else "sha256:" + hashlib.sha256(data).hexdigest()


def data_extents(fd, size):
    """The (start, end) of each run of data."""
    found, at = [], 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        end = min(os.lseek(fd, at, os.SEEK_HOLE), size)
        found.append((at, end))
        at = end
    return found


def content(path, size):
    """Extents and SHA-256 of a file, or the name of the error where it is encrypted."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno != errno.ENOKEY:
            raise
        return "ENOKEY", "ENOKEY"
    try:
        extents = data_extents(fd, size)
        digest = hashlib.sha256()
        for start, end in extents if size > HASHED_WHOLE_MAX else [(0, size)]:
            while start < end:
                part = os.pread(fd, min(end - start, 1 << 20), start)
                if not part:
                    raise OSError(5, "a file shorter than its size")
                digest.update(part)
                start += len(part)
        # A file may be met again, under another name.
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return ",".join("%d-%d" % e for e in extents) or "-", digest.hexdigest()
    finally:
        os.close(fd)


def line(path, name):
    """path, inode, mode in octal, links, uid, gid, size, 512-byte blocks, atime, mtime, ctime, creation, device, link
    target, data extents, SHA-256, extended attributes."""
    st = os.lstat(path)
    device = extents = digest = target = "-"
    if stat.S_ISREG(st.st_mode):
        extents, digest = content(path, st.st_size)
    elif stat.S_ISLNK(st.st_mode):
        target = shown(os.readlink(path))
    elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        device = "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
    names = sorted(os.fsencode(n) for n in os.listxattr(path, follow_symlinks=False))
    xattrs = ",".join("%s=%s" % (shown(n), value(os.getxattr(path, n, follow_symlinks=False))) for n in names) or "-"
    fields = [shown(name), st.st_ino, oct(st.st_mode)[2:], st.st_nlink, st.st_uid, st.st_gid, st.st_size, st.st_blocks,
              time(st.st_atime_ns), time(st.st_mtime_ns), time(st.st_ctime_ns), born(path), device, target, extents,
              digest, xattrs]
    return "\t".join(str(f) for f in fields)


def lines(root):
    root = os.fsencode(root)
    found = [(b".", line(root, b"."))]
    for directory, names, files in os.walk(root, onerror=lambda error: (_ for _ in ()).throw(error)):
        for name in names + files:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, root)
            found.append((relative, line(path, relative)))
    return [text for _, text in sorted(found)]


@contextmanager
def mounted(image, options, kind):
    """A loop mount of a file system of this kind, as long as the context lasts."""
    with tempfile.TemporaryDirectory() as at:
        subprocess.run(["mount", "-t", kind, "-o", "loop," + options, image, at], check=True)
        try:
            yield at
        finally:
            subprocess.run(["umount", at], check=True)


def manifest(root):
    """The manifest of what is mounted at root."""
    s = os.statvfs(root)
    first = ["statfs", s.f_bsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_namemax]
    return "\n".join(["\t".join(str(f) for f in first)] + lines(root)) + "\n"


def sync(at):
    """Writes out the file system at `at` and no other, whose writes somebody else may be holding back."""
    subprocess.run(["sync", "-f", at], check=True)
