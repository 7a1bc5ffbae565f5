#!/usr/bin/env python3
# make-volumes.py - the seeds of the fuzz targets lvm_text, lvm_label, dm_metadata and md_superblock, in the directories of
# these names: small descriptions of volume groups with one of each kind of volume, metadata of a thin pool and of a cache,
# and superblocks of small arrays of each level. Needs thin-provisioning-tools.
import os
import struct
import subprocess
import tempfile
import zlib


def write(target, seeds):
    os.makedirs(target, exist_ok=True)
    for name, data in seeds.items():
        with open(f"{target}/{name}", "wb") as file:
            file.write(data)


# LVM2: extents of 16 sectors; three physical volumes of 128 extents, whose UUIDs are a digit each.

def block(name, *lines):
    return f"{name} {{\n" + "\n".join(lines) + "\n}"


def volume(name, *segments, visible=False, status=()):
    flags = ", ".join(f'"{flag}"' for flag in ("READ", "WRITE", *(["VISIBLE"] if visible else []), *status))
    start, parts = 0, []
    for number, (extents, *lines) in enumerate(segments, 1):
        parts.append(block(f"segment{number}", f"start_extent = {start}", f"extent_count = {extents}", *lines))
        start += extents
    uuid = (name.replace("_", "x") + "A" * 32)[:32]
    return block(name, f'id = "{uuid}"', f"status = [{flags}]", f"segment_count = {len(segments)}", *parts)


def linear(extents, place, extent):
    return extents, 'type = "striped"', "stripe_count = 1", f'stripes = ["{place}", {extent}]'


