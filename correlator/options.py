"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])

_CONFIG = [
    click.option("--config", "config_path", type=PATH, help="Configuration file (TOML)."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one configuration value."),
]


def configured(command: F) -> F:
    """Give a command the options of the configuration."""
    for option in reversed(_CONFIG):
        command = option(command)
    return command
