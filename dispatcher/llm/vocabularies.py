"""Where the counts for a model come from: its vocabulary and chat template, told by a server once or read from a file.

What they come to is kept (the lexicon, what rendering needs, what was learnt), so that a later count asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dispatcher.errors import InvalidInput
from dispatcher.llm import gguf, lexicons
from dispatcher.llm.catalogue import TRUST, Catalogue, NotKept
from dispatcher.llm.client import BadAnswer
from dispatcher.llm.counting import Counter
from dispatcher.llm.inventory import Installed, Server, file_of
from dispatcher.llm.lexicon import NotExact
from dispatcher.llm.llama_server import LlamaServer
from dispatcher.llm.ollama import release
from dispatcher.llm.tokens import Basis, Message, Render, Tokens
from dispatcher.llm.unrenderable import Unrenderable
from dispatcher.llm.vocabulary import Vocabulary, of_metadata
from dispatcher.llm.words import objects

PROMPT, RATIOS = "prompt", "ratios"
"""Sections of the catalogue: what rendering needs, ratios by kind of text."""

_SHOWN = ("template", "system", "modelfile", "messages", "details", "capabilities", "remote_host")
"""What /api/show tells that shows in a prompt."""

_OWN, _TEMPLATE = "tokenizer.ggml.", "tokenizer.chat_template"
_ARRAYS = tuple(f"{_OWN}{name}" for name in ("tokens", "scores", "token_type", "merges"))


class Kept(NamedTuple):
    """Where things are kept: the catalogue, and the folder of lexicons."""

    catalogue: Catalogue
    folder: str


class Source:
    """A model's metadata, asked for at most once, and only if something is not kept.

    `tell` returns GGUF metadata with the vocabulary, and what else shows in a prompt.
    """

    def __init__(self, name: str, digest: str, tell: Callable[[], tuple[Mapping[str, Any], dict[str, Any]]]) -> None:
        self.name, self.digest = name, digest
        self._tell = tell

    @cached_property
    def _told(self) -> tuple[Mapping[str, Any], dict[str, Any]]:
        return self._tell()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary. Raises NotExact."""
        return of_metadata(self._told[0])

    def prompt(self) -> dict[str, Any]:
        """Return what rendering needs, as it is kept."""
        info, shown = self._told
        return {"shown": shown, "ends": self._ends(info)}

    def _ends(self, info: Mapping[str, Any]) -> list[Any]:
        """Return the texts of BOS and EOS, and whether the vocabulary adds them."""
        adds_eos = bool(info.get(f"{_OWN}add_eos_token"))
        try:
            adds_bos = self.vocabulary.ends > adds_eos
        except NotExact:
            adds_bos = bool(info.get(f"{_OWN}add_bos_token"))
        told = info.get(f"{_OWN}tokens")
        tokens = told if isinstance(told, list) else []
        numbers = (info.get(f"{_OWN}{name}_token_id") for name in ("bos", "eos"))
        texts = [tokens[n] if isinstance(n, int) and 0 <= n < len(tokens) else "" for n in numbers]
        return [*(text if isinstance(text, str) else "" for text in texts), adds_bos, adds_eos]


def of_server(server: Server, model: Installed, kept: Kept) -> Tokens:
    """Return what counts for a model that a server has, asking for its vocabulary if nobody has before.

    Raises what the server's client raises.
    """
    if isinstance(server.client, LlamaServer):
        return _of_llama_server(server, server.client, kept)
    ollama = server.client

    def tell() -> tuple[Mapping[str, Any], dict[str, Any]]:
        shown = ollama.show(model.name, verbose=True)
        info = shown.get("model_info")
        return info if isinstance(info, dict) else {}, {name: shown[name] for name in _SHOWN if name in shown}

    return _of_ollama(Source(model.name, model.digest, tell), kept, server.version)


def at_hand(name: str, kept: Kept) -> Tokens | None:
    """Return what counts for a model by what is kept alone; None where that is not enough for exact counts."""
    digest = kept.catalogue.digest(name)

    def tell() -> tuple[Mapping[str, Any], dict[str, Any]]:
        raise NotKept

    try:
        return _of_ollama(Source(name, digest, tell), kept) if digest else None
    except NotKept:
        return None


