#!/bin/bash
# Process 1 of the guests that uml.py and qemu.py start: makes the few writable places a job needs, runs the job, powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
# Where a kernel has no devtmpfs, nodes are made from /sys.
mount -t devtmpfs devtmpfs /dev || { mount -t tmpfs -o mode=755 tmpfs /dev && busybox mdev -s; }
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/out /mnt/f
# A folder of the machine outside, writable: under user-mode Linux the one that the kernel's command line names.
if [ -n "$UML_OUT" ]; then mount -t hostfs -o "$UML_OUT" none /mnt/out
else mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /mnt/out; fi
exec > /mnt/out/log 2>&1
# A subshell, so that an `exit` or a fault in the job still gets us to the power-off below.
( cd / && . /mnt/out/job )
echo $? > /mnt/out/code
sync -f /mnt/out/code
echo o > /proc/sysrq-trigger
exec sleep 1000
