"""The configuration: a file, then the environment, then overrides; every problem at once, each by its key."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest

from correlator.config import Config, EngineConfig, load
from correlator.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "correlator.toml"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold() -> None:
    assert load(environ={}) == Config()


def test_the_defaults_are_such_as_one_may_write() -> None:
    assert Config.model_validate_json(Config().model_dump_json()) == Config()


def test_the_file_gives_way_to_the_environment_and_that_to_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, 'max_hops = 1\n[kafka]\nbootstrap_servers = "file:1"\npartitions = 3\n')
    environ = {"CORRELATOR_KAFKA_BOOTSTRAP_SERVERS": "environment:1", "CORRELATOR_KAFKA_SASL_PASSWORD": "secret"}
    config = load(path, ["kafka.partitions=7"], environ)
    assert (config.max_hops, config.kafka.bootstrap_servers, config.kafka.partitions) == (1, "environment:1", 7)
    assert load(path, ["kafka.bootstrap_servers=set:1"], environ).kafka.bootstrap_servers == "set:1"


def test_a_secret_is_never_written_out() -> None:
    config = load(environ={"CORRELATOR_KAFKA_SASL_PASSWORD": "hunter2"})
    assert config.kafka.sasl_password is not None
    assert "hunter2" not in f"{config} {config!r} {config.model_dump_json()}"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("correlation_window_seconds=900", 900.0),
        (" correlation_window_seconds = 900 ", 900.0),
        ("correlation_window_seconds=1.5", 1.5),
    ],
)
def test_an_override_is_read_as_the_file_would_be(override: str, value: float) -> None:
    assert load(overrides=[override], environ={}).correlation_window_seconds == value


def test_overrides_take_lists_and_bare_words() -> None:
    config = load(overrides=['naming.scope_labels=["tenant"]', "worker.app_id=mine"], environ={})
    assert config.naming.scope_labels == ("tenant",) and config.worker.app_id == "mine"


def test_all_problems_are_reported_at_once_each_by_its_key(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        max_hops = 9
        hold_minn_seconds = 1
        page_probability = 2.0
        resolve_after_seconds = "soon"
        kind_rules = [{kind = "fire", pattern = "("}]
        [kafka]
        partitions = 0
        security = "none"
        [worker]
        web_port = 70000
        [[pager.targets]]
        type = "pigeon"
        name = "a"
        """,
    )
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    text = str(caught.value)
    for key in (
        "max_hops", "hold_minn_seconds: unknown key", "page_probability", "resolve_after_seconds", "kind_rules.0.kind",
        "kind_rules.0.pattern", "kafka.partitions", "kafka.security: unknown key", "worker.web_port", "pager.targets.0",
    ):  # fmt: skip
        assert key in text
    assert all(line.startswith(str(path)) for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    ["max_hops = ", "[kafka", "max_hops = 1\nmax_hops = 2", "a = '\x00'"],
)
def test_what_is_no_toml_is_refused_by_the_name_of_the_file(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"correlator\.toml"):
        load(written(tmp_path, text), environ={})


def test_a_missing_file_and_bad_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load(tmp_path / "missing.toml", environ={})
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"bytes\.toml"):
        load(tmp_path / "bytes.toml", environ={})


@pytest.mark.parametrize("override", ["max_hops", "max_hops.x=1", "kafka=1", "=1", "no.such.key=1", "max_hops=inf"])
def test_an_unusable_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load(overrides=[*(["max_hops=1"] if override == "max_hops.x=1" else []), override], environ={})


def test_a_hold_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ConfigError, match="hold_max_seconds"):
        load(overrides=["hold_min_seconds=90"], environ={})


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e12"])
def test_a_span_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="correlation_window_seconds"):
        load(overrides=[f"correlation_window_seconds={value}"], environ={})


def test_a_configuration_never_changes() -> None:
    with pytest.raises(pydantic.ValidationError):
        Config().max_hops = 1


def test_the_version_follows_every_setting_of_the_engine_and_nothing_else() -> None:
    plain = Config().version()
    assert EngineConfig().version() == plain == load(overrides=["worker.web_port=1", "kafka.partitions=9"]).version()
    versions = {load(overrides=[_changed(key)], environ={}).version() for key in EngineConfig.model_fields}
    assert len(versions) == len(EngineConfig.model_fields) and plain not in versions


def _changed(key: str) -> str:
    """Return an override that gives a setting of the engine another value."""
    others = {
        "max_hops": "max_hops=1",
        "kind_rules": 'kind_rules=[{kind="down",pattern="x"}]',
        "naming": 'naming.scope_labels=["tenant"]',
        "hold_min_seconds": "hold_min_seconds=11",
        "reopen_window_seconds": "reopen_window_seconds=1",
    }
    return others.get(key) or f"{key}={getattr(Config(), key) * 0.99}"
