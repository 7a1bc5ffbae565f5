#!/usr/bin/env bash
# sequential-read.sh - 1 GiB read in sequence through the mount, beside iscsi-perf, from the same target and tunnel.
# benches/README.md says what is measured and why. Needs root, FUSE, and the Debian packages tgt, stunnel4, libiscsi-bin,
# e2fsprogs, openssl.
#
#   ROUNDS=5       how often both are measured, in turn
#   SECONDS_EACH=4 how long iscsi-perf reads each time
#   FR_MOUNT=...   the program; by default it is built with --release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
rounds=${ROUNDS:-5} perf_seconds=${SECONDS_EACH:-4} mebibytes=1024
iqn=iqn.2024-01.test.invalid:bench

if [ -z "${FR_MOUNT:-}" ]; then
    cargo build --release --locked
    FR_MOUNT=${CARGO_TARGET_DIR:-target}/release/fr-mount
fi
FR_MOUNT=$(readlink -f "$FR_MOUNT")

work=$(mktemp -d)
pids=()
cleanup() {
    set +e
    FR_MOUNT_STATE_DIR=$work/state "$FR_MOUNT" unmount --force "$work/mnt" >/dev/null 2>&1
    tgtadm -C "$control" --lld iscsi --op delete --mode target --tid 1 --force >/dev/null 2>&1
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$work" "/var/run/tgtd/socket.$control" "/var/run/tgtd/socket.$control.lock"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
tgt_port=$(free_port) tls_port=$(free_port) plain_port=$(free_port)
control=$((tgt_port & 32767))           # the number of tgtd's control socket; it has to fit 15 bits
trap cleanup EXIT

# A disk with one file of 1 GiB that does not compress and has no holes.
mkdir "$work/tree" "$work/mnt"
head -c "${mebibytes}M" /dev/urandom > "$work/tree/large"
truncate -s $((mebibytes + 128))M "$work/disk.img"
mkfs.ext4 -q -F -L bench -d "$work/tree" "$work/disk.img"
expected=$(sha256sum < "$work/tree/large")
rm -r "$work/tree"

tgtd -f -C "$control" --iscsi "portal=127.0.0.1:$tgt_port" > "$work/tgtd.log" 2>&1 & pids+=($!)
tgt() { tgtadm -C "$control" --lld iscsi "$@"; }
for _ in $(seq 100); do tgt --op show --mode sys >/dev/null 2>&1 && break; sleep 0.1; done
tgt --op new --mode target --tid 1 -T "$iqn"
tgt --op new --mode logicalunit --tid 1 --lun 1 -b "$work/disk.img"
tgt --op update --mode logicalunit --tid 1 --lun 1 --params readonly=1
tgt --op bind --mode target --tid 1 -I ALL

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench.test.invalid \
    -addext subjectAltName=DNS:bench.test.invalid -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
pin=$(openssl x509 -in "$work/cert.pem" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)
cat > "$work/server.conf" <<END
foreground = yes
pid =
syslog = no
[target]
accept = 127.0.0.1:$tls_port
connect = 127.0.0.1:$tgt_port
cert = $work/cert.pem
key = $work/key.pem
END
cat > "$work/client.conf" <<END
foreground = yes
pid =
syslog = no
client = yes
[target]
accept = 127.0.0.1:$plain_port
connect = 127.0.0.1:$tls_port
END
for end in server client; do stunnel "$work/$end.conf" > "$work/$end.log" 2>&1 & pids+=($!); done

# Reads with iscsi-perf, through stunnel on both ends; prints MiB/s.
perf() {
    iscsi-perf -i "$iqn-reader" -m 32 -b 512 -t "$perf_seconds" "iscsi://127.0.0.1:$plain_port/$iqn/1" |
        tr '\r' '\n' | sed -n 's/^iops average [0-9]* (\([0-9]*\) MB\/s).*/\1/p' | tail -n 1
}

# Reads the file through a fresh mount, so that nothing is cached in it; prints MiB/s.
mounted() {
    FR_MOUNT_STATE_DIR=$work/state "$FR_MOUNT" --read-only --pin "sha256:$pin" --server-name bench.test.invalid --proxy none \
        --volume bench "iscsis://127.0.0.1:$tls_port/$iqn" "$work/mnt" >/dev/null
    local from to
    from=$(date +%s%N)
    dd if="$work/mnt/large" of=/dev/null bs=1M status=none
    to=$(date +%s%N)
    FR_MOUNT_STATE_DIR=$work/state "$FR_MOUNT" unmount "$work/mnt" >/dev/null
    echo $((mebibytes * 1000000000 / (to - from)))
}

median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'; }

for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$plain_port") 2>/dev/null && (exec 3<>"/dev/tcp/127.0.0.1/$tls_port") 2>/dev/null && break
    sleep 0.1
done

# Fast is no use when it is wrong.
FR_MOUNT_STATE_DIR=$work/state "$FR_MOUNT" --read-only --pin "sha256:$pin" --server-name bench.test.invalid --proxy none \
    --volume bench "iscsis://127.0.0.1:$tls_port/$iqn" "$work/mnt" >/dev/null
[ "$(sha256sum < "$work/mnt/large")" = "$expected" ] || { echo "the bytes are wrong" >&2; exit 1; }
FR_MOUNT_STATE_DIR=$work/state "$FR_MOUNT" unmount "$work/mnt" >/dev/null

printf '%8s %16s %16s\n' round "iscsi-perf MiB/s" "fr-mount MiB/s"
for round in $(seq "$rounds"); do
    ours=$(mounted) theirs=$(perf)
    echo "$ours" >> "$work/ours"
    echo "$theirs" >> "$work/theirs"
    printf '%8d %16d %16d\n' "$round" "$theirs" "$ours"
done
ours=$(median < "$work/ours") theirs=$(median < "$work/theirs")
awk -v ours="$ours" -v theirs="$theirs" \
    'BEGIN { printf "%8s %16d %16d\nratio %.2f (fr-mount / iscsi-perf, of the medians)\n", "median", theirs, ours, ours / theirs }'
