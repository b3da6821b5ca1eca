"""The scorer as a user meets it: four files in, text or JSON out."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from correlator.errors import ConfigError
from correlator.scoring import run
from correlator.scoring.inputs import read_alerts, read_truth

EVENTS = [
    {"id": "e0", "status": "firing", "name": "Down", "service": "db", "starts_at": "2026-01-01T00:00:00Z"},
    {"id": "e1", "status": "firing", "name": "Slow", "service": "web", "starts_at": "2026-01-01T00:00:10Z"},
]
TRUTH = {
    "cases": [
        {
            "case": "c",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-01T00:05:00Z",
            "fault_type": "x",
            "roots": ["db"],
        }
    ],
    "labels": {"e0": "c", "e1": "c"},
}
INCIDENT = {
    "schema": "incident-event/1",
    "incident_id": "incident-1",
    "revision": 1,
    "action": "opened",
    "page": True,
    "published_at": "2026-01-01T00:00:40.000Z",
    "merged_into": None,
    "root_cause": {
        "service": "db",
        "confidence": 0.7,
        "candidates": [{"service": "db", "probability": 0.7}, {"service": "web", "probability": 0.3}],
    },
}


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def replay_files(folder: Path) -> tuple[Path, Path, Path, Path]:
    assignments = [{"event_id": event["id"], "incident_id": "incident-1"} for event in EVENTS]
    return (
        written(folder, "alerts.jsonl", lines(*EVENTS)),
        written(folder, "truth.json", json.dumps(TRUTH).encode()),
        written(folder, "assignments.jsonl", lines(*assignments)),
        written(folder, "incidents.jsonl", lines(INCIDENT)),
    )


def test_a_replay_is_scored_from_its_files(tmp_path: Path) -> None:
    document = json.loads(run(*replay_files(tmp_path), as_json=True))
    found = document["figures"]
    assert (found["top1"], found["page_top1"], found["time_to_page_p50"], found["pages"]) == (1, 1, 40, 1)
    assert found["brier_end"] == pytest.approx(0.09)
    assert found["chance"] == 1 / 2
    assert document["cases"][0]["main_incident"] == "incident-1"


def test_the_text_shows_every_figure_and_the_reliability_table(tmp_path: Path) -> None:
    text = run(*replay_files(tmp_path), as_json=False, services=10)
    rows = {" ".join(line.split()[:-1]): line.split()[-1] for line in text.splitlines() if line.startswith("  ")}
    assert (rows["pages per case"], rows["chance"], rows["pairwise precision"]) == ("1.000", "0.100", "1.000")
    assert "  0.7-0.8:    1 stated 0.70, right 1.00" in text


def test_compressed_streams_read_as_plain_ones(tmp_path: Path) -> None:
    plain = read_alerts(written(tmp_path, "alerts.jsonl", lines(*EVENTS)))
    assert len(plain) == 2
    assert read_alerts(written(tmp_path, "a.jsonl.gz", gzip.compress(lines(*EVENTS)))) == plain
    assert read_alerts(written(tmp_path, "a.jsonl.zst", zstandard.compress(lines(*EVENTS)))) == plain


def test_a_line_that_is_no_alert_keeps_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "alerts.jsonl", lines(EVENTS[0]) + b"{broken\n\n" + lines(EVENTS[1]))
    assert [(alert.event_id, alert.position) for alert in read_alerts(path)] == [("e0", 0), ("e1", 2)]


def test_arrival_time_never_goes_back(tmp_path: Path) -> None:
    alerts = read_alerts(written(tmp_path, "alerts.jsonl", lines(EVENTS[1], EVENTS[0])))
    assert [alert.arrived_at for alert in alerts] == [alerts[0].starts_at] * 2


def test_copies_of_two_senders_are_one_alert_and_two_pods_are_two(tmp_path: Path) -> None:
    events = [EVENTS[0] | {"labels": {"replica": name}} for name in ("r1", "r2")]
    events += [EVENTS[0] | {"labels": {"pod": name}} for name in ("p1", "p2")]
    identities = [alert.identity for alert in read_alerts(written(tmp_path, "alerts.jsonl", lines(*events)))]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 3


def test_standing_alerts_are_no_alerts_of_the_case(tmp_path: Path) -> None:
    standing = TRUTH | {"labels": {"e0": "c|standing", "e1": "c"}}
    assert read_truth(written(tmp_path, "truth.json", json.dumps(standing).encode())).labels == {"e1": "c"}


def test_what_is_wrong_with_a_file_is_named(tmp_path: Path) -> None:
    stray = TRUTH | {"labels": {"e0": "d"}}
    with pytest.raises(ConfigError, match=r"truth\.json: labels: no case is named 'd'"):
        read_truth(written(tmp_path, "truth.json", json.dumps(stray).encode()))
    alerts, truth, assignments, incidents = replay_files(tmp_path)
    incidents.write_bytes(lines(INCIDENT) + b'{"incident_id": 3}\n')
    with pytest.raises(ConfigError, match=r"incidents\.jsonl: line 2: "):
        run(alerts, truth, assignments, incidents, as_json=True)
    with pytest.raises(ConfigError, match=r"absent\.jsonl"):
        run(alerts, truth, tmp_path / "absent.jsonl", incidents, as_json=True)
