"""run_page.py -- does what a page says, from an empty folder, and compares what comes out.

    run_page.py PAGE.md PREFIX [--in SOURCE_DIR] [--no-commands]

A fenced block whose info string has a second word is a file of that name:

    ```c make_relu.c

A block `diff` is a patch, whose line numbers may be off. A block `console` is a session: lines that begin with "$ " are commands of a POSIX
shell ("\\" at the end continues), the lines behind one are all that it prints to
both streams.  "..." stands for anything, alone on a line for any number of lines.
A command without a line behind it must print nothing and succeed.

With --in the folder is not empty but a copy of what git knows of SOURCE_DIR; with
--no-commands files are written and patches applied, and that is all.

PREFIX holds an installed graft: PREFIX/bin is in PATH, and $PREFIX is set.
Exit: 0 all as the page says, 1 not.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile


def blocks(page):
    """(first line, info string, text) of the fenced blocks."""
    text, info, begin = [], None, 0
    for number, line in enumerate(open(page, encoding="utf-8"), 1):
        if info is None and line.startswith("```"):
            text, info, begin = [], line[3:].split(), number
        elif info is not None and line.startswith("```"):
            yield begin, info, "".join(text)
            info = None
        elif info is not None:
            text.append(line)


def commands(text):
    """(command, expected output) of a session."""
    session = []
    for line in text.splitlines():
        if line.startswith("$ "):
            session.append([line[2:], []])
        elif session and not session[-1][1] and session[-1][0].endswith("\\"):
            session[-1][0] += "\n" + line
        elif session:
            session[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in session]


def fits(expected, output):
    """Whether the output is the expected one, with "..." for anything."""
    pattern = ""
    for line in expected.split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, output + ("" if output.endswith("\n") else "\n")) is not None


class Tally:
    passed = failed = 0

    def count(self, good, message):
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        if not good:
            print(message)


def apply(patch, folder):
    """(whether it applies, what patch says)"""
    done = subprocess.run(["patch", "-p1", "-F0", "--no-backup-if-mismatch"], cwd=folder, input=patch, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0, done.stdout


def run_command(command, expected, folder, environment):
    """(whether it does what the page says, its exit code, its output)"""
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    good = fits(expected, done.stdout) if expected else done.returncode == 0 and not done.stdout
    crashed = done.returncode < 0 or done.returncode > 125  # never what a page shows
    return good and not crashed, done.returncode, done.stdout


def run(options, folder):
    page, prefix, tally = os.path.abspath(options.page), os.path.abspath(options.prefix), Tally()
    environment = dict(os.environ, PREFIX=prefix, PATH=os.path.join(prefix, "bin") + ":" + os.environ["PATH"])
    for line, info, text in blocks(page):
        if len(info) == 2:
            path = os.path.join(folder, info[1])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        if info == ["diff"]:
            good, said = apply(text, folder)
            tally.count(good, f"{page}:{line}: the patch does not apply\n{said}")
        for command, expected in commands(text) if info == ["console"] and options.commands else []:
            good, code, output = run_command(command, expected, folder, environment)
            tally.count(good, f"{page}:{line}: $ {command}\n--- the page\n{expected}\n--- exit code {code}\n{output}---")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 0 if tally.passed and not tally.failed else 1


def copy_source(source, folder):
    """What git knows of; of a tree without git all but builds."""
    listed = subprocess.run(["git", "-C", source, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    if listed.returncode:
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("build*", "results"))
    for name in listed.stdout.splitlines():
        if os.path.isfile(os.path.join(source, name)):
            os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
            shutil.copy(os.path.join(source, name), os.path.join(folder, name))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page")
    parser.add_argument("prefix")
    parser.add_argument("--in", dest="source")
    parser.add_argument("--no-commands", dest="commands", action="store_false")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.source:
            copy_source(options.source, folder)
        return run(options, folder)


if __name__ == "__main__":
    sys.exit(main())