def of_file(path: Path, kept: Kept) -> Tokens:
    """Return what counts for the model in a `.gguf` file. Raises InvalidInput for a file that is none."""
    source = _file(path)
    prompt = _prompt(source, kept, None)

    def render(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
        from dispatcher.llm.engine import Ends, Engine
        from dispatcher.llm.jinja_rendering import jinja_prompt

        template = str(prompt["shown"].get("template", ""))
        if not template:
            raise Unrenderable(problem="the file has none")
        return jinja_prompt(template, messages, tools, Engine(ends=Ends(*prompt["ends"])))

    return _tokens(source, kept, render, "")


def nothing(why: str) -> Tokens:
    """Return what counts for a model of which nothing is known, and `why` that is so."""

    def render(_messages: Sequence[Message], _tools: Sequence[Mapping[str, Any]]) -> str:
        raise Unrenderable(problem="it is not known")

    return Tokens(Basis(why=why), render)


def contradict(kept: Kept, digest: str, version: str, expected: int, told: int) -> None:
    """Remember that a server has counted another number of tokens than was taken for exact: no count for it is from now on."""
    kept.catalogue.keep(digest, TRUST, {version: {"expected": expected, "told": told}})


def _of_ollama(source: Source, kept: Kept, asked: str | None = None) -> Tokens:
    """Return what counts for a model of Ollama's; `asked` is the version of the server that can be asked, if one can."""
    prompt = _prompt(source, kept, asked)
    version = str(prompt["version"])

    def render(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
        from dispatcher.llm.engine import Ends, Engine
        from dispatcher.llm.rendering import ollama_prompt

        engine = Engine(release(version).number, Ends(*prompt["ends"]))
        return ollama_prompt(prompt["shown"], messages, tools, engine=engine)

    return _tokens(source, kept, render, version, prompt["shown"])


def _of_llama_server(server: Server, client: LlamaServer, kept: Kept) -> Tokens:
    """Return what counts as the server's own file says, or where that cannot be read, what the server counts."""

    def render(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
        if tools:
            raise Unrenderable(problem="a bare llama-server renders tools only when it answers")
        try:
            return client.apply_template(messages)
        except BadAnswer as error:
            raise Unrenderable(problem=str(error)) from error

    try:
        return _tokens(_file(file_of(client, server)), kept, render, server.version)
    except InvalidInput:
        return Tokens(Basis(_Asking(client), "the server itself"), render)


class _Asking:
    """Counts by asking a llama-server."""

    def __init__(self, client: LlamaServer) -> None:
        self._client = client

    def count(self, text: str, *, rendered: bool = False) -> int:
        return len(self._client.tokenize(text, special=rendered, bos=rendered))


def _file(path: Path) -> Source:
    """Return the source that a file is. Raises InvalidInput."""
    header = gguf.read(path)

    def tell() -> tuple[Mapping[str, Any], dict[str, Any]]:
        whole = gguf.read(path, _ARRAYS).metadata
        return whole, {"template": str(whole.get(_TEMPLATE, ""))}

    return Source(path.name, gguf.digest(path, header), tell)


def _prompt(source: Source, kept: Kept, version: str | None) -> dict[str, Any]:
    """Return what rendering needs, asked for if it is not kept, or was told by a server of another version.

    A newer server tells more of the same model, such as that it has a renderer of its own for it.
    """
    prompt = kept.catalogue.section(source.digest, PROMPT)
    if not _is_prompt(prompt) or version not in (None, prompt["version"]):
        prompt = {**source.prompt(), "version": version or ""}
        kept.catalogue.keep(source.digest, PROMPT, prompt)
    return prompt


def _is_prompt(kept: Mapping[str, Any]) -> bool:
    ends = kept.get("ends")
    kinds = [type(each) for each in ends] if isinstance(ends, list) else []
    return (
        kinds == [str, str, bool, bool] and isinstance(kept.get("shown"), dict) and isinstance(kept.get("version"), str)
    )


def _tokens(
    source: Source, kept: Kept, render: Render, version: str, shown: Mapping[str, Any] = MappingProxyType({})
) -> Tokens:
    ratios = kept.catalogue.section(source.digest, RATIOS)
    system = shown.get("system")
    basis = Basis(ratios=ratios, system=system if isinstance(system, str) else "", own=objects(shown.get("messages")))
    try:
        lexicon = lexicons.opened(source.digest, lambda: source.vocabulary, kept.folder)
    except NotExact as error:
        return Tokens(basis._replace(why=str(error)), render)
    by = f"the vocabulary of {source.name} ({lexicon.kind})"
    doubt = kept.catalogue.section(source.digest, TRUST).get(version)
    told = doubt if isinstance(doubt, dict) else {}
    why = f"the server counted {told.get('told')} tokens where these were {told.get('expected')}" if doubt else ""
    return Tokens(basis._replace(exact=Counter(lexicon), by=by, why=why, doubted=bool(doubt)), render)
