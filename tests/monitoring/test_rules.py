"""Rules and alerts of deploy/prometheus: each alert fires when it should, is quiet when it should, has a runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.metrics import exported, named
from tests.monitoring.timelines import PAIRS, Timeline

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "deploy" / "prometheus"
FILES = (FOLDER / "rules.yml", FOLDER / "alerts.yml")
RULES = [
    rule
    for path in FILES
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool, or skip the test."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs the program promtool (Debian: prometheus)")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)


def test_promtool_takes_the_rules() -> None:
    checked = promtool("check", "rules", *FILES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_timeline_on_which_it_fires_and_one_on_which_it_does_not() -> None:
    assert set(PAIRS) == set(ALERTS)
    assert [name for name, pair in PAIRS.items() if pair.quiet is None] == ["CorrelatorWatchdog"]


@pytest.mark.long
def test_every_alert_fires_where_it_should_and_nowhere_else(tmp_path: Path) -> None:
    cases = [case(name, pair.fires, fires=True) for name, pair in PAIRS.items()]
    cases += [case(name, pair.quiet, fires=False) for name, pair in PAIRS.items() if pair.quiet]
    assert run(tmp_path, cases) == ""


def test_a_timeline_that_does_not_do_what_it_says_is_noticed(tmp_path: Path) -> None:
    pair = PAIRS["CorrelatorAbsent"]
    assert pair.quiet is not None
    assert "CorrelatorAbsent" in run(tmp_path, [case("CorrelatorAbsent", pair.quiet, fires=True)])


def test_the_recorded_figures_follow_their_formulas(tmp_path: Path) -> None:
    """Of 2000 firings 1500 are repeats, 300 suppressed and 200 in 10 incidents, each of which paged."""

    def grows(total: int) -> str:
        return f"0+{total}x100 {100 * total}x50"

    fates = {"duplicate": ("repeat", 1500), "suppressed": ("background", 300), "attached": ("explained", 190)}
    fates["opened"] = ("root_of_incident", 10)
    series = {
        f'correlator_events_total{{disposition="{name}", reason="{reason}"}}': grows(total)
        for name, (reason, total) in fates.items()
    }
    series['correlator_alerts_received_total{status="firing"}'] = grows(2000)
    series['correlator_incidents_opened_total{team="a"}'] = grows(10)
    series['correlator_pages_total{team="a"}'] = grows(10)
    expected = {
        "correlator:noise_reduction:ratio_rate1d": 0.995,
        "correlator:deduplication:ratio_rate1d": 0.75,
        "correlator:suppression:ratio_rate1d": 0.6,
        "correlator:correlation:ratio_rate1d": 0.95,
    }
    asked = [
        {"expr": f"round({name}, 0.0001)", "eval_time": "120m", "exp_samples": [{"labels": "{}", "value": value}]}
        for name, value in expected.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    assert run(tmp_path, [{"interval": "1m", "input_series": inputs, "promql_expr_test": asked}]) == ""


def case(name: str, timeline: Timeline, *, fires: bool) -> dict[str, Any]:
    """Return a case of `promtool test rules`: how many alerts of this name fire at the end of a timeline."""
    count = f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) > 0'
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in timeline.series.items()],
        "promql_expr_test": [
            {
                "expr": count,
                "eval_time": f"{timeline.at}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def run(folder: Path, cases: list[dict[str, Any]]) -> str:
    """Return what promtool complains of; on long timelines it looks every five minutes, for the sake of time."""
    said = ""
    for minutes, some in ((1, [one for one in cases if not _long(one)]), (5, [one for one in cases if _long(one)])):
        path = folder / f"every{minutes}m.yml"
        files = [str(file) for file in FILES]
        path.write_text(json.dumps({"rule_files": files, "evaluation_interval": f"{minutes}m", "tests": some}))
        done = promtool("test", "rules", path)
        said += "" if done.returncode == 0 else done.stdout + done.stderr
    return said


def _long(case: dict[str, Any]) -> bool:
    return any(int(test["eval_time"].removesuffix("m")) > 300 for test in case["promql_expr_test"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_happens_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert name.startswith("Correlator")
    assert rule["labels"]["severity"] in ("critical", "warning", "none")
    assert rule["labels"]["component"] == "correlator"
    assert rule["annotations"]["summary"]
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert f"\n## {name}\n" in runbook
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (Correlator\w+)$", runbook, re.MULTILINE)) == set(ALERTS)


def test_every_metric_that_rules_name_is_exported_or_recorded() -> None:
    for rule in RULES:
        assert named(rule["expr"]) <= exported() | RECORDED, rule
    told = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`((?:\w+:)+[\w:]+)`", told)) <= RECORDED
