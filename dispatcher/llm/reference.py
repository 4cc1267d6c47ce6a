"""The vocabulary that texts are counted with when no model is meant: cl100k, whose ranks come in a package.

It is kept as a lexicon like any model's, so that a count does not take the third of a second that loading it costs.
"""

from __future__ import annotations

from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
from dispatcher.llm.tokens import Basis, Message, Tokens
from dispatcher.llm.unrenderable import Unrenderable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dispatcher.llm.vocabulary import Vocabulary

NAME = "cl100k_base"


def tokens(folder: str) -> Tokens:
    """Return what counts tokens of cl100k; its lexicon is kept in `folder`. Raises ImportError or OSError."""
    lexicon = lexicons.opened(NAME, _vocabulary, folder)

    def render(_messages: Sequence[Message], _tools: Sequence[Mapping[str, Any]]) -> str:
        raise Unrenderable(problem="no model is meant")

    return Tokens(Basis(Counter(lexicon), f"the vocabulary {NAME}"), render)


def _vocabulary() -> Vocabulary:
    """Return it as byte pairs: any two symbols merge that make a token, the lowest rank first."""
    from dispatcher.llm.estimate import ranks
    from dispatcher.llm.lexicon_file import written
    from dispatcher.llm.vocabulary import Vocabulary

    known = ranks()
    return Vocabulary(
        merging="scores", kind="llama-bpe", tokens=[*map(written(), known)], scores=[-float(n) for n in known.values()],
        merges=(), specials=(), in_bytes=True, whole_words=True, prefix=False, ends=0,
    )  # fmt: skip
