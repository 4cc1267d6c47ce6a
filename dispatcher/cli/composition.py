"""The composition root: the one place that names a concrete store, and finds where it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dispatcher import clock, config
from dispatcher.cli import render
from dispatcher.dispatch.desk import Desk
from dispatcher.domain.moment import Moment
from dispatcher.domain.redact import Redactor
from dispatcher.errors import DispatcherError, InvalidInput, NoInbox
from dispatcher.files import Root, make_root
from dispatcher.store.base import Store, Tell

if TYPE_CHECKING:
    from dispatcher.dispatch.contexts import Place
    from dispatcher.dispatch.ledger_tokens import CountLedger
    from dispatcher.dispatch.machine import Asking
    from dispatcher.llm.vocabularies import Kept
    from dispatcher.store.session_log import SessionLog

ROOT = Path("INBOX", "agents", "Local Models")


class _Call:
    """What the call in progress takes from outside: its clock, and the root if one was named."""

    now: Callable[[], Moment] = clock.now
    root: Path | None = None
    closing: ClassVar[list[Callable[[], None]]] = []


def use_clock(now: Callable[[], Moment]) -> None:
    """Begin a call with this clock and no root named."""
    _Call.now = staticmethod(now)
    _Call.root = None


def use_root(root: Path | None) -> None:
    """Take the root that the command line or the environment names."""
    _Call.root = root


def find_root() -> Path:
    """Return the state root: the one named, else the nearest above the working directory. Raises NoInbox."""
    if _Call.root is not None:
        if not _Call.root.is_dir():
            raise NoInbox(where=f"at {_Call.root}, which is not a folder")
        return _Call.root.absolute()
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise NoInbox(where="here: the working directory is gone") from None
    for folder in (here, *here.parents):
        if (folder / ROOT).is_dir():
            return folder / ROOT
    raise NoInbox(where=f"in {here} or above")


def find_project() -> Path:
    """Return the folder whose tests are run: the one that holds the INBOX, else the working directory."""
    root = find_root()
    return root.parents[2] if root.parts[-3:] == ROOT.parts else Path.cwd()


def make_new_root(project: Path) -> Path:
    """Return where `init` puts the state of a project, and make the folder."""
    if _Call.root is None and not project.is_dir():
        raise InvalidInput(what=f"project '{project}'", problem="is not a folder")
    inside = next((p for p in (project.absolute(), *project.absolute().parents) if p.parts[-3:] == ROOT.parts), None)
    if _Call.root is None and inside:
        raise InvalidInput(what=f"project '{project}'", problem=f"lies in an INBOX already: {inside}")
    path = (_Call.root or project / ROOT).absolute()
    make_root(path)
    return path


def open_desk(path: Path | None = None, tell: Tell = render.note) -> Desk:
    """Return the store at `path`, or at the root that is found, with its settings."""
    path = path or find_root()
    redactor = Redactor(os.environ)
    settings = load_settings(path)
    return Desk(_store(path, settings, redactor, tell), settings, _Call.now, redactor)


@contextlib.contextmanager
def open_private_desk(path: Path) -> Iterator[Desk]:
    """Have a store of our own at `path`, made if it is not there, with the default settings and nothing told."""
    from dispatcher.store.filesystem import FilesystemStore

    make_root(path)
    redactor = Redactor(os.environ)
    settings = config.load(None, config.FILE, {})
    store = FilesystemStore(path, _Call.now, redactor, settings.seconds("lock.timeout"), lambda _line: None)
    try:
        store.create()
        yield Desk(store, settings, _Call.now, redactor)
    finally:
        store.close()


def open_store() -> Store:
    """Return the store alone, even where its settings cannot be read."""
    path = find_root()
    try:
        settings = load_settings(path)
    except DispatcherError as error:
        render.note(f"{error}; going on with the default settings")
        settings = config.load(None, config.FILE, {})
    return _store(path, settings, Redactor(os.environ), render.note)


def close_stores() -> None:
    """Give back what the stores opened in this call hold."""
    while _Call.closing:
        _Call.closing.pop()()


def load_settings(path: Path) -> config.Settings:
    """Return the settings in force for the state at `path`."""
    root = Root(path)
    try:
        file = root.read(config.FILE, config.MAX_FILE_BYTES * 100)
    finally:
        root.close()
    return config.load(file, str(path / config.FILE), os.environ)


def now() -> Moment:
    """Return the moment by the clock of this call."""
    return _Call.now()


def settings_anywhere() -> config.Settings:
    """Return the settings in force, outside a project those that the environment gives."""
    try:
        root = find_root()
    except NoInbox:
        if _Call.root is not None:
            raise
        return config.load(None, config.FILE, os.environ)
    return load_settings(root)


def asking(settings: config.Settings) -> Asking:
    """Return how the model's server is asked. Raises BadConfig for an address that must not be used."""
    from dispatcher import user_cache
    from dispatcher.dispatch.machine import Asking
    from dispatcher.llm import address
    from dispatcher.llm.catalogue import Catalogue

    where = address.parse(os.environ.get("OLLAMA_HOST"), allow_remote=settings.flag(address.ALLOW))
    return Asking(where, settings, os.environ, Catalogue(user_cache.folder(os.environ)))


def kept() -> Kept:
    """Return where what is known of models and their vocabularies is kept."""
    from dispatcher import user_cache
    from dispatcher.llm.catalogue import Catalogue
    from dispatcher.llm.vocabularies import Kept

    folder = user_cache.folder(os.environ)
    return Kept(Catalogue(folder), os.path.join(folder, "lexicons"))


def context_place(settings: config.Settings) -> Place:
    """Return where contexts are made from."""
    from dispatcher import user_cache
    from dispatcher.dispatch.contexts import Place

    folder = user_cache.folder(os.environ)
    return Place(find_project(), folder, os.path.join(folder, "lexicons"), lambda: asking(settings))


def count_ledger(settings: config.Settings) -> CountLedger:
    """Return what counts the ledger's tokens for the model that is asked when none is named."""
    from dispatcher import user_cache
    from dispatcher.dispatch import ledger_tokens
    from dispatcher.llm.catalogue import Catalogue

    folder = user_cache.folder(os.environ)
    return ledger_tokens.by_model(settings.text("llm.model"), Catalogue(folder), os.path.join(folder, "lexicons"))


def session_log(name: str, settings: config.Settings) -> SessionLog:
    """Return the log of a session, which need not be there yet. Raises InvalidInput for a name that is none."""
    from dispatcher.store.session_log import SessionLog

    root = Root(find_root())
    _Call.closing.append(root.close)
    return SessionLog(root, name, _Call.now, settings.seconds("lock.timeout"))


def _store(path: Path, settings: config.Settings, redactor: Redactor, tell: Tell) -> Store:
    from dispatcher.store.filesystem import FilesystemStore

    store = FilesystemStore(path, _Call.now, redactor, settings.seconds("lock.timeout"), tell)
    _Call.closing.append(store.close)
    return store
