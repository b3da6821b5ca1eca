"""`correlator explain` as a user runs it: from a file, from a dump of the log, as text, data and picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator import rankers, warm
from correlator.engine.state import Background, ScopeWarmth, WarmStart
from correlator.explain.course import Step
from correlator.explain.sources import from_alerts
from correlator.explain.values import Explanation, Fate
from correlator.formats import log
from tests.explain.stage import Stage
from tests.test_cli import Done, correlator


class Files:
    """A story in files, replayed."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.alerts, self.topology = folder / "alerts.jsonl", folder / "topology.json"
        self.incidents, self.dump = folder / "incidents.jsonl", folder / "log.jsonl"
        self.alerts.write_bytes(b"\n".join(stage.lines) + b"\n")
        self.topology.write_text(json.dumps(stage.topology))
        with self.alerts.open("rb") as source, self.dump.open("wb") as dump:
            steps = list(from_alerts(stage.config, stage.graph, source))
            # A log stops where it stops; the clock ran on until all was over.
            steps.append(Step(0, log.Tick(at=steps[-1].record.at + 7_200_000)))
            for number, step in enumerate(steps):
                value = msgspec.Raw(log.encode(step.record))
                record = {"partition": step.partition, "offset": number, "timestamp": step.record.at, "value": value}
                dump.write(msgspec.json.encode(record) + b"\n")
        self.run("replay", "--alerts", self.alerts, "--incidents", self.incidents)
        self.published = [json.loads(line) for line in self.incidents.read_bytes().splitlines()]
        self.id = self.published[0]["incident_id"]

    def run(self, *arguments: str | Path) -> Done:
        done = correlator(*arguments, "--topology", self.topology)
        assert done.returncode == 0, done.stderr
        return done

    def explain(self, *arguments: str | Path) -> Any:
        return json.loads(self.run("explain", *arguments, "--format", "json").stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, Stage.of_story("cascade-symptoms-first"))


def test_the_text_names_the_root_the_tree_and_what_would_turn_it(files: Files) -> None:
    text = files.run("explain", files.id, "--revision", "1", "--alerts", files.alerts).stdout.decode()
    first = files.published[0]
    assert text.startswith(
        f"{first['title']}\nincident {files.id}, revision 1 of {len(files.published)} (opened, page)"
    )
    assert f"\nWhy {first['root_cause']['service']}\n" in text
    for service in first["services"]:
        assert f"{service}: " in text
    assert "What would make another service the root" in text and "changes were applied" in text


def test_that_faults_were_frequent_of_late_is_said_where_it_counts(files: Files) -> None:
    first = files.run("explain", files.id, "--revision", "1", "--alerts", files.alerts).stdout.decode()
    assert "as frequent as usual" not in first
    # Once somebody was paged, the next fault in so small a system is likelier.
    last = files.run("explain", files.id, "--alerts", files.alerts).stdout.decode()
    assert "faults were 1.8 times as frequent as usual here of late (+0.6 nats)" in last


def test_a_dump_of_the_log_is_explained_as_the_alerts_are(files: Files) -> None:
    common = (files.id, "--revision", "1", "--no-changes")
    assert files.explain(*common, "--log", files.dump) == files.explain(*common, "--alerts", files.alerts)


def test_what_a_log_names_decides_and_not_the_configuration(files: Files) -> None:
    at = json.loads(files.dump.read_bytes().splitlines()[0])["timestamp"]
    plain = log.ModelVersion(at=at, version=rankers.version(None), document=msgspec.Raw(rankers.document(None)))
    learned = ScopeWarmth(until=at - 86_400_000, background=Background(since=at - 10**9, seen=1), habits={})
    start = warm.record(WarmStart(scope="default", version="w1", learned=learned), at)
    first = b"".join(
        b'{"partition":0,"offset":0,"timestamp":%d,"value":%s}\n' % (at, log.encode(record))
        for record in (plain, start)
    )
    files.dump.write_bytes(first + files.dump.read_bytes())
    found = msgspec.convert(files.explain(files.id, "--revision", "1", "--log", files.dump), Explanation)
    assert found.versions.model == f"{rankers.version(None)}+w1"
    # What would have been otherwise is tried with the same.
    by_alerts = files.explain(files.id, "--revision", "1", "--alerts", files.alerts, "--model", "none")
    assert [rival.service for rival in found.rivals] == [rival["service"] for rival in by_alerts["rivals"]]
    files.run("replay", "--log", files.dump, "--incidents", files.incidents)
    assert json.loads(files.incidents.read_bytes().splitlines()[0])["versions"]["model"] == found.versions.model


