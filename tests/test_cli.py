"""The command line, as a user runs it: what is written where, the exit code, and one sentence for each mistake."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from correlator.cli import main
from correlator.domain import Feedback, FeedbackAction, FeedbackSource, rfc3339
from correlator.formats import log
from tests.engine.drive import START, event
from tests.test_replay import line

REPOSITORY = Path(__file__).parents[1]
TOPOLOGY = {
    "services": [
        {"name": "web"},
        {"name": "api", "owner": "core"},
        {"name": "db", "aliases": ["pg"]},
        {"name": "cron"},
    ],
    "dependencies": [{"from": "web", "to": "api"}, {"from": "api", "to": "db"}],
}
LINES = [
    line("db", 0),
    line("api", 0.1),
    line("web", 0.2),
    line("db", 30, "resolved", started=0),
    line("api", 30, "resolved", started=0.1),
    line("web", 30, "resolved", started=0.2),
]


class Done(NamedTuple):
    """How a run of the command line ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


def correlator(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """Run the command line in this process, with its own standard streams; a Python of its own takes a second each."""
    out, errors = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(stream, write_through=True) for stream in (io.BytesIO(stdin), out, errors)]
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv = ["correlator", *map(str, arguments)]
    sys.stdin, sys.stdout, sys.stderr = streams
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except Exception:
        code = 1
        traceback.print_exc()
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    return Done(code, out.getvalue(), errors.getvalue())


def test_the_program_runs_as_a_module_of_a_python_of_its_own(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "correlator", "replay", "--alerts", "-", "--summary", "json"],
        cwd=REPOSITORY,
        input=(folder / "alerts.jsonl").read_bytes(),
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout)["events"] == len(LINES)
    assert done.stderr == b""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topology.json").write_text(json.dumps(TOPOLOGY))
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    return tmp_path


def replayed(folder: Path, alerts: str | Path, *more: str | Path, stdin: bytes = b"") -> tuple[bytes, ...]:
    """Replay and return the incidents and the assignments that were written."""
    out = [folder / "incidents.jsonl", folder / "assignments.jsonl"]
    done = correlator("replay", "--alerts", alerts, "--topology", folder / "topology.json", "--incidents", out[0],
                      "--assignments", out[1], *more, stdin=stdin)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return tuple(path.read_bytes() for path in out)


def test_every_way_of_giving_the_alerts_gives_the_same_bytes(folder: Path) -> None:
    plain = (folder / "alerts.jsonl").read_bytes()
    (folder / "alerts.jsonl.gz").write_bytes(gzip.compress(plain))
    (folder / "alerts.jsonl.zst").write_bytes(zstandard.compress(plain))
    (folder / "crlf.jsonl").write_bytes(plain.replace(b"\n", b"\r\n").rstrip())
    first = replayed(folder, folder / "alerts.jsonl")
    assert len(first[0].splitlines()) >= 2 and len(first[1].splitlines()) == len(LINES)
    for name in ("alerts.jsonl", "alerts.jsonl.gz", "alerts.jsonl.zst", "crlf.jsonl"):
        assert replayed(folder, folder / name) == first
    assert replayed(folder, "-", stdin=plain) == first


def test_the_summary_is_text_or_json_on_standard_output(folder: Path) -> None:
    arguments = ("replay", "--alerts", folder / "alerts.jsonl", "--topology", folder / "topology.json")
    summary = json.loads(correlator(*arguments, "--summary", "json").stdout)
    assert (summary["events"], summary["firing_events"], summary["rejected"], summary["pages"]) == (6, 3, 0, 1)
    assert sum(summary["dispositions"].values()) == 6
    assert summary["noise_reduction"] == pytest.approx(2 / 3, abs=1e-3)
    text = correlator(*arguments).stdout.decode()
    for word in ("events  6", "alerts  3", "incidents  1", "pages  1", "noise reduction  66.7%", "events per second"):
        assert word in text


def test_a_bad_line_is_written_aside_and_only_strict_minds(folder: Path) -> None:
    alerts, rejected = folder / "alerts.jsonl", folder / "rejected.jsonl"
    alerts.write_bytes(LINES[0] + b"\nnonsense\n\n" + LINES[1] + b"\n")
    arguments = ("replay", "--alerts", alerts, "--rejected", rejected, "--assignments", folder / "a.jsonl")
    assert correlator(*arguments).returncode == 0
    assert [json.loads(one)["line"] for one in rejected.read_bytes().splitlines()] == [2]
    strict = correlator(*arguments, "--strict")
    assert strict.returncode == 1 and b"Traceback" not in strict.stderr


