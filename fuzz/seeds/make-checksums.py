#!/usr/bin/env python3
"""Makes the images of the fuzz target `ext4_repaired`: 1 KiB blocks, inodes of 256 bytes, metadata checksums, small.

    ext4-checksums   clean: indexes, extents of depth 1, attributes in inodes, blocks and inodes of their own, inline data
    ext4-dirty       a journal with revokes and escaped blocks that has to be replayed
    ext4-fast        the same with fast commits

Needs root, e2fsprogs, acl, attr and zstd.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/fixtures/ext4"))
import dirty
import make

IMAGES = {
    "ext4-checksums": ("2M", ["-O", "^has_journal,inline_data,ea_inode"]),
    "ext4-dirty": ("4M", ["-J", "size=1"]),
    "ext4-fast": ("8M", ["-O", "fast_commit", "-J", "size=2"]),
}
MKE2FS = ["-t", "ext4", "-b", "1024", "-I", "256", "-N", "256", "-m", "0"]


def populate(root):
    at = lambda *parts: os.path.join(root, *parts)
    os.mkdir(at("many"))
    for i in range(90):
        dirty.write(at("many", "file-%d-with-a-rather-long-name" % i), b"%d" % i * (i % 5))
    with open(at("fragmented"), "wb") as f:
        for i in range(0, 40, 2):
            f.seek(i * 1024)
            f.write(b"block %d" % i)
            f.flush()
            os.fsync(f.fileno())
    os.symlink("many", at("short"))
    os.symlink("x" * 200, at("long"))
    os.mknod(at("null"), 0o20600, os.makedev(1, 3))
    dirty.write(at("attributes"), b"data")
    os.setxattr(at("attributes"), "user.colour", b"blue")
    for name, size in (("user.large", 300), ("user.own", 900)):
        try:
            os.setxattr(at("attributes"), name, b"y" * size)
        except OSError:
            pass
    subprocess.run(["setfacl", "-m", "u:1001:r", at("attributes")], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:1001:rx", at("many")], check=True)
    dirty.write(at("small"), b"so small that it can be in the inode")


def change(root, fast):
    at = lambda *parts: os.path.join(root, *parts)
    if not fast:
        os.mkdir(at("gone"))
        for i in range(20):
            dirty.write(at("gone", "%s-%d" % ("n" * 60, i)), b"")
        dirty.fsync(at("gone"))
        subprocess.run(["rm", "-r", at("gone")], check=True)
        dirty.fsync(root)
    for i in range(12):
        dirty.write(at("new-%d" % i), dirty.data(i * 3, 1 + i * 700))
        dirty.fsync(at("new-%d" % i))
    os.rename(at("new-3"), at("renamed"))
    os.unlink(at("new-5"))
    os.truncate(at("new-7"), 100)
    dirty.write(at("small"), make_escaped())
    dirty.fsync(at("small"))
    dirty.fsync(at("renamed"))
    dirty.fsync(at("new-7"))


def make_escaped():
    return dirty.MAGIC + b"a block that begins as one of the log does" * 30


def image(name, path):
    size, arguments = IMAGES[name]
    with open(path, "wb") as f:
        f.truncate(int(size[:-1]) << 20)
    subprocess.run(["mke2fs", "-q", "-F", *MKE2FS, *arguments, path], check=True)
    with make.mounted(path, "rw") as at:
        populate(at)
    if name == "ext4-checksums":
        return
    with make.mounted(path, "data=journal" if name == "ext4-dirty" else "rw") as at:
        change(at, name == "ext4-fast")
        if name == "ext4-dirty":
            dirty.stop(at)
        subprocess.run(["cp", "--sparse=always", path, path + ".cut"], check=True)
    os.replace(path + ".cut", path)


def main():
    for name in IMAGES:
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, name)
            image(name, path)
            subprocess.run(["zstd", "-q", "-19", "-f", path, "-o", os.path.join(HERE, name + ".img.zst")], check=True)


if __name__ == "__main__":
    main()
