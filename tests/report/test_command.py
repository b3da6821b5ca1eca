"""`correlator report` over what `correlator replay` wrote: the same figures, the same bytes, clear errors."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from correlator.cli import cli
from correlator.domain import AlertEvent, Status
from correlator.errors import ConfigError
from correlator.formats import log
from tests.report.making import event


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated storm and what a replay of it wrote."""
    made = tmp_path_factory.mktemp("storm")
    assert invoke("simulate", "--preset", "cascade", "--seed", "5", "--out", made).exit_code == 0
    replayed = invoke(
        *("replay", "--alerts", made / "alerts.jsonl", "--topology", made / "topology.json", "--model", "none"),
        *("--incidents", made / "incidents.jsonl", "--assignments", made / "fates.jsonl", "--summary", "json"),
    )
    assert replayed.exit_code == 0
    (made / "summary.json").write_text(replayed.stdout)
    return made


def files(folder: Path) -> list[str | Path]:
    found: list[str | Path] = ["--incidents", folder / "incidents.jsonl", "--assignments", folder / "fates.jsonl"]
    return [*found, "--alerts", folder / "alerts.jsonl", "--topology", folder / "topology.json"]


def told(*arguments: str | Path) -> dict[str, Any]:
    done = invoke("report", "--format", "json", *arguments)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_figures_are_those_of_the_replay(folder: Path) -> None:
    found, summary = told(*files(folder)), json.loads((folder / "summary.json").read_text())
    assert found["incidents"] == summary["incidents"] > 0
    assert found["pages"] == summary["pages"]
    assert found["noise"]["events"] == summary["events"]
    assert found["noise"]["firing"] == summary["firing_events"]
    assert found["noise_reduction"] == summary["noise_reduction"]
    assert found["noise"]["opened"] == summary["dispositions"]["opened"]
    assert sum(line["noise"]["firing"] for line in found["services"]) == summary["firing_events"]
    assert found["rules"] and found["top"] and sum(found["baseline_pages"].values()) > found["pages"]


def test_without_the_alerts_the_parts_are_the_same_by_their_reasons_alone(folder: Path) -> None:
    whole = told(*files(folder))
    found = told("--incidents", folder / "incidents.jsonl", "--assignments", folder / "fates.jsonl")
    for part in ("deduplicated", "correlated", "opened", "rejected"):
        assert found["noise"][part] == whole["noise"][part]
    for noise in (found["noise"], whole["noise"]):
        noise["suppressed"].pop("change", None)  # begin or end of a deployment, which the reason does not say
    assert found["noise"]["suppressed"] == whole["noise"]["suppressed"]
    assert found["rules"] == []
    assert any("--alerts or --log" in note for note in found["notes"])


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_the_same_input_gives_the_same_bytes(folder: Path, form: str) -> None:
    first, second = (invoke("report", *files(folder), "--format", form) for _ in range(2))
    assert first.exit_code == 0
    assert first.stdout_bytes == second.stdout_bytes
    assert all(line == line.rstrip() for line in first.stdout.splitlines())


def test_every_row_of_a_markdown_table_has_the_cells_of_its_head(folder: Path) -> None:
    lines = invoke("report", *files(folder), "--format", "markdown").stdout.splitlines()
    tables = [line.replace("\\|", "") for line in lines]
    for before, line in itertools.pairwise(tables):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")


def test_a_period_holds_what_happened_in_it(folder: Path) -> None:
    whole = told(*files(folder))
    cut = whole["top"][0]["opened_at"]
    before, after = told(*files(folder), "--to", cut), told(*files(folder), "--from", cut)
    assert before["incidents"] + after["incidents"] == whole["incidents"]
    assert before["noise"]["firing"] + after["noise"]["firing"] == whole["noise"]["firing"]
    assert told(*files(folder), "--days", "365")["incidents"] == whole["incidents"]


def test_dumps_of_the_topics_tell_the_same_as_files(tmp_path: Path, folder: Path) -> None:
    lines = (folder / "incidents.jsonl").read_bytes().splitlines()
    dumped = [
        b'{"partition":0,"offset":%d,"timestamp":1,"key":"k","headers":{},"value":%s}' % (n, line)
        for n, line in enumerate(lines)
    ]
    dumped.append(b'{"partition":0,"offset":9999,"timestamp":1,"key":"k","headers":{},"value":null}')
    (tmp_path / "dump.jsonl").write_bytes(b"\n".join(dumped))
    assert told("--incidents", tmp_path / "dump.jsonl") == told("--incidents", folder / "incidents.jsonl")


