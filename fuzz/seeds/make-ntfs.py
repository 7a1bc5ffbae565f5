#!/usr/bin/env python3
"""make-ntfs.py - builds ntfs.img.zst and ntfs-4k.img.zst, the images that the fuzz targets of NTFS change: 2 and 3 MiB, with
clusters of 512 bytes and records of 1 KiB, and with 4 KiB of both. Each holds one of everything that ntfs-3g can make: index
blocks, lists of attributes, compressed, sparse and fragmented files, streams, links, short names, descriptors, object ids,
extended attributes, reparse points of many kinds, and files in each of the system compressions.

Needs root (FUSE), ntfs-3g, wimtools, zstd.
"""
import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Tags of reparse points ([MS-FSCC] 2.1.2.1).
MOUNT_POINT, SYMLINK, DEDUP, WOF = 0xA0000003, 0xA000000C, 0x80000013, 0x80000017
LX_SYMLINK, APPEXEC, CLOUD = 0xA000001D, 0x8000001B, 0x9000001A


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


def noise(key, length):
    blocks = (hashlib.sha512(f"{key}/{number}".encode()).digest() for number in range(length // 64 + 1))
    return b"".join(blocks)[:length]


def text(length):
    lines = (b"line %d: the quick brown fox %x jumps\r\n" % (n, n * n * 2654435761 % 2**32) for n in range(length // 30 + 1))
    return b"".join(lines)[:length]


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def attribute(path, name, value):
    os.setxattr(path, f"system.ntfs_{name}", value, follow_symlinks=False)


def reparse(path, tag, data):
    attribute(path, "reparse_data", struct.pack("<IHH", tag, len(data), 0) + data)


def link_data(substitute, shown, flags=None):
    names = [name.encode("utf-16-le") for name in (substitute, shown)]
    head = struct.pack("<HHHH", 0, len(names[0]), len(names[0]), len(names[1]))
    return head + (b"" if flags is None else struct.pack("<I", flags)) + b"".join(names)


def sid(authority, *parts):
    return struct.pack("BB6s", 1, len(parts), authority.to_bytes(6, "big")) + struct.pack(f"<{len(parts)}I", *parts)


def descriptor(user, *entries):
    def entry(kind, flags, mask, who):
        return struct.pack("<BBHI", kind, flags, 8 + len(who), mask) + who
    entries = [entry(*one) for one in entries]
    acl = struct.pack("<BBHHH", 2, 0, 8 + sum(map(len, entries)), len(entries), 0) + b"".join(entries)
    owner, group = sid(5, 21, 1, 2, 3, user), sid(5, 32, 545)
    places = 20 + len(acl), 20 + len(acl) + len(owner)
    return struct.pack("<BBHIIII", 1, 0, 0x8004, *places, 0, 20) + acl + owner + group


def extended_attributes(*pairs):
    entries = b""
    for number, (name, value) in enumerate(pairs):
        size = 8 + len(name) + 1 + len(value)
        padded = (size + 3) // 4 * 4
        entry = struct.pack("<IBBH", padded, 0, len(name), len(value)) + name + b"\0" + value
        entries += entry.ljust(padded, b"\0")
    return entries


def fragmented(directory, pieces, piece):
    """Two files that are written in turn, until their runs do not fit a record any more."""
    files = [open(f"{directory}/{name}", "wb", buffering=0) for name in ("a", "b")]
    for number in range(pieces):
        for file in files:
            file.write(bytes([number % 251]) * piece)
            os.fsync(file.fileno())
    for file in files:
        file.close()


def wof(scratch, directory, algorithm, method, chunk):
    """A file in a system compression: the stream has the form of a resource in a WIM, so wimlib makes it."""
    data = text(30000) + noise("wof", 600) + text(8000)
    source, wim = f"{scratch}/source", f"{scratch}/wim"
    os.makedirs(source, exist_ok=True)
    put(f"{source}/file", data)
    if os.path.exists(wim):
        os.remove(wim)
    run("wimlib-imagex", "capture", source, wim, "w", f"--compress={method}", f"--chunk-size={chunk}", "--no-acls")
    with open(wim, "rb") as file:
        raw = file.read()
    at, = struct.unpack_from("<Q", raw, 48 + 8)
    size = struct.unpack_from("<Q", raw, 48)[0] & (1 << 56) - 1
    for entry in range(at, at + size - 49, 50):
        stored, offset, original = struct.unpack_from("<QQQ", raw, entry)
        if raw[entry + 30:entry + 50] == hashlib.sha1(data).digest():
            break
    assert original == len(data) and stored >> 56 & 4
    path = f"{directory}/wof-{algorithm}"
    put(path, b"")
    os.truncate(path, original)
    put(f"{path}:WofCompressedData", raw[offset:offset + (stored & (1 << 56) - 1)])
    reparse(path, WOF, struct.pack("<IIII", 1, 2, 1, algorithm))


def links(directory):
    """Reparse points, and what WSL makes."""
    def file(name, tag, data):
        put(f"{directory}/{name}", b"")
        reparse(f"{directory}/{name}", tag, data)
    os.mkdir(f"{directory}/junction")
    reparse(f"{directory}/junction", MOUNT_POINT, link_data("\\??\\C:\\Users\0", "C:\\Users\0"))
    file("relative", SYMLINK, link_data("many\\x", "many\\x", 1))
    file("absolute", SYMLINK, link_data("\\??\\C:\\x", "C:\\x", 0))
    file("wsl", LX_SYMLINK, struct.pack("<I", 2) + b"../many")
    os.mkfifo(f"{directory}/fifo")
    os.mknod(f"{directory}/socket", 0o140600)
    os.mknod(f"{directory}/device", 0o20644, os.makedev(1, 3))
    put(f"{directory}/of-wsl", b"")
    attribute(f"{directory}/of-wsl", "ea", extended_attributes(
        (b"$LXUID", struct.pack("<I", 1000)), (b"$LXGID", struct.pack("<I", 100)), (b"$LXMOD", struct.pack("<I", 0o100640))))
    file("dedup", DEDUP, bytes(120))
    file("cloud", CLOUD, struct.pack("<HH", 1, 0) + bytes(40))
    file("store-app", APPEXEC, struct.pack("<I", 3) + "".join(
        f"{part}\0" for part in ("App_1", "App_1!App", "C:\\Apps\\a.exe", "0")).encode("utf-16-le"))
    os.symlink("relative", f"{directory}/interix")


def fill(root, scratch, cluster):
    for name in ("many", "packed", "streams", "runs", "links", "wide"):
        os.mkdir(f"{root}/{name}")
    for number in range(120):
        put(f"{root}/many/a-rather-long-name-of-number-{number * 7919 % 120}", noise(number, number % 3 * 40))
    attribute(f"{root}/packed", "attrib_be", struct.pack(">I", 0x810))
    unit = cluster * 16
    put(f"{root}/packed/text", text(unit * 2 + 100))
    put(f"{root}/packed/mixed", text(unit) + noise("m", 8192).ljust(unit, b"n") + bytes(unit) + text(unit // 2))
    os.truncate(f"{root}/packed/mixed", unit * 5)
    put(f"{root}/streams/file", text(50))
    put(f"{root}/streams/file:small", text(70))
    put(f"{root}/streams/file:large", noise("s", 3000))
    for number in range(30):
        put(f"{root}/streams/file:stream-{number}-ä", noise(number, number * 5))
    put(f"{root}/streams:of-a-directory", text(40))
    fragmented(f"{root}/runs", 600 if cluster == 512 else 150, cluster)
    with open(f"{root}/runs/sparse", "wb") as file:
        file.write(b"start")
        file.seek(200_000)
        file.write(b"end")
    links(f"{root}/links")
    for algorithm, method, chunk in ((0, "xpress", 4096), (1, "lzx", 32768), (2, "xpress", 8192), (3, "xpress", 16384)):
        wof(scratch, f"{root}/links", algorithm, method, chunk)
    # A directory whose index does not fit beside its streams.
    for number in range(24):
        put(f"{root}/wide:{number:030}", noise(number, 20))
    for number in range(40):
        put(f"{root}/wide/{number:020}", b"")
    os.link(f"{root}/streams/file", f"{root}/hard link with a long name")
    put(f"{root}/a name with a short one", text(9))
    attribute(f"{root}/a name with a short one", "dos_name", b"ANAMEW~1")
    for number in range(4):
        allowed = [(0, 0, 0x1F01FF, sid(5, 21, 1, 2, 3, 1000 + number)), (number & 1, 3, 0x1200A9, sid(1, 0))]
        attribute(f"{root}/many/a-rather-long-name-of-number-{number}", "acl", descriptor(1000 + number, *allowed))
    attribute(f"{root}/packed/text", "object_id", bytes(range(16)))
    attribute(f"{root}/packed/text", "ea", extended_attributes((b"ONE", b"value"), (b"TWO", noise("ea", 300))))
    put(f"{root}/😀-\N{LATIN SMALL LETTER SHARP S}.txt", b"name")


def shorten_capitals(image):
    """$UpCase does not pack: from U+0600 on all capitals become U+FFFF, which keeps the order of the names here."""
    with open(image, "r+b") as file:
        data = file.read()
        table = data.index(struct.pack("<4H", *range(4)))
        while data[table + 0x82:table + 0x86] != b"A\0B\0":
            table = data.index(struct.pack("<4H", *range(4)), table + 1)
        file.seek(table + 0xC00)
        file.write(b"\xFF" * (0x20000 - 0xC00))


def make(name, size, cluster, *options):
    with tempfile.TemporaryDirectory() as scratch:
        image, mount = f"{scratch}/image", f"{scratch}/mount"
        os.mkdir(mount)
        put(image, b"")
        os.truncate(image, size)
        run("mkntfs", "-q", "-F", "-L", "fuzz", "-c", str(cluster), *options, image)
        run("ntfs-3g", "-o", "compression,streams_interface=windows,special_files=wsl", image, mount)
        try:
            fill(mount, scratch, cluster)
        finally:
            run("umount", mount)
        shorten_capitals(image)
        run("zstd", "-q", "-19", "-f", image, "-o", f"{HERE}/{name}.img.zst")


make("ntfs", 2 << 20, 512)
make("ntfs-4k", 4 << 20, 4096, "-s", "4096")
