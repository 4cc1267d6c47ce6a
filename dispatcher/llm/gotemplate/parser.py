"""A template's tokens, made into nodes as Go's text/template/parse/parse.go makes them."""

from __future__ import annotations

from dispatcher.llm.gotemplate.literals import unquoted
from dispatcher.llm.gotemplate.nodes import Action, Branch, Call, Jump, Node, Nodes, Text
from dispatcher.llm.gotemplate.pipelines import Reader, unexpected
from dispatcher.llm.gotemplate.tokens import END, SPACES, Token, tokens
from dispatcher.llm.unrenderable import Unrenderable

ROOT = ""


def parsed(template: str) -> dict[str, Nodes]:
    """Return a template's nodes under "", and those of the templates that it defines by their names.

    Raises Unrenderable for what Go would not take either, and for what is nested deeper than 40.
    """
    return _Parser(tokens(template)).run()


def _is_empty(nodes: Nodes) -> bool:
    return all(isinstance(node, Text) and not node.text.strip(SPACES) for node in nodes)


class _Parser(Reader):
    """The reading of a whole template."""

    def __init__(self, found: list[Token]) -> None:
        super().__init__(found)
        self._ranges = 0
        self._trees: dict[str, Nodes] = {}

    def run(self) -> dict[str, Nodes]:
        nodes: list[Node] = []
        while self.peek().kind != END:
            if self.peek().kind == "{{" and self._after_left() == "define":
                self._define()
                continue
            node, word = self._text_or_action()
            if node is None:
                raise unexpected(word)
            nodes.append(node)
        self._add(ROOT, tuple(nodes))
        return self._trees

    def _after_left(self) -> str:
        following = (t.kind for t in self.tokens[self.at + 1 : self.at + 3] if t.kind != "space")
        return next(following, "")

    def _add(self, name: str, nodes: Nodes) -> None:
        known = self._trees.get(name)
        if known is None or _is_empty(known):
            self._trees[name] = nodes
        elif not _is_empty(nodes):
            raise Unrenderable(problem=f"it defines '{name}' twice")

    def _define(self) -> None:
        self.next()
        self.next_after_space()
        name = unquoted(self.expect("string", "raw string").text)
        self.expect("}}")
        self._add(name, self._own_body())

    def _own_body(self) -> Nodes:
        """Return a body up to its end, in which no variables but `$` are known."""
        known, self.known = self.known, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, word = self._body()
        if word != "end":
            raise unexpected(word)
        self.known, self._ranges = known, ranges
        return body

    def _body(self) -> tuple[Nodes, str]:
        """Return nodes up to an end or else, and which it was."""
        self.deeper(1)
        nodes: list[Node] = []
        while self.skip_space().kind != END:
            node, word = self._text_or_action()
            if node is None:
                self.deeper(-1)
                return tuple(nodes), word
            nodes.append(node)
        raise unexpected(self.peek().kind)

    def _text_or_action(self) -> tuple[Node | None, str]:
        """Return a node, or none and the word that ends a body."""
        token = self.expect("text", "{{")
        if token.kind == "text":
            return Text(token.text), ""
        word = self.skip_space().kind
        if word in ("if", "range", "with"):
            self.next()
            return self._branch(word), ""
        if word in ("end", "else"):
            self.next()
            return None, self._ended(word)
        if word in ("break", "continue", "template", "block"):
            self.next()
            return self._jump(word) if word in ("break", "continue") else self._call(word), ""
        return Action(self.pipe("}}", most=1)), ""

    def _ended(self, word: str) -> str:
        if word == "else" and self.skip_space().kind in ("if", "with"):
            return f"else {self.peek().kind}"
        self.expect("}}")
        return word

    def _jump(self, word: str) -> Jump:
        self.expect("}}")
        if not self._ranges:
            raise unexpected(word)
        return Jump(word)

    def _call(self, word: str) -> Call:
        name = unquoted(self.expect("string", "raw string").text)
        if word == "template" and self.skip_space().kind == "}}":
            self.next()
            return Call(name, None)
        pipe = self.pipe("}}", most=1)
        if word == "block":
            self._add(name, self._own_body())
        return Call(name, pipe)

    def _branch(self, word: str) -> Branch:
        known = len(self.known)
        pipe = self.pipe("}}", most=2 if word == "range" else 1)
        self._ranges += word == "range"
        body, end = self._body()
        self._ranges -= word == "range"
        otherwise: Nodes | None = None
        if end == f"else {word}" and word != "range":
            self.next()
            self.deeper(1)
            otherwise = (self._branch(word),)
            self.deeper(-1)
        elif end != "end":
            if end != "else":
                raise unexpected(end)
            otherwise, end = self._body()
            if end != "end":
                raise unexpected(end)
        del self.known[known:]
        return Branch(word, pipe, body, otherwise)
