"""A directory of very many names."""
import os

# A file has this many of them: ext4 counts no more than 65,000.
NAMES_OF_A_FILE = 50000


def many(root, entries):
    """Makes the directory `large`; prints every thousandth name and its inode. Names are links to a few files, which are
    quicker to make than files."""
    directory = os.path.join(root, "large")
    os.mkdir(directory)
    at = os.open(directory, os.O_RDONLY)
    try:
        for i in range(entries):
            name = "entry-%07d" % i
            if i % NAMES_OF_A_FILE == 0:
                target = name
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at))
            else:
                os.link(target, name, src_dir_fd=at, dst_dir_fd=at)
            if i % 1000 == 0:
                print("%s\t%d" % (name, os.stat(name, dir_fd=at).st_ino))
    finally:
        os.close(at)
