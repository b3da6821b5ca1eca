"""docs/configuration.md and the example say what correlator/config.py accepts."""

from __future__ import annotations

import json
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from correlator.config import ENVIRONMENT, Config, ConsoleTarget, PagerDutyTarget, WebhookTarget, load
from correlator.topology_config import Source, UrlSource

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "deploy" / "correlator.example.toml"


def documented(text: str) -> dict[str, str]:
    """Return the rows of all tables of keys: key -> default."""
    return dict(re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \| \S.* \|$", text, flags=re.MULTILINE))


def accepted(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a model with its default."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, pydantic.BaseModel):
            yield from accepted(type(field.default), f"{prefix}{name}.")
        else:
            yield prefix + name, "required" if field.is_required() else written(field.default)


def written(value: Any) -> str:
    return "none" if value is None else json.dumps(value)


def section(title: str) -> str:
    return re.split(r"^#+ ", TEXT.partition(f"{title}\n")[2], flags=re.MULTILINE)[0]


def test_every_key_is_documented_with_its_default_and_no_other() -> None:
    assert documented(TEXT.partition("### Target")[0]) == dict(accepted(Config))


@pytest.mark.parametrize("target", [PagerDutyTarget, WebhookTarget, ConsoleTarget])
def test_every_key_of_a_target_is_documented(target: type[pydantic.BaseModel]) -> None:
    kind = target.model_fields["type"].default
    assert documented(section(f"### Target `{kind}`")) == dict(accepted(target))


def test_every_key_of_every_source_is_documented() -> None:
    union, _ = typing.get_args(Source)
    sources = typing.get_args(union)
    text = section("## Sources of the topology")
    common = {**dict(accepted(UrlSource)), "type": "required"}
    assert documented(text.partition("Further keys")[0]) == common
    rows = re.findall(r"^\| `([a-z]+)` \| `([a-z_]+)` \| `(.*?)` \| \S.* \|$", text, flags=re.MULTILINE)
    own = {
        (source.model_fields["type"].default, key, default)
        for source in sources
        for key, default in accepted(source)
        if key not in common
    }
    assert set(rows) == own
    assert all(f"`{source.model_fields['type'].default}`" in text for source in sources)


def test_every_environment_variable_is_documented() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([a-z_.]+)` \|$", TEXT, flags=re.MULTILINE)
    assert dict(rows) == dict(ENVIRONMENT)


def test_the_example_is_valid_as_it_stands_and_with_its_comments_taken_off() -> None:
    assert load(EXAMPLE, environ={}).pager.targets[0].name == "pagerduty"
    text = EXAMPLE.read_text(encoding="utf-8")
    settings = re.sub(r"^# (?=\[|[a-z_.]+ = )", "", text, flags=re.MULTILINE)
    config = Config.model_validate(tomllib.loads(settings))
    assert len(config.pager.targets) == 2
    assert config.naming.scope_labels == ("environment", "region")
    assert config.kafka.security_protocol == "SASL_SSL"
