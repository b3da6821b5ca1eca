"""docs/traps.md names, for every trap, tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "docs" / "traps.md").read_text().splitlines()
ROWS = [line for line in LINES if line.startswith("| ") and not line.startswith("| what others do")]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`(tests/\S+?::\w+)`", row)})


def test_every_trap_has_what_we_do_and_a_test() -> None:
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in ROWS]
    assert len(rows) >= 20
    assert [row for row in rows if len(row) != 3 or not all(row) or "::test_" not in row[2]] == []


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_is_one(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in tests