def test_a_value_can_be_overridden_and_the_incidents_name_another_configuration(folder: Path) -> None:
    plain = replayed(folder, folder / "alerts.jsonl")
    other = replayed(folder, folder / "alerts.jsonl", "--set", "resolve_after_seconds=60")
    versions = [{json.loads(one)["versions"]["config"] for one in run[0].splitlines()} for run in (plain, other)]
    assert versions[0].isdisjoint(versions[1])
    assert json.loads(other[0].splitlines()[-1])["resolved_at"] < json.loads(plain[0].splitlines()[-1])["resolved_at"]


def test_feedback_in_a_dump_acts_where_its_incident_is_and_is_written_once(tmp_path: Path) -> None:
    def dumped(partition: int, record: log.Part) -> str:
        value = json.loads(log.encode(record))
        return json.dumps({"partition": partition, "offset": 0, "timestamp": record.at, "value": value}) + "\n"

    alerts = log.Alerts(at=START, events=[event("db", "ServiceDown", 0)])
    begin = dumped(1, alerts) + dumped(1, log.Tick(at=START + 60_000))
    dump, out, words = tmp_path / "dump.jsonl", tmp_path / "incidents.jsonl", tmp_path / "feedback.jsonl"

    def replay() -> list[str]:
        done = correlator("replay", "--log", dump, "--model", "none", "--incidents", out, "--feedback-out", words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["action"] for line in out.read_text().splitlines()]

    dump.write_text(begin)
    assert replay() == ["opened"] and words.read_text() == ""
    word = Feedback(
        incident_id=json.loads(out.read_text())["incident_id"],
        action=FeedbackAction.RESOLVE,
        at=rfc3339(START + 61_000),
        source=FeedbackSource.HTTP,
        id="d1",
    )
    said = log.Said(at=START + 62_000, feedback=word)
    dump.write_text(begin + "".join(dumped(partition, said) for partition in (0, 1, 2, 1)))
    assert replay() == ["opened", "resolved"]
    (line_,) = words.read_text().splitlines()
    assert json.loads(line_) == {
        "incident_id": word.incident_id,
        "action": "resolve",
        "at": "2023-11-14T22:14:21.000Z",
        "by": None,
        "source": "http",
        "id": "d1",
        "to": None,
        "to_person": False,
        "root": None,
        "into": None,
        "services": [],
        "alerts": [],
    }


def test_without_a_topology_the_replay_still_runs(folder: Path) -> None:
    done = correlator("replay", "--alerts", folder / "alerts.jsonl", "--summary", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["pages"] >= 1


def test_an_empty_input_is_a_replay_of_nothing(folder: Path) -> None:
    done = correlator("replay", "--alerts", "-", "--summary", "json", stdin=b"")
    assert done.returncode == 0 and json.loads(done.stdout)["events"] == 0


# -- mistakes ------------------------------------------------------------------------------------------------------


def complaint(done: Done, code: int) -> str:
    """Return what was said on standard error of a run that ended with `code`."""
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert text.strip() and "Traceback" not in text
    assert len(text) < 1000
    return text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), ["--alerts", "--log"]),
        (("replay", "--alerts", "alerts.jsonl", "--log", "dump.jsonl"), ["--alerts", "--log"]),
        (("replay", "--alerts", "a.jsonl", "--feedback-out", "f.jsonl"), ["--feedback-out needs --log"]),
        (("replay", "--alerts", "missing.jsonl"), ["missing.jsonl", "No such file"]),
        (("replay", "--alerts", "missing.jsonl.gz"), ["missing.jsonl.gz", "No such file"]),
        (("replay", "--alerts", "."), ["Is a directory"]),
        (("replay", "--alerts", "alerts.jsonl", "--topology", "missing.json"), ["missing.json", "No such file"]),
        (("replay", "--alerts", "alerts.jsonl", "--topology", "bad.json"), ["bad.json", "services[0]", "edges"]),
        (("replay", "--alerts", "alerts.jsonl", "--config", "missing.toml"), ["missing.toml"]),
        (("replay", "--alerts", "-", "--config", "bad.toml"), ["bad.toml", "max_hop: unknown key", "max_hops"]),
        (("replay", "--alerts", "alerts.jsonl", "--set", "max_hops"), ["max_hops", "key=value"]),
        (("replay", "--alerts", "alerts.jsonl", "--set", "max_hops=9"), ["max_hops"]),
        (("replay", "--alerts", "alerts.jsonl", "--set", "kafka=9"), ["kafka"]),
        (("replay", "--alerts", "alerts.jsonl", "--incidents", "nowhere/out.jsonl"), ["nowhere/out.jsonl"]),
        (("replay", "--alerts", "alerts.jsonl", "--summary", "xml"), ["--summary"]),
        (("replay", "--alerts", "alerts.jsonl", "--colour", "red"), ["--colour"]),
        (("check-config", "--config", "bad.toml"), ["bad.toml", "max_hop: unknown key", "max_hops"]),
        (("topology", "check", "bad.json"), ["bad.json", "services[0]", "edges"]),
        (("topology", "show", "topology.json", "--service", "nobody"), ["topology.json", "nobody"]),
        (("nonsense",), ["nonsense"]),
    ],
)  # fmt: skip
def test_a_mistake_of_the_user_ends_with_two_and_names_what_is_wrong(
    arguments: tuple[str, ...], words: list[str], folder: Path
) -> None:
    (folder / "bad.json").write_text('{"services": [{"nam": "x"}], "dependencies": [], "edges": []}')
    (folder / "bad.toml").write_text("max_hop = 1\nmax_hops = 7\n")
    names = {path.name for path in folder.iterdir()} | {
        "missing.jsonl",
        "missing.jsonl.gz",
        "missing.json",
        "missing.toml",
    }
    given = [str(folder / name) if name in names or name in (".", "nowhere/out.jsonl") else name for name in arguments]
    text = complaint(correlator(*given), 2)
    for word in words:
        assert word in text


