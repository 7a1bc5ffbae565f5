#!/usr/bin/env bash
# ntfs-walk.sh [FILES [DIRECTORIES]] - how much of a disk a walk over a whole NTFS tree reads, beside the bytes of the MFT and
# the indexes. benches/README.md says what is measured. Needs root, FUSE, ntfs-3g, python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
files=${1:-200000} directories=${2:-1000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo test --release --locked -q -p fr-ntfs --no-run
for order in sequential scattered; do
    python3 tests/fixtures/ntfs/many.py "$work/image" "$files" "$directories" "$order"
    echo "-- $files files in $directories directories, $order"
    FR_WALK_IMAGE=$work/image cargo test --release --locked -q -p fr-ntfs -- --ignored --nocapture says_what_it_read 2>&1 |
        grep Walked
done
