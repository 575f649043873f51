"""check_grammar.py -- the grammar of a page reads what the parser reads.

    check_grammar.py ir/TEXT.md tests/golden

Takes the blocks `ebnf` and `tokens` of the page, and tries them on every graph of the
golden tests: what must parse is read by the grammar, what must fail as no text IR
(GF0101) is not.  A grammar with a rule left out is shown to fail.
Exit: 0 fine, 1 not.
"""

import glob
import os
import re
import sys

# Errors of the parser that no grammar tells: the page has them in words.
IN_WORDS = r"found the string \"1\"|expected a string in quotes|places are given"

LEXER = ["COMMENT", "NEWLINE", "STRING", "VALUE", "AT", "WORD", "DIGITS", "MARK"]


def block(page, name):
    return re.search(r"^```" + name + r"\n(.*?)^```", page, re.M | re.S).group(1)


class Grammar:
    """EBNF over tokens, by recursive descent with a memory of what was tried."""

    def __init__(self, page):
        self.tokens = dict(line.split(None, 1) for line in block(page, "tokens").splitlines())
        self.rules = {}
        for name, body in re.findall(r"^(\w+)\s*=\s(.*?)\s;$", block(page, "ebnf"), re.M | re.S):
            self.words = re.findall(r'"[^"]*"|\w+|[][(){}|]', body)
            self.rules[name] = self.read_choice()
            assert not self.words, f"{name}: {self.words} is left"

    def read_choice(self):
        choices = [self.read_sequence()]
        while self.words[:1] == ["|"]:
            self.words.pop(0)
            choices.append(self.read_sequence())
        return ("choice", choices)

    def read_sequence(self):
        items = []
        while self.words and self.words[0] not in (")", "]", "}", "|"):
            word = self.words.pop(0)
            if word in ("(", "[", "{"):
                inner = self.read_choice()
                assert self.words.pop(0) == {"(": ")", "[": "]", "{": "}"}[word]
                items.append(({"(": "group", "[": "maybe", "{": "many"}[word], inner))
            else:
                items.append(("word", word))
        return items

    def split(self, text):
        """The tokens of a text, or None when something is none."""
        patterns = dict(self.tokens, DIGITS=r"[0-9](?:[eE][+-]|[A-Za-z0-9_.])*", MARK=r"[(){}\[\],:=<+#-]")
        lexer = re.compile(r"[ \t\r]*(?:" + "|".join(f"(?P<{k}>{patterns[k]})" for k in LEXER) + ")")
        found, at = [], 0
        while text[at:].strip(" \t\r"):
            match = lexer.match(text, at)
            if not match:
                return None
            found.append(match.group(match.lastgroup))
            at = match.end()
        return found

    def read(self, item, at):
        """Where the item ends that begins at token `at`, or None."""
        kind, what = item
        if kind == "choice":
            for sequence in what:
                end = at
                for part in sequence:
                    end = self.read(part, end)
                    if end is None:
                        break
                else:
                    return end
            return None
        if kind == "group":
            return self.read(what, at)
        if kind == "maybe":
            end = self.read(what, at)
            return at if end is None else end
        if kind == "many":
            end = self.read(what, at)
            while end is not None and end > at:
                at, end = end, self.read(what, end)
            return at
        if what in self.rules:
            return self.read(self.rules[what], at)
        if what == "END":
            return at if at == len(self.input) else None
        if at == len(self.input):
            return None
        fits = self.input[at] == what[1:-1] if what[0] == '"' else re.fullmatch(self.tokens[what], self.input[at])
        return at + 1 if fits else None

    def reads(self, text):
        self.input = self.split(text)
        return self.input is not None and self.read(("word", "text"), 0) is not None


def graphs(folder):
    """(file, text, error code or None) of all graphs of the golden tests."""
    for path in sorted(glob.glob(os.path.join(folder, "*", "*.gir"))):
        with open(path, encoding="utf-8", newline="") as file:
            cases = re.split(r"^// -----.*\n", file.read(), flags=re.M)
        for case in cases:
            error = re.search(r"// error(?: at \d+)?: (GF\d+)", case)
            for text in re.split(r"^// expect:.*\n", case, flags=re.M):
                yield path, text, error.group(1) if error else None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        page = file.read()
    grammar = Grammar(page)
    passed = failed = 0
    for path, text, error in graphs(sys.argv[2]):
        if error not in (None, "GF0101", "GF0301") or re.search(IN_WORDS, text):
            continue  # the words are right, their meaning is not
        good = grammar.reads(text) != (error == "GF0101")
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"{path}: the grammar {'reads' if error == 'GF0101' else 'does not read'}\n{text}")
    for name in grammar.rules:  # every rule is needed by some graph
        lame = Grammar(page)
        lame.rules[name] = ("choice", [[("word", '"?"')]])
        good = any(not lame.reads(text) for _, text, error in graphs(sys.argv[2]) if error in (None, "GF0301"))
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"no graph of the golden tests needs the rule '{name}'")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed > 100 and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
