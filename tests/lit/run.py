"""run.py -- the lit tests, with LLVM's lit and FileCheck wherever Debian has put them.

    run.py GRAFT OUT_DIR [lit's own options]

The last line is "N passed, N failed".  Exit: 0 all passed, 1 not, 77 there is no lit
or no FileCheck.
"""

import glob
import json
import os
import shutil
import subprocess
import sys


def find_lit():
    """The command of lit: of PATH, or of Debian's llvm-N-tools."""
    if shutil.which("lit"):
        return ["lit"]
    found = sorted(glob.glob("/usr/lib/llvm-*/build/utils/lit/lit.py"))
    return [sys.executable, found[-1]] if found else None


def find_tools():
    """The folder with FileCheck and not."""
    inside = sorted(glob.glob("/usr/lib/llvm-*/bin/FileCheck"))
    path = shutil.which("FileCheck") or (inside[-1] if inside else None)
    return os.path.dirname(path) if path else None


def main():
    lit, tools = find_lit(), find_tools()
    if not lit or not tools:
        print("skipped: no lit or no FileCheck; Debian's llvm-19-tools has both")
        return 77
    out = os.path.abspath(sys.argv[2])
    os.makedirs(out, exist_ok=True)
    result = os.path.join(out, "results.json")
    if os.path.exists(result):
        os.remove(result)
    subprocess.run(lit + ["-v", "-j2", "-o", result, "--param", "graft=" + os.path.abspath(sys.argv[1]), "--param",
                          "out=" + out, "--param", "tools=" + tools] + sys.argv[3:] +
                   [os.path.dirname(os.path.abspath(__file__))], check=False)
    if not os.path.exists(result):
        print("0 passed, 1 failed")
        return 1
    with open(result, encoding="utf-8") as file:
        codes = [test["code"] for test in json.load(file)["tests"]]
    passed = codes.count("PASS")
    print(f"{passed} passed, {len(codes) - passed} failed")
    return 0 if passed and passed == len(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