@pytest.mark.parametrize("name", ["alerts.jsonl.gz", "alerts.jsonl.zst"])
def test_a_damaged_archive_ends_with_one_sentence_that_names_it(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b"no archive at all")
    assert name in complaint(correlator("replay", "--alerts", folder / name), 1)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_archive_ends_with_one_sentence_that_names_it(suffix: str, folder: Path) -> None:
    plain = b"\n".join(line("db", number / 100, id=os.urandom(16).hex()) for number in range(300))
    packed = gzip.compress(plain) if suffix == "gz" else zstandard.compress(plain)
    path = folder / f"cut.jsonl.{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    assert path.name in complaint(correlator("replay", "--alerts", path), 1)


# -- the small commands --------------------------------------------------------------------------------------------


def test_the_help_tells_of_every_command() -> None:
    text = correlator("--help").stdout.decode()
    for command in ("replay", "worker", "pager", "topics", "dump", "check-config", "topology", "simulate", "score"):
        assert command in text
    assert correlator("--version").stdout


def test_the_configuration_is_checked_with_its_topology(folder: Path) -> None:
    (folder / "good.toml").write_text(f'[worker]\ntopology = "{folder / "topology.json"}"\n')
    done = correlator("check-config", "--config", folder / "good.toml")
    assert done.returncode == 0 and b"4 services, 2 dependencies" in done.stdout
    (folder / "topology.json").write_text("{}")
    assert "topology.json" in complaint(correlator("check-config", "--config", folder / "good.toml"), 2)


def test_a_topology_is_checked_and_shown(folder: Path) -> None:
    checked = correlator("topology", "check", folder / "topology.json")
    assert checked.returncode == 0 and b"cron" in checked.stdout
    shown = correlator("topology", "show", folder / "topology.json").stdout.decode()
    assert "api (service) [core] -> db" in shown
    one = correlator("topology", "show", folder / "topology.json", "--service", "pg").stdout.decode()
    assert "depended on: api" in one and "blast radius: api, web" in one


def test_a_topology_is_checked_against_the_services_of_alerts(folder: Path) -> None:
    alerts = [
        {"labels": {"alertname": "N", **labels}, "startsAt": "2026-11-23T03:28:10Z"}
        for labels in ({"service": "pg"}, {"service": "api-service"}, {"service": "shop"}, {"service": "shop"}, {})
    ]
    check: list[str | Path] = ["topology", "check", folder / "topology.json", "--alerts", "-"]
    told = correlator(*check, stdin=json.dumps(alerts).encode()).stdout.decode().splitlines()
    assert told[-4:] == [
        "note: 1 of 5 firings are of services in the graph",
        "note: 1 firings name no service in any of naming.service_labels",
        "note: shop, 2 firings, is not in the graph",
        "note: api-service, 1 firings, is not in the graph; an alias of api?",
    ]
    none = correlator(*check, "--set", "naming.service_labels=[]", stdin=json.dumps(alerts).encode()).stdout
    assert b"5 firings name no service" in none


