"""run_page.py -- does what a page says, from an empty folder, and compares what comes out.

    run_page.py PAGE.md PREFIX

A fenced block whose info string has a second word is a file of that name:

    ```c make_relu.c

A block `console` is a session: lines that begin with "$ " are commands of a POSIX
shell ("\\" at the end continues), the lines behind one are all that it prints to
both streams.  "..." stands for anything, alone on a line for any number of lines.
A command without a line behind it must print nothing and succeed.

PREFIX holds an installed graft: PREFIX/bin is in PATH, and $PREFIX is set.
Exit: 0 all as the page says, 1 not.
"""

import os
import re
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


def run(page, prefix, folder):
    environment = dict(os.environ, PREFIX=prefix, PATH=os.path.join(prefix, "bin") + ":" + os.environ["PATH"])
    passed = failed = 0
    for line, info, text in blocks(page):
        if len(info) == 2:
            path = os.path.join(folder, info[1])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        for command, expected in commands(text) if info == ["console"] else []:
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            good = fits(expected, done.stdout) if expected else done.returncode == 0 and not done.stdout
            if done.returncode < 0 or done.returncode > 125:  # a crash is never what a page shows
                good = False
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"{page}:{line}: $ {command}\n--- the page\n{expected}\n--- exit code {done.returncode}\n"
                      f"{done.stdout}---")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        sys.exit(run(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), empty))
