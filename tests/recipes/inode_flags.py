#!/usr/bin/env python3
"""What ioctls say of inode flags.

    inode_flags.py show DIRECTORY   one line for each file and directory below it: flags, struct fsxattr, generation
    inode_flags.py set FILE         one line for each ioctl that would change something: how it ends
"""
import ctypes
import errno
import os
import struct
import sys

# include/uapi/linux/fs.h
FS_IOC_GETFLAGS = 0x80086601
FS_IOC32_GETFLAGS = 0x80046601
FS_IOC_SETFLAGS = 0x40086602
FS_IOC32_SETFLAGS = 0x40046602
FS_IOC_GETVERSION = 0x80087601
FS_IOC_SETVERSION = 0x40087602
FS_IOC_FSGETXATTR = 0x801C581F
FS_IOC_FSSETXATTR = 0x401C5820
FS_IOC_SETFSLABEL = 0x41009432
NOT_KNOWN_TO_ANYBODY = 0x80087F7F

libc = ctypes.CDLL(None, use_errno=True)


def ioctl(fd, command, argument):
    """What the kernel left in the argument and the 36 bytes after it, or the name of the error."""
    room = ctypes.create_string_buffer(argument + b"\xEE" * 36, len(argument) + 36)
    if libc.ioctl(fd, ctypes.c_ulong(command), room) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return room.raw.hex()


def opened(path):
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)


def show(path):
    fd = opened(path)
    answers = [ioctl(fd, command, b"") for command in (FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_GETVERSION)]
    print(os.fsencode(path), *answers, ioctl(fd, NOT_KNOWN_TO_ANYBODY, b""))
    os.close(fd)


def show_all(root):
    os.chdir(root)
    show(".")
    for directory, names, files in os.walk("."):
        for path in (os.path.join(directory, name) for name in names + files):
            if os.path.islink(path) or not (os.path.isfile(path) or os.path.isdir(path)):
                continue
            show(path)


def set_all(path):
    fd = opened(path)
    nodump = struct.pack("Q", 0x40)
    for name, command, argument in [
        ("SETFLAGS", FS_IOC_SETFLAGS, nodump),
        ("SETFLAGS of 32 bits", FS_IOC32_SETFLAGS, nodump),
        ("SETVERSION", FS_IOC_SETVERSION, nodump),
        ("FSSETXATTR", FS_IOC_FSSETXATTR, struct.pack("5I8x", 0, 0, 0, 5, 0)),
        ("SETFSLABEL", FS_IOC_SETFSLABEL, b"label".ljust(256, b"\0")),
    ]:
        print(name, ioctl(fd, command, argument))
    same = ioctl(fd, FS_IOC_GETFLAGS, b"") == ioctl(fd, FS_IOC32_GETFLAGS, b"")
    print("GETFLAGS of 32 bits", "the same" if same else "different")


{"show": show_all, "set": set_all}[sys.argv[1]](sys.argv[2])
