"""Secrets are read in one way, and none is in what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from correlator.errors import ConfigError
from correlator.secrets import of_file, of_setting, of_variable, secrets_of


def test_a_variable_is_read_without_the_space_around_it() -> None:
    assert of_variable("a.token_env", "TOKEN", {"TOKEN": " t0ken\n"}) == "t0ken"


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}, {"TOKEN": " \n"}])
def test_a_variable_that_holds_nothing_is_an_error_that_names_key_and_variable(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^a.token_env: the environment variable TOKEN is not set$"):
        of_variable("a.token_env", "TOKEN", environ)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_password_may_begin_and_end_with_space_but_not_with_a_line(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f" pass wörd {ending}".encode())
    assert of_file("a.password_file", file) == " pass wörd "


def test_a_file_that_cannot_be_read_is_an_error_that_names_key_and_file_and_tells_nothing_it_holds(
    tmp_path: Path,
) -> None:
    file = tmp_path / "password"
    with pytest.raises(ConfigError, match=r"^a.password_file: \S+/password: No such file or directory$"):
        of_file("a.password_file", file)
    with pytest.raises(ConfigError, match="Is a directory"):
        of_file("a.password_file", tmp_path)
    file.write_bytes(b"s3cret\xff")
    with pytest.raises(ConfigError, match=r"^a.password_file: \S+/password: is no UTF-8$"):
        of_file("a.password_file", file)


def test_a_setting_stands_for_itself_or_in_a_file_or_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("in the file\n")
    assert of_setting("a.password", SecretStr("as it is"), None) == "as it is"
    assert of_setting("a.password", None, file) == "in the file"
    assert of_setting("a.password", None, None) == ""
    with pytest.raises(ConfigError, match=r"^a.password_file: "):
        of_setting("a.password", None, tmp_path / "none")


def test_several_secrets_are_lines_of_a_variable_or_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("\n one \ntwo\n")
    for found in (secrets_of("a.b", "B", None, {"B": "one\n\ntwo"}), secrets_of("a.b", None, file, {})):
        assert found is not None and found.lines() == (b"one", b"two")
    assert secrets_of("a.b", None, None, {"B": "one"}) is None
    file.write_bytes(b"thr\xffee")
    with pytest.raises(ConfigError, match=r"^a.b_file: \S+/secrets: is no UTF-8$"):
        secrets_of("a.b", None, file, {})
