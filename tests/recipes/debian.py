"""Debian packages of other suites than this machine's, unpacked in a folder; nothing is installed or configured."""
import glob
import os
import re
import subprocess
import tempfile

SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]


def source_list(suites):
    """The machine's own Debian sources, of other suites."""
    for path in SOURCES:
        if os.path.exists(path):
            stanza = open(path).read().split("\n\n")[0]
            if path.endswith(".sources"):
                return "fr.sources", re.sub(r"(?m)^Suites:.*", "Suites: " + suites, stanza) + "\n"
            first = next(line for line in stanza.splitlines() if line.startswith("deb "))
            words = first.split()
            at = 2 if words[1].startswith("[") else 1
            source = " ".join(words[:at + 1])
            return "fr.list", "".join("%s %s main\n" % (source, suite) for suite in suites.split())
    raise RuntimeError("there are no Debian package sources on this machine")


def unpacked(scratch, what, suites, packages, pattern=None):
    """Fetches packages, or those that the first one depends on by a name like pattern; unpacks them in SCRATCH/what."""
    apt = os.path.join(scratch, "apt")
    parts, state = os.path.join(apt, what), os.path.join(apt, what + "-lists")
    for path in (parts, os.path.join(state, "partial"), os.path.join(apt, "archives", "partial")):
        os.makedirs(path, exist_ok=True)
    name, text = source_list(suites)
    with open(os.path.join(parts, name), "w") as f:
        f.write(text)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=" + parts,
               "-o", "Dir::State::lists=" + state, "-o", "Dir::Cache=" + apt, "-o", "APT::Sandbox::User=root"]
    subprocess.run(["apt-get", *options, "update", "-q"], check=True, stdout=subprocess.DEVNULL)
    if pattern:
        asked = ["apt-cache", *options, "depends", "--recurse", "--no-recommends", "--no-suggests", *packages]
        found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        packages = sorted(set(re.findall(pattern, found)))
    with tempfile.TemporaryDirectory() as at:
        fetch = ["apt-get", *options, "download", "-q", *packages]
        subprocess.run(fetch, check=True, stdout=subprocess.DEVNULL, cwd=at)
        for package in glob.glob(os.path.join(at, "*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, os.path.join(scratch, what)], check=True)
    return packages
