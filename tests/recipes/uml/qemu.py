"""Runs a job inside a kernel of a Debian package that is unpacked somewhere, in qemu without KVM; else as uml.py.

For kernels newer than this machine's. Starts in half a minute. Needs: apt-get install qemu-system-x86 busybox-static cpio
xz-utils kmod, and a folder with usr/lib/modules/VERSION/vmlinuz and the modules beside it (see KERNEL).
"""
import glob
import os
import shutil
import subprocess
import tempfile

import uml

# What the root and the disks need, and what jobs use.
MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "xfs")
INIT = """#!/bin/sh
/bin/busybox mount -t proc proc /proc
for module in /m/*.ko; do /bin/busybox insmod $module; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose root /root
/bin/busybox umount /proc
exec /bin/busybox switch_root /root %s
"""


class Guest(uml.Guest):
    DISK = "/dev/vd"
    # The folder with the unpacked kernel.
    KERNEL = None

    def command(self):
        disks = [word for disk in self.disks
                 for word in ("-drive", "file=%s,format=raw,if=virtio,cache=writeback" % os.path.abspath(disk))]
        modules, = glob.glob(os.path.join(self.KERNEL, "usr/lib/modules/*"))
        initrd = self.path("initrd")
        make_initrd(modules, initrd)
        # One thread for both processors: with more, a guest that changes its own code while another processor runs it
        # sometimes dies as it starts.
        return ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", "1G", "-nodefaults",
                "-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none",
                "-kernel", os.path.join(modules, "vmlinuz"), "-initrd", initrd,
                "-append", "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off",
                "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
                "-virtfs", "local,path=%s,mount_tag=out,security_model=none" % self.out, *disks]

    def threads(self):
        return [self.process.pid]


def make_initrd(modules, path):
    """An initramfs with what it takes to come to this machine's files, and no more."""
    base, version = modules.split("/lib/modules/")
    found = []
    for module in MODULES:
        # Fails for what is built in.
        shown = subprocess.run(["modprobe", "-d", base, "-S", version, "--show-depends", module],
                               check=False, capture_output=True, text=True).stdout
        found += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
    with tempfile.TemporaryDirectory() as at:
        for name in ("bin", "m", "proc", "root", "sys"):
            os.mkdir(os.path.join(at, name))
        shutil.copy("/bin/busybox", os.path.join(at, "bin"))
        os.symlink("busybox", os.path.join(at, "bin", "sh"))
        for i, module in enumerate(dict.fromkeys(found)):
            copy = os.path.join(at, "m", "%02d-%s" % (i, os.path.basename(module)))
            shutil.copy(module, copy)
            if copy.endswith(".xz"):
                subprocess.run(["xz", "-d", copy], check=True)
        with open(os.path.join(at, "init"), "w") as f:
            f.write(INIT % os.path.join(uml.HERE, "init.sh"))
        os.chmod(os.path.join(at, "init"), 0o755)
        names = subprocess.run(["find", "."], check=True, capture_output=True, cwd=at).stdout
        with open(path, "wb") as f:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names, stdout=f, check=True, cwd=at)
