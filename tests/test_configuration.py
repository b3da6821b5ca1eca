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

from correlator.config import ENVIRONMENT, Config, load
from correlator.config_pager import (
    AlertmanagerTarget,
    AlertmanagerWebhookTarget,
    ConsoleTarget,
    JsmTarget,
    KafkaTarget,
    PagerDutyTarget,
    SlackTarget,
    TeamHours,
    WebhookTarget,
    WindowConfig,
)
from correlator.config_topology import Source, UrlSource

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


TARGETS = [
    PagerDutyTarget,
    JsmTarget,
    AlertmanagerTarget,
    AlertmanagerWebhookTarget,
    SlackTarget,
    WebhookTarget,
    KafkaTarget,
    ConsoleTarget,
]


@pytest.mark.parametrize("target", TARGETS)
def test_every_key_of_a_target_is_documented(target: type[pydantic.BaseModel]) -> None:
    kind = target.model_fields["type"].default
    assert documented(section(f"### Target `{kind}`")) == dict(accepted(target))


@pytest.mark.parametrize(("table", "title"), [(TeamHours, "### Hours of a team"), (WindowConfig, "### Window")])
def test_every_key_of_a_table_is_documented(table: type[pydantic.BaseModel], title: str) -> None:
    assert documented(section(title)) == dict(accepted(table))


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


def test_the_example_of_paging_is_valid() -> None:
    text = (ROOT / "docs" / "paging.md").read_text(encoding="utf-8")
    configuration, windows = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    pager = Config.model_validate(tomllib.loads(configuration)).pager
    assert [target.type for target in pager.targets] == ["pagerduty", "slack"]
    assert [window.id for window in pager.windows] == ["backups"]
    assert [WindowConfig.model_validate(table).id for table in tomllib.loads(windows)["windows"]] == [
        "payments-db-upgrade"
    ]


def test_the_example_is_valid_as_it_stands_and_with_its_comments_taken_off() -> None:
    assert load(EXAMPLE, environ={}).pager.targets[0].name == "pagerduty"
    text = EXAMPLE.read_text(encoding="utf-8")
    settings = re.sub(r"^# (?=\[|[a-z_.]+ = )", "", text, flags=re.MULTILINE)
    config = Config.model_validate(tomllib.loads(settings))
    assert [target.type for target in config.pager.targets] == [
        "pagerduty",
        "jsm",
        "alertmanager",
        "slack",
        "kafka",
        "webhook",
    ]
    assert config.pager.quiet_hours.classes == ("sleep",)
    assert [window.id for window in config.pager.windows] == ["backups"]
    assert config.naming.scope_labels == ("environment", "region")
    assert config.kafka.security_protocol == "SASL_SSL"
