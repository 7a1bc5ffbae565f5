#!/usr/bin/env python3
"""make-reparse.py - writes ntfs_reparse/: reparse data of each kind whose form is checked, for the fuzz target of that name."""

import struct
from pathlib import Path


def point(tag: int, data: bytes) -> bytes:
    return struct.pack("<IHH", tag, len(data), 0) + data


def names(substitute: str, shown: str, flags: bytes = b"") -> bytes:
    substitute, shown = (text.encode("utf-16-le") for text in (substitute, shown))
    lengths = struct.pack("<HHHH", 0, len(substitute), len(substitute), len(shown))
    return lengths + flags + substitute + shown


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


SEEDS = {
    "symlink": point(0xA000000C, names("\\??\\C:\\Windows\\x", "C:\\Windows\\x", struct.pack("<I", 0))),
    "relative": point(0xA000000C, names("..\\a\\..\\b", "b", struct.pack("<I", 1))),
    "junction": point(0xA0000003, names("\\??\\Volume{0a1b2c3d-0000-1111-2222-333344445501}\\", "")),
    "app": point(0x8000001B, struct.pack("<I", 3) + utf16("P\0P!A\0D:\\a.exe\0" + "0\0")),
    "lx": point(0xA000001D, b"\2\0\0\0/mnt/c"),
    "nfs": point(0x80000014, b"LNK\1\0\0\0\0" + utf16("a/b")),
    "interix": b"IntxLNK\1" + utf16("a/b"),
}

directory = Path(__file__).resolve().parent / "ntfs_reparse"
directory.mkdir(exist_ok=True)
for name, data in SEEDS.items():
    (directory / name).write_bytes(data)
