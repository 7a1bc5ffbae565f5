#!/usr/bin/env bash
# stripe-and-parity.sh - one file read in sequence from one plain disk, from a stripe over four, from RAID 5 and from RAID 5
# with a disk missing, all served by the same target. benches/README.md says what is measured and why.
# Needs root, FUSE, and the Debian packages tgt, e2fsprogs, python3.
#
#   ROUNDS=5       how often each is measured, in turn
#   MEBIBYTES=512  how long the file is
#   FR_MOUNT=...   the program; by default it is built with --release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
rounds=${ROUNDS:-5} mebibytes=${MEBIBYTES:-512}
iqn=iqn.2024-01.test.invalid

if [ -z "${FR_MOUNT:-}" ]; then
    cargo build --release --locked
    FR_MOUNT=${CARGO_TARGET_DIR:-target}/release/fr-mount
fi
FR_MOUNT=$(readlink -f "$FR_MOUNT")

work=$(mktemp -d)
export FR_MOUNT_STATE_DIR=$work/state
pids=()
cleanup() {
    set +e
    "$FR_MOUNT" unmount --force "$work/mnt" >/dev/null 2>&1
    for tid in 1 2 3 4; do tgt --op delete --mode target --tid $tid --force >/dev/null 2>&1; done
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$work" "/var/run/tgtd/socket.$control" "/var/run/tgtd/socket.$control.lock"
}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
control=$((port & 32767))               # the number of tgtd's control socket; it has to fit 15 bits
tgt() { tgtadm -C "$control" --lld iscsi "$@"; }
trap cleanup EXIT

# A disk with one file that does not compress and has no holes.
mkdir "$work/tree" "$work/mnt"
head -c "${mebibytes}M" /dev/urandom > "$work/tree/large"
truncate -s $((mebibytes + 64))M "$work/plain.img"
mkfs.ext4 -q -F -L bench -d "$work/tree" "$work/plain.img"
expected=$(sha256sum < "$work/tree/large")
rm -r "$work/tree"

# The same bytes dealt to the members of md arrays, as mdadm would lay them out; no kernel with md is needed for it.
python3 - "$work" <<'END'
import struct
import sys
import uuid

MIB, DATA_OFFSET = 1 << 20, 1 << 20


def superblock(array, number, members, level, layout, chunk, used):
    """struct mdp_superblock_1, of version 1.2."""
    fields = struct.pack("<4I16s32sQIIQIII", 0xA92B4EFC, 1, 0, 0, array.bytes, b"bench", 0, level, layout, used // 512,
                         chunk // 512, members, 0)
    fields += struct.pack("<IQ4I", 0, 0, 0, 0, 0, 0)
    fields += struct.pack("<4QII16sBBHI", DATA_OFFSET // 512, used // 512, 8, 0, number, 0, uuid.uuid4().bytes, 0, 0, 0, 0)
    roles = struct.pack(f"<{members}H", *range(members))
    rest = struct.pack("<QQQ", 0, 1, (1 << 64) - 1), struct.pack("<I32x", members)
    raw = fields + rest[0] + bytes(4) + rest[1] + roles
    raw += bytes(-len(raw) % 4)
    total = sum(struct.unpack(f"<{len(raw) // 4}I", raw))
    checksum = (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF
    return fields + rest[0] + struct.pack("<I", checksum) + rest[1] + roles


def xor(chunks):
    total = 0
    for chunk in chunks:
        total ^= int.from_bytes(chunk, "little")
    return total.to_bytes(len(chunks[0]), "little")


def deal(name, level, layout, chunk, data):
    """Members 0 to 3, of which `data` hold data in each stripe; the parity is left-symmetric."""
    members, array = 4, uuid.uuid4()
    files = [open(f"{sys.argv[1]}/{name}-{number}.img", "wb") for number in range(members)]
    with open(f"{sys.argv[1]}/plain.img", "rb") as plain:
        for file in files:
            file.seek(DATA_OFFSET)
        stripe = 0
        while whole := plain.read(data * chunk):
            whole += bytes(data * chunk - len(whole))
            chunks = [whole[at:at + chunk] for at in range(0, len(whole), chunk)]
            first = 0
            if data < members:
                parity = members - 1 - stripe % members
                files[parity].write(xor(chunks))
                first = parity + 1
            for unit, bytes_ in enumerate(chunks):
                files[(first + unit) % members].write(bytes_)
            stripe += 1
    for number, file in enumerate(files):
        file.seek(4096)
        file.write(superblock(array, number, members, level, layout, chunk, stripe * chunk))
        file.close()


deal("stripe", 0, 0, MIB // 16, 4)
deal("raid5", 5, 2, MIB // 2, 3)
END

tgtd -f -C "$control" --iscsi "portal=127.0.0.1:$port" > "$work/tgtd.log" 2>&1 & pids+=($!)
for _ in $(seq 100); do tgt --op show --mode sys >/dev/null 2>&1 && break; sleep 0.1; done
tid=0
serve() { # NAME IMAGE...
    local name=$1 lun=0
    shift
    tid=$((tid + 1))
    tgt --op new --mode target --tid $tid -T "$iqn:$name"
    for image in "$@"; do
        lun=$((lun + 1))
        tgt --op new --mode logicalunit --tid $tid --lun $lun -b "$work/$image.img"
        tgt --op update --mode logicalunit --tid $tid --lun $lun --params readonly=1
    done
    tgt --op bind --mode target --tid $tid -I ALL
}
serve plain plain
serve stripe stripe-{0,1,2,3}
serve raid5 raid5-{0,1,2,3}
serve degraded raid5-{0,2,3}

with_mount() { # NAME COMMAND...: the command, over a fresh mount, so that nothing is cached in it
    "$FR_MOUNT" --read-only --proxy none --volume bench "iscsi://127.0.0.1:$port/$iqn:$1" "$work/mnt" >/dev/null 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    "${@:2}"
    "$FR_MOUNT" unmount "$work/mnt" >/dev/null
}
timed() { # prints MiB/s
    local from to
    from=$(date +%s%N)
    dd if="$work/mnt/large" of=/dev/null bs=1M status=none
    to=$(date +%s%N)
    echo $((mebibytes * 1000000000 / (to - from)))
}
check() { [ "$(sha256sum < "$work/mnt/large")" = "$expected" ] || { echo "the bytes are wrong" >&2; exit 1; }; }
median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'; }

# Fast is no use when it is wrong.
kinds="plain stripe raid5 degraded"
for kind in $kinds; do with_mount "$kind" check; done

printf '%8s %10s %10s %10s %10s   MiB/s\n' round $kinds
for round in $(seq "$rounds"); do
    row=()
    for kind in $kinds; do
        row+=("$(with_mount "$kind" timed)")
        echo "${row[-1]}" >> "$work/$kind"
    done
    printf '%8d %10d %10d %10d %10d\n' "$round" "${row[@]}"
done
row=()
for kind in $kinds; do row+=("$(median < "$work/$kind")"); done
printf '%8s %10d %10d %10d %10d\n' median "${row[@]}"
printf '%s\n' "${row[@]}" | awk '{ value[NR] = $1 } END { printf "ratio to the plain disk, of the medians: stripe %.2f, raid5 %.2f, degraded %.2f\n",
    value[2] / value[1], value[3] / value[1], value[4] / value[1] }'
