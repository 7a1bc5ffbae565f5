#!/bin/sh
# Mounts recovery point @POINT@ of @VM@ with fr-mount, read-only.
# It works until @UNTIL@, or until somebody presses "Unmount disks".
# The password is not in this file: fr-mount asks for it.
#
#     sh @FILE@ [DIRECTORY [OPTIONS OF fr-mount...]]
#
# The files appear below DIRECTORY; without it, below ./@DIRECTORY@.
set -eu
umask 077

if ! command -v fr-mount >/dev/null; then
    echo "fr-mount is not installed on this machine. Install it and run this script again." >&2
    exit 127
fi

directory=${1:-./@DIRECTORY@}
[ $# -eq 0 ] || shift
made=
if [ ! -d "$directory" ]; then
    mkdir -- "$directory"
    made=yes
fi

# The bundle is in a directory that only this user can enter, and goes when fr-mount has read it.
private=${XDG_RUNTIME_DIR:-}
{ [ -d "$private" ] && [ -w "$private" ]; } || private=${TMPDIR:-/tmp}
private=$(mktemp -d "$private/fr-mount-bundle.XXXXXXXXXX")
trap 'rm -rf -- "$private"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cat >"$private/@BUNDLE_FILE@" <<'@END@'
@BUNDLE@
@END@

code=0
fr-mount --read-only "$@" "$private/@BUNDLE_FILE@" "$directory" || code=$?
if [ "$code" -ne 0 ] && [ -n "$made" ]; then
    rmdir -- "$directory" 2>/dev/null || true
fi
exit "$code"
