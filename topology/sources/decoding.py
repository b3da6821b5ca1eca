"""Payloads of sources as trees of plain values: whatever is wrong with one is a `SourceError` with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from correlator.errors import SourceError


def decode_json(payload: bytes) -> Any:
    """Return the tree of a JSON payload.

    Raises:
        SourceError: it is not JSON.
    """
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}") from None


def decode_documents(payload: bytes) -> list[Any]:
    """Return the documents of a YAML file, or of JSON, which is YAML too; empty documents are left out.

    Raises:
        SourceError: it is not YAML.
    """
    try:
        return [document for document in _documents(payload.decode("utf-8-sig")) if document is not None]
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SourceError("not YAML: " + " ".join(str(error).split())) from None


def decode_text(text: str) -> Any:
    """Return the tree of a JSON text.

    Raises:
        json.JSONDecodeError: it is none.
        UnicodeEncodeError: an escape in it stands for half a character, which nobody could write again.
    """
    tree = json.loads(text)
    if "\\ud" in text.lower():
        json.dumps(tree, ensure_ascii=False).encode()
    return tree


def _documents(text: str) -> Iterator[Any]:
    if text.lstrip().startswith(("{", "[")):
        try:
            yield decode_text(text)
            return
        except json.JSONDecodeError:
            pass  # a flow mapping of YAML
    yield from yaml.load_all(text, Loader=yaml.CSafeLoader)
