"""config."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dispatcher import config
from dispatcher.cli import render
from dispatcher.cli.composition import find_root, load_settings
from dispatcher.cli.options import Json


def config_command(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only this setting.")] = None, json: Json = False
) -> None:
    """Show settings and where they come from.

    Settings are changed in the state root's config.yaml, or for one call by a variable such as
    DISPATCHER_CLAIM_LEASE.

    Example: dispatcher config claim.lease
    """
    root = find_root()
    settings = load_settings(root)
    found = {key: settings.value(key)} if key else dict(settings)
    if json:
        rows = {
            k: {
                "value": v.value,
                "source": v.source,
                "purpose": config.SPECS[k].purpose,
                "variables": config.variables(k),
            }
            for k, v in found.items()
        }
        render.json({"file": str(root / config.FILE), "settings": rows})
        return
    render.settings((k, v.value, v.source, config.SPECS[k].purpose) for k, v in found.items())
    for words in config.unknown_variables(os.environ):
        render.note(words)
    if not key:
        render.note(f"settings file: {root / config.FILE}")
