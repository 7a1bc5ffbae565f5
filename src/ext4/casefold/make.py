#!/usr/bin/env python3
"""Makes unicode-12.1.txt, the table that src/ext4/casefold.rs folds names with, and computes what its tests must find.

    make.py table UCD      the table, from the Unicode Character Database in the directory UCD (Debian's package
                           unicode-data; any version from 12.1 on, as its DerivedAge.txt tells what is newer)
    make.py oracle         the SHA-256 of the tests, by another way: needs a Python whose unicodedata is of 12.1 (3.8)

The kernel makes its table with fs/unicode/mkutf8data.c: a code point is replaced by its full case folding or, where it has
none, by its canonical decomposition, and what that gives is replaced again until nothing changes. Code points that are
ignored by default are replaced by nothing. Hangul syllables are decomposed by a formula and are not in the table. A
code point that was not assigned in 12.1 stands for itself.
"""
import hashlib
import os
import sys
import unicodedata

VERSION = (12, 1)
HANGUL = range(0xAC00, 0xD7A4)


def properties(path):
    """The fields of each line of a file of the database, and its range of code points."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            fields = [field.strip() for field in line.split("#")[0].split(";")]
            if fields[0]:
                first, _, last = fields[0].partition("..")
                yield range(int(first, 16), int(last or first, 16) + 1), fields[1:]


def database(ucd):
    """Replacements and combining classes of the code points of 12.1, before they are applied to each other."""
    def path(name):
        return next(p for p in (os.path.join(ucd, name), os.path.join(ucd, "extracted", name)) if os.path.exists(p))
    age = {c: tuple(map(int, fields[0].split("."))) for part, fields in properties(path("DerivedAge.txt")) for c in part}
    def is_newer(c):
        return age.get(c, (0, 0)) > VERSION
    replaced, classes = {}, {}
    for part, fields in properties(path("UnicodeData.txt")):
        decomposition = fields[4].split()
        if decomposition and not decomposition[0].startswith("<"):
            replaced[part[0]] = [int(c, 16) for c in decomposition]
        if int(fields[2]):
            classes[part[0]] = int(fields[2])
    for part, fields in properties(path("CaseFolding.txt")):
        if fields[0] in ("C", "F"):
            replaced[part[0]] = [int(c, 16) for c in fields[1].split()]
    for part, fields in properties(path("DerivedCoreProperties.txt")):
        if fields[0] == "Default_Ignorable_Code_Point":
            replaced.update((c, []) for c in part)
    of_12_1 = lambda found: {c: value for c, value in found.items() if not is_newer(c)}
    return of_12_1(replaced), of_12_1(classes), sum(map(is_newer, {**replaced, **classes}))


def whole(replaced, c):
    """What c is replaced by in the end."""
    return [c] if c not in replaced else [last for part in replaced[c] for last in whole(replaced, part)]


def ranges(found):
    """Code points that follow each other and have the same value."""
    runs = []
    for c, value in sorted(found.items()):
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == value:
            runs[-1][1] = c
        else:
            runs.append([c, c, value])
    return runs


def table(ucd):
    replaced, classes, newer = database(ucd)
    folded = {c: tuple(whole(replaced, c)) for c in replaced}
    rules = dict(folded)
    rules.update((c, value) for c, value in classes.items() if c not in replaced)
    lines = []
    for first, last, value in ranges(rules):
        points = "%X" % first if first == last else "%X..%X" % (first, last)
        lines.append("%s %s" % (points, "@%d" % value if isinstance(value, int) else " ".join("%X" % c for c in value)))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "unicode-12.1.txt"), "w") as f:
        f.write("# Made by make.py from the Unicode Character Database, (c) Unicode, Inc., see LICENSE-UNICODE.\n"
                "# A code point or range, and what replaces each of them, or @ and their canonical combining class.\n")
        f.writelines(line.rstrip() + "\n" for line in lines)
    print("%d replaced, %d of a combining class, %d lines; left out as newer than 12.1: %d" %
          (len(folded), len(rules) - len(folded), len(lines), newer))


# Default_Ignorable_Code_Point by its definition in DerivedCoreProperties.txt of 12.1: format characters but for EXCEPTED, and these.
IGNORED = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10),
           *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)}
EXCEPTED = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x8E2, 0x110BD, 0x110CD, *range(0xFFF9, 0xFFFC), *range(0x13430, 0x13439)}
JOINER = "\u034f"


def replaced_by_python(c):
    """A character in the end; the grapheme joiner, which is ignored and stops reordering, stands for nothing."""
    if ord(c) in IGNORED or unicodedata.category(c) == "Cf" and ord(c) not in EXCEPTED:
        return JOINER
    parts = c.casefold()
    if parts == c:
        parts = unicodedata.normalize("NFD", c)
    return c if parts == c else "".join(map(replaced_by_python, parts))


def folded_by_python(name):
    return unicodedata.normalize("NFD", "".join(map(replaced_by_python, name))).replace(JOINER, "").encode()


def oracle():
    if unicodedata.unidata_version != "12.1.0":
        sys.exit("this Python has Unicode %s, not 12.1.0" % unicodedata.unidata_version)
    alone, ordered = hashlib.sha256(), hashlib.sha256()
    for c in range(1, 0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        alone.update(folded_by_python(chr(c)) + b"\xff")
        for before, after in (("x\u0301", ""), ("x", "\u0323\u0301"), ("\u05b0\u0345", "\u0334\u3099")):
            ordered.update(folded_by_python(before + chr(c) + after) + b"\xff")
    print("alone   %s\nordered %s" % (alone.hexdigest(), ordered.hexdigest()))


if __name__ == "__main__":
    commands = {"table": table, "oracle": oracle}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]](*sys.argv[2:])
    else:
        sys.exit(__doc__)
