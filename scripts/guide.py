#!/usr/bin/env python3
"""Runs a guide: every command block of a Markdown file, in an empty folder, and compares what it prints.

    scripts/guide.py docs/admin-guide.md PORTCULLIS [--update]

A block of kind `console` holds commands, each after `$ `, and what they print, standard error included; `[1]` on a line of
its own is an exit code other than 0. An ellipsis in what is expected stands for any text within a line. All blocks share
one folder, and a `cd` holds for those that follow. With --update the file is rewritten with what was printed; what differs
from run to run (digests, keys, times) becomes an ellipsis.

PORTCULLIS is the program; the folder `.portcullis` of the current directory, where `make test` keeps the ONNX Runtime
library, is linked into the empty folder.
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = [
    (re.compile(r"\b[0-9a-f]{12}\b"), "…"),
    (re.compile(r"\bkey-[0-9a-f]{8}\b"), "key-…"),
    (re.compile(r"\bpc_[A-Za-z0-9_-]{43}\b"), "pc_…"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "…"),
]


def run(command, here, environment):
    """What a command prints, its exit code, and the folder it ends in."""
    state = here[1] / "cwd"
    script = f"cd {here[0]!s}\n{command}\ncode=$?\npwd > {state!s}\nexit $code"
    done = subprocess.run(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False
    )
    said = done.stdout.decode().splitlines()
    if done.returncode:
        said.append(f"[{done.returncode}]")
    return said, pathlib.Path(state.read_text().strip()) if state.exists() else here[0]


def matches(expected, said):
    if "…" not in expected:
        return expected.rstrip() == said.rstrip()
    pattern = ".*".join(re.escape(part) for part in expected.rstrip().split("…"))
    return re.fullmatch(pattern, said.rstrip()) is not None


def masked(line):
    for pattern, instead in VARYING:
        line = pattern.sub(instead, line)
    return line.rstrip()


def steps(block):
    """Pairs of a command and the lines expected of it."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def main(guide, program, update):
    text = guide.read_text()
    failures = count = 0
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as aside:
        scratch, aside = pathlib.Path(scratch), pathlib.Path(aside)
        (aside / "bin").mkdir()
        (aside / "bin/portcullis").symlink_to(program.resolve())
        library = pathlib.Path(".portcullis").resolve()
        if library.exists():
            (scratch / ".portcullis").symlink_to(library)
        environment = {
            "PATH": f"{aside / 'bin'}:{os.environ['PATH']}",
            "HOME": str(aside),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }
        here = scratch

        def replay(match):
            nonlocal here, failures, count
            out = []
            for command, expected in steps(match.group(1)):
                count += 1
                said, here = run(command, (here, aside), environment)
                out += [f"$ {command}", *map(masked, said)]
                same = len(expected) == len(said) and all(map(matches, expected, said))
                if not same and not update:
                    failures += 1
                    print(f"$ {command}")
                    print("\n".join(difflib.unified_diff(expected, said, "guide", "printed", lineterm="")))
            return "```console\n" + "\n".join(out) + "\n```"

        new = BLOCK.sub(replay, text)
    if update:
        guide.write_text(new)
    print(f"{count} commands of {guide}, {failures} printed something else")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--update"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(arguments[0]), pathlib.Path(arguments[1]), "--update" in sys.argv))