def test_the_log_tells_of_events_what_the_alerts_would_and_what_it_holds_twice_counts_once(tmp_path: Path) -> None:
    fired = AlertEvent(
        id="e1", status=Status.FIRING, name="DbDown", service="db", fingerprint="f", starts_at=1000, observed_at=2000
    )
    record = log.encode(log.Alerts(at=2000, events=[fired])).decode()
    (tmp_path / "log.jsonl").write_text(
        "".join(
            f'{{"partition":0,"offset":{number},"timestamp":1,"key":null,"headers":{{}},"value":{value}}}\n'
            for number, value in enumerate([record, '{"type":"tick","at":5}', record, '{"base64":"AA=="}'])
        )
    )
    fate = {"event_id": "e1", "fingerprint": "f", "disposition": "opened", "reason": "root_of_incident"}
    (tmp_path / "fates.jsonl").write_text(json.dumps({**fate, "incident_id": "incident-1"}) + "\n")
    (tmp_path / "incidents.jsonl").write_bytes(msgspec.json.encode(event()))
    found = told(
        *("--incidents", tmp_path / "incidents.jsonl", "--assignments", tmp_path / "fates.jsonl"),
        *("--log", tmp_path / "log.jsonl"),
    )
    assert [(rule["name"], rule["firing"], rule["only"]) for rule in found["rules"]] == [("DbDown", 1, 1)]


def test_feedback_makes_the_figures_that_only_humans_can(tmp_path: Path, folder: Path) -> None:
    top = told("--incidents", folder / "incidents.jsonl")["top"][0]
    words = [
        {"incident_id": top["incident_id"], "action": "acknowledge", "at": top["opened_at"], "by": "ann", "id": "1"},
        {"incident_id": "no-such-incident", "action": "noise", "at": top["opened_at"]},
    ]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(word) + "\n" for word in words))
    found = told(*files(folder), "--feedback", tmp_path / "said.jsonl")
    assert found["response"]["acknowledge"] == {"count": 1, "mean": 0.0, "p50": 0.0, "p90": 0.0}
    assert found["worth"]["taken"] == 1
    assert any("1 incidents that are not among these" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--incidents or --kafka"),
        (["--incidents", "x", "--kafka"], "--incidents or --kafka"),
        (["--incidents", "x", "--alerts", "a"], "--assignments"),
        (["--incidents", "x", "--assignments", "a", "--days", "3"], "no time"),
        (["--incidents", "x", "--from", "yesterday"], "yesterday"),
        (["--incidents", "x", "--format", "csv"], "--out FOLDER"),
        (["--incidents", "x", "--out", "x"], "--out FOLDER"),
        (["--incidents", "x", "--time-zone", "Mars/Base"], "Mars/Base"),
    ],
)
def test_bad_usage_says_what_is_wrong(arguments: list[str], says: str) -> None:
    done = invoke("report", *arguments)
    assert done.exit_code == 2
    assert says in done.output


def test_sheets_hold_the_figures_of_the_report(tmp_path: Path, folder: Path) -> None:
    found = told(*files(folder))
    done = invoke("report", *files(folder), "--format", "csv", "--out", tmp_path / "sheets")
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.split()) == sorted(map(str, (tmp_path / "sheets").iterdir()))
    sheets = {path.stem: table(path) for path in (tmp_path / "sheets").iterdir()}
    figures = {row["figure"]: row["value"] for row in sheets["figures"]}
    assert figures["pages"] == str(found["pages"])
    assert float(figures["noise_reduction"]) == found["noise_reduction"]
    assert [row["incident_id"] for row in sheets["incidents"]] == [one["incident_id"] for one in found["top"]]
    for name in ("teams", "services"):
        assert [row["team"] for row in sheets[name]] == [line["team"] for line in found[name]]
        assert sum(int(row["firing"]) for row in sheets[name]) == found["noise"]["firing"]
        assert sum(int(row["pages"]) for row in sheets[name]) == found["pages"]
    assert {row["team"]: row["sleep"] for row in sheets["load"]} == {
        team: str(load["sleep"]) for team, load in found["load"].items()
    }


def table(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_title_is_one_cell_and_no_formula(tmp_path: Path) -> None:
    title = '=HYPERLINK("http://x";"a, b")\nsecond line'
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(event(), title=title)) + b"\n")
    assert invoke("report", "--incidents", path, "--format", "csv", "--out", tmp_path).exit_code == 0
    (row,) = table(tmp_path / "incidents.csv")
    assert row["title"] == f"'{title}"
    assert row["opened_at"] == "2026-03-02T00:00:00.000Z"
    assert {line["figure"]: line["value"] for line in table(tmp_path / "figures.csv")}["noise_reduction"] == ""


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(msgspec.json.encode(event()) + b"\n")
    done = invoke("report", "--incidents", path, "--format", "csv", "--out", path)
    assert isinstance(done.exception, ConfigError)
    assert str(path) in str(done.exception)


@pytest.mark.parametrize("line", [b"no json", b'{"incident_id": "x"}', b"\xff\xfe", b"[]"])
def test_a_bad_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(msgspec.json.encode(event()) + b"\n" + line + b"\n")
    done = invoke("report", "--incidents", path)
    assert isinstance(done.exception, ConfigError)
    assert f"{path}: line 2" in str(done.exception)


def test_assignments_of_other_alerts_are_refused(tmp_path: Path, folder: Path) -> None:
    other = tmp_path / "alerts.jsonl"
    other.write_text(
        '{"id": "z", "status": "firing", "name": "N", "service": "s", "starts_at": "2026-03-02T00:00:00Z"}\n'
    )
    done = invoke(
        *("report", "--incidents", folder / "incidents.jsonl"),
        *("--assignments", folder / "fates.jsonl", "--alerts", other),
    )
    assert isinstance(done.exception, ConfigError)
    assert "not of these alerts" in str(done.exception)
