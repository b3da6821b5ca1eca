"""The dashboard of deploy/grafana: what it asks for can be asked, and is there."""

from __future__ import annotations

import json
import re
import runpy
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.monitoring.metrics import exported, named
from tests.monitoring.test_rules import RECORDED, REPOSITORY, promtool

FOLDER = REPOSITORY / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "correlator.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_the_file_is_what_the_generator_writes() -> None:
    written = runpy.run_path(str(FOLDER / "generate.py"))["written"]
    assert written() == (FOLDER / "correlator.json").read_text(encoding="utf-8")


def test_every_expression_parses(tmp_path: Path) -> None:
    """As rules that promtool checks, with values in place of the variables."""
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$\w+", ".*", expr.replace("$__rate_interval", "5m"))}
        for number, expr in enumerate(EXPRESSIONS)
    ]
    path = tmp_path / "expressions.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_metric_is_exported_or_recorded() -> None:
    asked = [*EXPRESSIONS, *(str(variable.get("definition", "")) for variable in DASHBOARD["templating"]["list"])]
    for expr in asked:
        assert named(expr) <= exported() | RECORDED, expr
    assert all(named(expr) for expr in EXPRESSIONS)


def test_every_label_that_is_grouped_by_or_shown_is_grouped_by() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                groups = re.findall(r"by \(([^)]*)\)", target["expr"])
                assert not groups or any(label in re.split(r",\s*", group) for group in groups), (panel["title"], label)


def test_every_variable_that_is_used_is_defined() -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__all"} <= VARIABLES
    assert {"datasource", "job", "instance", "team"} == VARIABLES


def test_panels_have_a_title_an_id_and_a_place_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    cells = {panel["id"]: _cells(panel["gridPos"]) for panel in DASHBOARD["panels"]}
    for one, other in combinations(cells, 2):
        assert not cells[one] & cells[other], (one, other)
    assert all(x < 24 for places in cells.values() for x, _ in places)


def _cells(place: dict[str, int]) -> set[tuple[int, int]]:
    return {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
