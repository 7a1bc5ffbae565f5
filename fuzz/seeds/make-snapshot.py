#!/usr/bin/env python3
# make-snapshot.py - the seeds of the fuzz target snapshot, in the directory snapshot: the size of the volume in sectors
# (2 bytes), and an exception store as the kernel fills it.
import os
import struct


def store(sectors, olds, chunks, valid=1):
    """A store of this many chunks of `sectors` sectors, with an exception for each of `olds`."""
    chunk = sectors * 512
    per_area = chunk // 16
    data = bytearray(chunks * chunk)
    data[:16] = struct.pack("<4I", 0x70416E53, valid, 1, sectors)
    free = 2
    for number, old in enumerate(olds):
        at = (1 + number // per_area * (per_area + 1)) * chunk + number % per_area * 16
        data[at:at + 16] = struct.pack("<2Q", old, free)
        free += 2 if (free + 1) % (per_area + 1) == 1 else 1
    return data


SEEDS = {
    "empty": (64, store(1, [], 3)),
    "scattered": (256, store(1, [9, 3, 7, 100, 5], 8)),
    "joined": (256, store(1, [9, 10, 11, 3, 4, 8, 12], 10)),
    "two-areas": (512, store(1, [number * 7 % 256 for number in range(40)], 46)),
    "two-sectors": (300, store(2, [0, 149, 70, 71], 7)),
    "invalid": (64, store(1, [1, 2], 5, valid=0)),
}

os.chdir(os.path.dirname(os.path.abspath(__file__)))
os.makedirs("snapshot", exist_ok=True)
for name, (size, data) in SEEDS.items():
    with open(f"snapshot/{name}", "wb") as file:
        file.write(struct.pack("<H", size) + data)