def test_a_topology_is_drawn_whole_or_around_a_service(folder: Path) -> None:
    out = folder / "graph.svg"
    assert correlator("topology", "show", folder / "topology.json", "--svg", out).returncode == 0
    assert out.read_text().count('<g class="service">') == 4
    assert correlator("topology", "show", folder / "topology.json", "--service", "db", "--svg", out).returncode == 0
    assert "cron" not in out.read_text() and out.read_text().count('<g class="service">') == 3


def test_an_imported_topology_is_one_that_a_replay_takes(folder: Path) -> None:
    links = folder / "links.json"
    links.write_text('[{"parent":"web","child":"cache","callCount":40},{"parent":"x","child":""}]')
    out, report = folder / "imported.yaml", folder / "report.json"
    done = correlator("topology", "import", "--source", f"file={folder / 'topology.json'}",
                      "--source", f"zipkin={links},name=traces", "--out", out, "--report", report)  # fmt: skip
    assert done.returncode == 0
    assert b"traces: link 1: has no parent and child" in done.stderr
    assert b"5 services, 3 dependencies" in correlator("topology", "check", out).stdout
    told = {(edge["source"], edge["to"]): edge for edge in json.loads(report.read_text())["provenance"]}
    assert told["web", "cache"]["observed_by"] == ["traces"] and told["web", "api"]["declared_by"] == ["file"]
    replayed = correlator("replay", "--alerts", folder / "alerts.jsonl", "--topology", out)
    assert replayed.returncode == 0


def test_an_import_is_written_whole_or_not_at_all(folder: Path) -> None:
    out = folder / "imported.json"
    sources = ("--source", f"file={folder / 'topology.json'}", "--source", "zipkin=missing.json", "--out", out)
    text = complaint(correlator("topology", "import", *sources), 1)
    assert "missing.json" in text and not out.exists()
    assert correlator("topology", "import", *sources, "--keep-going").returncode == 0
    assert json.loads(out.read_text())["dependencies"]


def test_drift_is_told_and_fails_only_where_it_is_asked_to(folder: Path) -> None:
    links = folder / "links.json"
    links.write_text('[{"parent":"web","child":"cache","callCount":40}]')
    sources = ("--source", f"file={folder / 'topology.json'}", "--source", f"zipkin={links}")
    done = correlator("topology", "drift", *sources)
    assert done.returncode == 0
    assert "declared, but never observed: 1\n  web -> api  [file]" in done.stdout.decode()
    assert "observed, but not declared: 1\n  web -> cache  [zipkin, 40 calls" in done.stdout.decode()
    assert correlator("topology", "drift", *sources, "--strict").returncode == 1
    assert json.loads(correlator("topology", "drift", *sources, "--json").stdout)["agreed"] == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nonsense", ["TYPE=PLACE"]),
        ("nosuch=x", ["nosuch", "zipkin"]),
        ("zipkin=x,windowseconds=3", ["windowseconds: unknown key"]),
        ("backstage=http://x,token_env=NO_SUCH_VARIABLE", ["NO_SUCH_VARIABLE is not set"]),
    ],
)
def test_a_source_that_is_written_wrong_is_told_in_one_sentence(source: str, words: list[str]) -> None:
    text = complaint(correlator("topology", "import", "--source", source), 2)
    for word in words:
        assert word in text


def test_an_import_without_sources_is_a_mistake() -> None:
    assert "topology.sources" in complaint(correlator("topology", "import"), 2)


@pytest.mark.parametrize("option", ["--incidents", "--assignments", "--rejected"])
def test_a_full_disk_is_told_in_one_sentence_that_names_the_file(tmp_path: Path, option: str) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_bytes(b"\n".join([*LINES, b"rubbish"]))
    done = correlator("replay", "--alerts", alerts, option, full)
    assert (done.returncode, done.stderr) == (1, b"error: /dev/full: No space left on device\n")


def test_a_full_disk_for_what_waits_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    # More events without a verdict than are kept in memory.
    alerts.write_bytes(b"\n".join(line("db", number / 10_000) for number in range(25_000)))
    limited = (
        "import resource; from correlator.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); main()"
    )
    command = [sys.executable, "-c", limited, "replay", "--alerts", str(alerts), "--assignments", os.devnull]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path}, for temporary files: File too large\n")
