"""A template's text, cut into the tokens of Go's text/template/parse/lex.go."""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.llm.unrenderable import Unrenderable

LEFT, RIGHT = "{{", "}}"
SPACES = " \t\r\n"
END = "end of the template"
KEYWORDS = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"},
)
_DIGITS = {"x": "0123456789abcdefABCDEF_", "o": "01234567_", "b": "01_", "": "0123456789_"}
_CLOSED_BY = {'"': "string", "'": "character", "`": "raw string"}
_SINGLE = {"=": "=", "|": "|", "(": "(", ")": ")"}


class Token(NamedTuple):
    """A token; its kind is a keyword, a delimiter or what a literal is."""

    kind: str
    text: str


def tokens(template: str) -> list[Token]:
    """Return the tokens, an end after them. Comments are left out. Raises Unrenderable."""
    return _Lexer(template).run()


class _Lexer:
    """Where the reading stands, and what was found."""

    def __init__(self, template: str) -> None:
        self._input = template
        self._at = 0
        self._found: list[Token] = []
        self._parens = 0

    def run(self) -> list[Token]:
        while (left := self._input.find(LEFT, self._at)) >= 0:
            text = self._input[self._at : left]
            self._at = left + len(LEFT)
            trims = self._input[self._at : self._at + 1] == "-" and self._is_space(self._at + 1)
            self._take("text", text.rstrip(SPACES) if trims else text)
            self._at += 2 if trims else 0
            if self._input.startswith("/*", self._at):
                self._comment()
            else:
                self._take("{{", LEFT)
                self._action()
        self._take("text", self._input[self._at :])
        return [*self._found, Token(END, "")]

    def _take(self, kind: str, text: str) -> None:
        if text:
            self._found.append(Token(kind, text))

    def _is_space(self, at: int) -> bool:
        return at < len(self._input) and self._input[at] in SPACES

    def _closes(self) -> int:
        """Return how long the closing delimiter is that comes here, its trim marker included; 0 if none does."""
        if self._is_space(self._at) and self._input.startswith("-}}", self._at + 1):
            return 4
        return 2 if self._input.startswith(RIGHT, self._at) else 0

    def _close(self, length: int) -> None:
        self._at += length
        if length > len(RIGHT):
            while self._is_space(self._at):
                self._at += 1

    def _comment(self) -> None:
        end = self._input.find("*/", self._at + 2)
        self._at = end + 2
        length = self._closes() if end >= 0 else 0
        if not length:
            raise Unrenderable(problem="it has a comment that does not end")
        self._close(length)

    def _action(self) -> None:
        self._parens = 0
        while not (length := self._closes()):
            self._inside()
        if self._parens:
            raise Unrenderable(problem="it has a parenthesis that is not closed")
        self._take("}}", RIGHT)
        self._close(length)

    def _inside(self) -> None:
        letter = self._input[self._at : self._at + 1]
        if letter in SPACES and letter:
            self._spaces()
        elif letter in _CLOSED_BY and letter:
            self._quoted(letter)
        elif letter in ("$", ".") and not self._digit_follows(letter):
            self._name_after(letter)
        elif letter in ("+", "-", ".") or (letter.isascii() and letter.isdecimal()):
            self._number()
        elif _is_letter(letter):
            self._word()
        else:
            self._sign(letter)

    def _digit_follows(self, letter: str) -> bool:
        after = self._input[self._at + 1 : self._at + 2]
        return letter == "." and after.isascii() and after.isdecimal()

    def _spaces(self) -> None:
        start = self._at
        while self._is_space(self._at) and not self._closes():
            self._at += 1
        self._take("space", self._input[start : self._at])

    def _quoted(self, quote: str) -> None:
        start = self._at
        self._at += 1
        while (letter := self._input[self._at : self._at + 1]) != quote:
            self._at += 2 if letter == "\\" and quote != "`" else 1
            broken = quote != "`" and "\n" in self._input[self._at - 1 : self._at]
            if not letter or broken or self._at > len(self._input):
                raise Unrenderable(problem=f"it has a {_CLOSED_BY[quote]} that does not end")
        self._at += 1
        self._take(_CLOSED_BY[quote], self._input[start : self._at])

    def _name_after(self, sign: str) -> None:
        start = self._at
        self._at += 1
        if not self._ends():
            self._letters()
        text = self._input[start : self._at]
        self._take("variable" if sign == "$" else "field" if len(text) > 1 else ".", text)

    def _word(self) -> None:
        start = self._at
        self._letters()
        word = self._input[start : self._at]
        self._take("bool" if word in ("true", "false") else word if word in KEYWORDS else "function", word)

    def _letters(self) -> None:
        while _is_letter(self._input[self._at : self._at + 1]):
            self._at += 1
        if not self._ends():
            raise Unrenderable(problem=f"it has a bad character in an action: {self._input[self._at]!r}")

    def _ends(self) -> bool:
        """Whether a name may end here."""
        letter = self._input[self._at : self._at + 1]
        return letter in SPACES or letter in (".", ",", "|", ":", ")", "(") or self._closes() > 0

    def _number(self) -> None:
        start = self._at
        self._accept("+-")
        base = ""
        if self._accept("0"):
            base = next((b for b in "xob" if self._accept(b + b.upper())), "")
        self._run(_DIGITS[base])
        if self._accept("."):
            self._run(_DIGITS[base])
        if not base and self._accept("eE"):
            self._accept("+-")
            self._run(_DIGITS[base])
        if _is_letter(self._input[self._at : self._at + 1]) or self._input[self._at : self._at + 1] in ("+", "-"):
            raise Unrenderable(problem="it has a number that is none, or of a kind that no chat template uses")
        self._take("number", self._input[start : self._at])

    def _accept(self, letters: str) -> bool:
        letter = self._input[self._at : self._at + 1]
        accepted = letter != "" and letter in letters
        self._at += accepted
        return accepted

    def _run(self, letters: str) -> None:
        while self._accept(letters):
            pass

    def _sign(self, letter: str) -> None:
        if self._input.startswith(":=", self._at):
            self._at += 2
            self._take(":=", ":=")
            return
        self._parens += {"(": 1, ")": -1}.get(letter, 0)
        if not letter or self._parens < 0 or letter == ":" or not (letter.isascii() and letter.isprintable()):
            raise Unrenderable(problem="it has an action that is not closed, or a bad character in one")
        self._at += 1
        self._take(_SINGLE.get(letter, "sign"), letter)


def _is_letter(letter: str) -> bool:
    return letter == "_" or letter.isalpha() or letter.isdecimal()
