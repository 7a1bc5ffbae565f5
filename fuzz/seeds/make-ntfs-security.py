#!/usr/bin/env python3
# make-ntfs-security.py - the seeds of the fuzz target ntfs_security, in the directory ntfs_security: security descriptors, a
# mapping file, and extended attributes of WSL.
import os
import struct


def sid(authority, *parts):
    return struct.pack("<BB6s", 1, len(parts), authority.to_bytes(6, "big")) + struct.pack(f"<{len(parts)}I", *parts)


EVERYONE, SYSTEM, ADMINISTRATORS, USERS = sid(1, 0), sid(5, 18), sid(5, 32, 544), sid(5, 32, 545)
ALICE, BOB = (sid(5, 21, 1111, 2222, 3333, rid) for rid in (1001, 1002))
FULL, READ = 0x1F01FF, 0x120089


def ace(kind, flags, mask, rest):
    return struct.pack("<BBHI", kind, flags, 8 + len(rest), mask) + rest


def acl(*entries):
    return struct.pack("<BBHHH", 2, 0, 8 + sum(map(len, entries)), len(entries), 0) + b"".join(entries)


def descriptor(owner, group, dacl, sacl=b""):
    body, offsets = b"", []
    for part in (sacl, dacl, owner, group):
        offsets.append(20 + len(body) if part else 0)
        body += part
    sacl_at, dacl_at, owner_at, group_at = offsets
    control = 0x8004 | (0x10 if sacl else 0)
    return struct.pack("<BBHIIII", 1, 0, control, owner_at, group_at, sacl_at, dacl_at) + body


def attribute(name, value):
    one = struct.pack("<BBH", 0, len(name), len(value)) + name + b"\0" + value
    length = (4 + len(one) + 3) // 4 * 4
    return (struct.pack("<I", length) + one).ljust(length, b"\0")


OBJECT = struct.pack("<I16s", 1, bytes(range(16))) + EVERYONE
SEEDS = {
    "deny": descriptor(BOB, USERS, acl(ace(1, 0, 0x116, BOB), ace(0, 0, FULL, ADMINISTRATORS), ace(0, 16, READ, EVERYONE))),
    "audit": descriptor(ADMINISTRATORS, SYSTEM, acl(ace(0, 0, FULL, SYSTEM)), acl(ace(2, 0xC0, 0x10000, EVERYONE))),
    "object": descriptor(ALICE, USERS, acl(ace(6, 0, FULL, OBJECT), ace(0, 11, FULL, sid(3, 0)), ace(10, 0, READ, USERS))),
    "mapping": b"# names\n1001:1001:S-1-5-21-1111-2222-3333-1001\n:513:S-1-5-21-1111-2222-3333-513\n"
    b"::S-1-5-21-1111-2222-3333-10000\n",
    "ea": attribute(b"$LXUID", b"\xe8\x03\0\0") + attribute(b"$LXMOD", b"\xa4\x81\0\0")
    + attribute(b"$LXDEV", struct.pack("<II", 1, 2)),
}
directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ntfs_security")
os.makedirs(directory, exist_ok=True)
for name, seed in SEEDS.items():
    with open(os.path.join(directory, name), "wb") as file:
        file.write(seed)