def test_a_warm_start_is_for_alerts(files: Files) -> None:
    for command in (("replay",), ("explain", files.id)):
        done = correlator(*command, "--log", files.dump, "--warm", files.dump.parent, "--topology", files.topology)
        assert done.returncode == 2 and b"--warm needs --alerts" in done.stderr


def test_the_data_is_of_its_schema_and_says_whether_it_was_published_so(files: Files) -> None:
    common = (files.id, "--no-changes", "--alerts", files.alerts, "--incidents", files.incidents)
    found = msgspec.convert(files.explain(*common), Explanation)
    assert (found.schema, found.as_published, found.revision) == ("explanation/1", True, len(files.published))
    otherwise = files.explain(*common, "--set", "page_probability=0.99", "--model", "none")
    assert otherwise["as_published"] is False
    assert files.explain(*common[:-2])["as_published"] is None


def test_the_picture_has_a_box_for_every_node_and_a_line_for_every_cause(files: Files, tmp_path: Path) -> None:
    picture = tmp_path / "tree.svg"
    found = files.explain(files.id, "--no-changes", "--alerts", files.alerts, "--svg", picture)
    drawn = ElementTree.fromstring(picture.read_text())
    space = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f".//{space}rect")) == len(found["members"])
    assert len(drawn.findall(f".//{space}path")) == sum(member["parent"] is not None for member in found["members"])
    corners = [(box.get("x"), box.get("y")) for box in drawn.findall(f".//{space}rect")]
    assert len(set(corners)) == len(corners)


def test_an_alert_is_explained_by_its_events_id_and_by_its_fingerprint(files: Files) -> None:
    by_id = msgspec.convert(files.explain("--alert", "e7", "--alerts", files.alerts), Fate)
    assert (by_id.schema, by_id.service, by_id.incident_id) == ("fate/1", "db", files.id)
    by_fingerprint = files.explain("--alert", by_id.fingerprint, "--alerts", files.alerts)
    assert by_fingerprint == files.explain("--alert", "e7", "--alerts", files.alerts)
    assert files.run("explain", "--alert", "e7", "--alerts", files.alerts).stdout.startswith(
        b"db: PostgresDown (critical)"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing", "--alerts", "{alerts}"], 1, "error: no incident nothing comes of this input"),
        (["{id}", "--revision", "9", "--alerts", "{alerts}"], 1, "has no revision 9 with alerts; it has 1, 2, 3"),
        (["--alert", "nothing", "--alerts", "{alerts}"], 1, "error: no alert nothing is in this input"),
        (["--alerts", "{alerts}"], 2, "give either INCIDENT_ID or --alert"),
        (["{id}", "--alerts", "{alerts}", "--log", "{alerts}"], 2, "give either --alerts or --log"),
        (["{id}", "--alerts", "{alerts}", "--incidents", "/nowhere/at/all"], 2, "/nowhere/at/all: No such file"),
        (["{id}", "--log", "{alerts}"], 1, "error: line 1: "),
    ],
)
def test_a_mistake_is_one_clear_sentence(files: Files, arguments: list[str], code: int, words: str) -> None:
    given = [argument.format(alerts=files.alerts, id=files.id) for argument in arguments]
    done = correlator("explain", *given, "--topology", files.topology)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode() and "Traceback" not in done.stderr.decode()
