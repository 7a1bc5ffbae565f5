#!/usr/bin/env python3
"""type_passwords.py PASSWORD... -- PROGRAM ARGUMENT...

Runs a program at a terminal of its own, types a password for every prompt that ends with a colon, prints what the program
showed there, and ends as the program ended."""
import os
import pty
import sys

split = sys.argv.index("--")
passwords, command = sys.argv[1:split], sys.argv[split + 1:]
process, terminal = pty.fork()
if process == 0:
    os.execv(command[0], command)
shown = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # the program has closed its side
        break
    if not part:
        break
    shown += part
    if part.endswith(b": ") and passwords:
        os.write(terminal, passwords.pop(0).encode() + b"\n")
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
