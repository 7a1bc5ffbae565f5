"""Runs a job inside a real Linux 6.1, Debian's user-mode-linux, without KVM and without a disk for its root.

That kernel has what an ordinary one may lack: XFS version 4, realtime devices, quotas. Its root is this machine's own
file system, read-only, so that every tool and script that is here is there under the same name. It starts in 2 to 3
seconds. A power cut is a SIGKILL: its disks are ordinary files, so what it had written is there and nothing more.

Needs: apt-get install user-mode-linux busybox, and what the job uses.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_SECONDS = 300


class Guest:
    """A kernel at work. `disks` are files, in the guest DISK with a, b and so on after it; `job` is lines of shell, which
    see a folder of this machine, `out`, as /mnt/out."""

    DISK = "/dev/ubd"

    def __init__(self, disks, job):
        self.out = tempfile.mkdtemp(dir="/dev/shm")
        self.disks = disks
        with open(self.path("job"), "w") as f:
            f.write(job + "\n")
        with open(self.path("console"), "wb") as console:
            # A session of its own: the kernel may be several processes, which have to end together.
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=console,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            env={**os.environ, "TMPDIR": "/dev/shm"})

    def command(self):
        disks = ["ubd%d=%s" % (i, os.path.abspath(disk)) for i, disk in enumerate(self.disks)]
        return ["linux.uml", "umid=guest", "uml_dir=" + self.out + "/", "mem=384M", *disks,
                "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=4", "panic=-1",
                "con=null", "con0=null,fd:1", "con1=null", "ssl=null",
                "init=" + os.path.join(HERE, "init.sh"), "UML_OUT=" + self.out]

    def path(self, name):
        return os.path.join(self.out, name)

    def wait_for(self, name, seconds=LIMIT_SECONDS):
        """Until the job has made that file."""
        end = time.monotonic() + seconds
        while not os.path.exists(self.path(name)):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the guest did not get to %r: %s" % (name, self.log() or self.log("console")))
            time.sleep(0.01)

    def wait(self, seconds=LIMIT_SECONDS):
        """Until the job has ended well; returns what it printed."""
        self.process.wait(seconds)
        try:
            with open(self.path("code")) as f:
                code = int(f.read())
        except (OSError, ValueError):
            code = "unknown"
        if code != 0:
            raise RuntimeError("job ended with %s: %s" % (code, self.log() or self.log("console")))
        return self.log()

    def log(self, name="log"):
        """What the job printed, or the kernel to its console."""
        if not os.path.exists(self.path(name)):
            return ""
        with open(self.path(name), errors="replace") as f:
            return f.read()

    def threads(self):
        """The kernel itself and its helpers that write to disks, which share its memory; not the guest's processes."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/status" % pid) as f:
                    fields = dict(line.split(":\t", 1) for line in f if ":\t" in line)
                if os.getsid(int(pid)) == self.process.pid:
                    found[int(pid)] = fields.get("VmSize")
            except OSError:
                continue
        return [pid for pid in found if found[pid] == found[self.process.pid]]

    def snapshot(self, into):
        """Copies the disks as a power cut at this moment would leave them: nobody writes meanwhile."""
        stopped = self.threads()
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            for pid in stopped:
                wait_until_stopped(pid)
            for disk, copy in zip(self.disks, into):
                subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def cut_power(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.cut_power()
        shutil.rmtree(self.out, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_until_stopped(pid):
    """With all its threads."""
    for _ in range(5000):
        states = set()
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, thread)) as f:
                states.add(f.read().rsplit(")", 1)[1].split()[0])
        if states == {"T"}:
            return
        time.sleep(0.001)
    raise RuntimeError("process %d does not stop" % pid)