def raid(kind, name, count, extents, parity):
    images = [volume(f"{name}_rimage_{n}", linear(extents // (count - parity), f"pv{n % 3}", 40 + n)) for n in range(count)]
    metas = [volume(f"{name}_rmeta_{n}", linear(1, f"pv{n % 3}", 60 + n)) for n in range(count)]
    raids = ", ".join(f'"{name}_rmeta_{n}", "{name}_rimage_{n}"' for n in range(count))
    top = volume(name, (extents, f'type = "{kind}"', f"device_count = {count}", "stripe_size = 8", "region_size = 16",
                        f"raids = [{raids}]"), visible=True)
    return [top, *images, *metas]


def group(*volumes):
    physical = [block(f"pv{n}", f'id = "{str(n) * 32}"', 'status = ["ALLOCATABLE"]', "pe_start = 2048", "pe_count = 128")
                for n in range(3)]
    text = block("vg", 'id = "' + "G" * 32 + '"', "seqno = 7", 'format = "lvm2"', 'status = ["RESIZEABLE", "READ", "WRITE"]',
                 "extent_size = 16", block("physical_volumes", *physical), block("logical_volumes", *volumes))
    return (text + '\ncontents = "Text Format Volume Group"\nversion = 1\n').encode()


STORES = [volume("a", linear(8, "pv0", 0)), volume("b", linear(8, "pv1", 0)), volume("c", linear(8, "pv2", 0))]
TEXTS = {
    "plain": group(
        volume("lin", linear(4, "pv0", 0), linear(3, "pv1", 5), visible=True),
        volume("striped", (6, 'type = "striped"', "stripe_count = 3", "stripe_size = 8",
                           'stripes = ["pv0", 10, "pv1", 10, "pv2", 10]'), visible=True),
        volume("nothing", (2, 'type = "zero"'), (2, 'type = "error"'), visible=True)),
    "mirror": group(
        volume("m", (8, 'type = "mirror"', "mirror_count = 2", "region_size = 16", 'mirror_log = "c"',
                     'mirrors = ["a", 0, "b", 0]'), visible=True), *STORES),
    "snapshot": group(
        volume("o", linear(8, "pv0", 20), visible=True), *STORES,
        volume("snapshot0", (8, 'type = "snapshot"', "chunk_size = 8", 'origin = "o"', 'cow_store = "a"')),
        volume("snapshot1", (8, 'type = "snapshot"', "chunk_size = 8", 'origin = "b"', 'merging_store = "c"'))),
    "thin": group(
        volume("pool", (64, 'type = "thin-pool"', 'metadata = "a"', 'pool = "data"', "transaction_id = 1", "chunk_size = 128",
                        "zero_new_blocks = 1"), visible=True),
        volume("data", linear(64, "pv1", 20)),
        volume("thin", (100, 'type = "thin"', 'thin_pool = "pool"', "transaction_id = 0", "device_id = 1"), visible=True),
        volume("clone", (100, 'type = "thin"', 'thin_pool = "pool"', "transaction_id = 0", "device_id = 2",
                         'origin = "thin"', 'external_origin = "c"'), visible=True), *STORES),
    "cache": group(
        volume("pool", (8, 'type = "cache-pool"', 'data = "b"', 'metadata = "a"', "chunk_size = 64",
                        'cache_mode = "writeback"', 'policy = "smq"', "policy_settings {", "}")),
        volume("cached", (8, 'type = "cache"', 'cache_pool = "pool"', 'origin = "c"'), visible=True),
        volume("slow", linear(8, "pv0", 30)), volume("fast", linear(2, "pv1", 30)),
        volume("written", (8, 'type = "writecache"', 'writecache = "fast"', 'origin = "slow"',
                           "writecache_block_size = 4096"), visible=True), *STORES),
    "loops": group(
        volume("one", linear(4, "two", 0), visible=True), volume("two", linear(4, "one", 0), visible=True),
        volume("self", linear(4, "self", 0), visible=True)),
    "unknown": group(volume("v", (4, 'type = "vdo"', 'vdo_pool = "a"'), visible=True), *STORES),
    "raid1": group(*raid("raid1", "r", 2, 4, 1)),
    "raid5": group(*raid("raid5_ls", "r", 3, 4, 1)),
    "raid6": group(*raid("raid6_zr", "r", 5, 6, 2)),
    "raid10": group(*raid("raid10", "r", 4, 4, 2)),
    "raid0": group(*raid("raid0_meta", "r", 3, 6, 0)),
}


def lvm_sum(data):
    """The checksum of lib/misc/crc.c."""
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def label(text):
    """What fuzz/targets/support/lvm_disk.rs makes for physical volume 0; it makes the checksums right again."""
    sector = struct.pack("<8sQII8s32sQ4Q4Q", b"LABELONE", 1, 0, 32, b"LVM2 001", b"0" * 32, 4 << 20, 1 << 20, 0, 0, 0, 4096,
                         128 << 10, 0, 0).ljust(512, b"\0")
    sector = sector[:16] + struct.pack("<I", lvm_sum(sector[20:])) + sector[20:]
    header = struct.pack("<16sIQQQQII", b" LVM2 x[5A%r0N*>", 1, 4096, 128 << 10, 512, len(text), lvm_sum(text), 0)
    header = header.ljust(508, b"\0")
    return bytes(512) + sector + bytes(3072) + struct.pack("<I", lvm_sum(header)) + header + text


# What thin pools and caches keep of themselves; volume "a" of the texts above holds it.

THIN = """<superblock uuid="" time="1" transaction="2" version="2" data_block_size="128" nr_data_blocks="8">
<device dev_id="1" mapped_blocks="5" transaction="0" creation_time="0" snap_time="1">
<range_mapping origin_begin="0" data_begin="0" length="3" time="0"/>
<single_mapping origin_block="7" data_block="4" time="1"/><single_mapping origin_block="9" data_block="3" time="0"/>
</device><device dev_id="2" mapped_blocks="1" transaction="1" creation_time="1" snap_time="1">
<single_mapping origin_block="1" data_block="5" time="1"/></device></superblock>"""
CACHE = """<superblock uuid="" block_size="64" nr_cache_blocks="2" policy="smq" hint_width="4"><mappings>
<mapping cache_block="0" origin_block="1" dirty="true"/><mapping cache_block="1" origin_block="0" dirty="false"/>
</mappings><hints><hint cache_block="0" data="AAAAAA=="/></hints></superblock>"""


def restored(tool, xml):
    with tempfile.TemporaryDirectory() as directory:
        source, metadata = f"{directory}/xml", f"{directory}/metadata"
        with open(source, "w") as file:
            file.write(xml)
        with open(metadata, "wb") as file:
            file.truncate(64 << 10)
        subprocess.run([tool, "-q", "-i", source, "-o", metadata], check=True)
        with open(metadata, "rb") as file:
            return file.read().rstrip(b"\0")


# md: members of 1 MiB, whose data begin at 128 KiB.

def superblock_1(number, members, level, layout, chunk=8, features=0, role=None, events=9, reshape=(0, 0, 0, 0, 0)):
    new_level, position, delta, new_layout, new_chunk = reshape
    sectors = 1024
    raw = struct.pack("<4I16s32sQiIQIII", 0xA92B4EFC, 1, features, 0, b"array-of-16-byte", b"host:name", 0, level, layout,
                      sectors, chunk, members, 8)
    raw += struct.pack("<iQiIIi", new_level, position, delta, new_layout, new_chunk, 0)
    raw += struct.pack("<QQQQII16sBBHI", 256, sectors, 0, 512 if features & 2 else 0, number, 0, bytes([number] * 16), 0, 0,
                       1 if features & 8 else 0, 16 if features & 8 else 0)
    raw += struct.pack("<QQQII32x", 1, events, (1 << 64) - 1, 0, members + 2)
    roles = [*range(members), 0xFFFF, 0xFFFE] if role is None else role
    return (raw + struct.pack(f"<{len(roles)}H", *roles)).ljust(768, b"\0")


def superblock_090(number, members, level, layout):
    words = [0] * 1024
    words[:16] = [0xA92B4EFC, 0, 90, 0, 0, 1, 2, level & 0xFFFFFFFF, 512, members, members, 0, 0, 3, 4, 5]
    words[32:42] = [6, 1, members, members, 0, 0, 0, 9, 0, 9]
    words[64:66] = [layout, 4096]
    for disk in range(members):
        words[128 + 32 * disk:133 + 32 * disk] = [disk, 8, disk, disk, 6]
    words[992:997] = [number, 8, number, number, 6]
    return struct.pack("<1024I", *words)


def array(version, members, make):
    return bytes([members - 1, version]) + b"".join(make(number) for number in range(members))


LEVELS = {"linear": (-1, 0, 3), "raid0": (0, 0, 2), "raid1": (1, 0, 2), "raid4": (4, 0, 3), "raid5": (5, 2, 3),
          "raid6": (6, 2, 5), "raid6-ddf": (6, 10, 4), "raid10-near": (10, 0x102, 4), "raid10-offset": (10, 0x10201, 3)}
ARRAYS = {}
for name, (level, layout, members) in LEVELS.items():
    for version in (1, 2, 3):
        ARRAYS[f"{name}-1.{version - 1}"] = array(version, members, lambda n: superblock_1(n, members, level, layout))
    ARRAYS[f"{name}-0.90"] = array(0, members, lambda n: superblock_090(n, members, level, layout))
ARRAYS |= {
    "reshape": array(3, 4, lambda n: superblock_1(n, 4, 5, 2, features=4, reshape=(5, 1536, 1, 2, 8))),
    "reshape-backwards": array(3, 3, lambda n: superblock_1(n, 3, 5, 2, features=4 | 32, reshape=(5, 1024, -1, 2, 16))),
    "rebuilding": array(3, 3, lambda n: superblock_1(n, 3, 5, 2, features=2 if n == 1 else 0)),
    "bad-blocks": array(3, 3, lambda n: superblock_1(n, 3, 5, 2, features=8)),
    "behind": array(3, 3, lambda n: superblock_1(n, 3, 5, 2, events=9 - 4 * (n == 2))),
    "journal": array(3, 4, lambda n: superblock_1(n, 3, 5, 2, features=512, role=[0, 1, 2, 0xFFFD, 0xFFFF])),
    "ppl": array(3, 3, lambda n: superblock_1(n, 3, 5, 2, features=1024)),
    "zones": array(3, 3, lambda n: superblock_1(n, 3, 0, 2, features=4096)),
}

os.chdir(os.path.dirname(os.path.abspath(__file__)))
write("lvm_text", TEXTS)
write("lvm_label", {name: label(TEXTS[name]) for name in ("plain", "mirror")})
write("dm_metadata", {"thin": b"\0" + restored("thin_restore", THIN), "cache": b"\1" + restored("cache_restore", CACHE)})
write("md_superblock", ARRAYS)
