"""The topology file: JSON and YAML say the same, and every problem of a file is reported at once with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import TopologyError
from topology.graph import DependencyType, ServiceKind
from topology.sources.file import load, parse

SHARED = Path(__file__).parents[3] / "shared" / "data"
STREAMS = ["online-boutique", "train-ticket", "petshop-low", "petshop-high"]

GOOD: dict[str, Any] = {
    "services": [
        {"name": "web", "owner": "shop", "tier": 1},
        {"name": "db", "kind": "datastore", "aliases": ["pg"], "system": "core"},
        {"name": "node-1", "kind": "host"},
    ],
    "dependencies": [
        {"from": "web", "to": "db", "strength": 0.9},
        {"from": "db", "to": "node-1", "type": "runs_on"},
    ],
    "instances": {"db-0": "db"},
}


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(GOOD))
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(GOOD))
    (tmp_path / "t.yml").write_text(json.dumps(GOOD))  # JSON is YAML
    graphs = [load(tmp_path / name) for name in ("t.json", "t.yaml", "t.yml")]
    assert len({graph.version for graph in graphs}) == 1
    web, edge = graphs[0].service("web"), graphs[0].dependencies("web")[0][1]
    assert web is not None and (web.owner, web.tier, web.kind) == ("shop", 1, ServiceKind.SERVICE)
    assert (edge.type, edge.strength) == (DependencyType.CALLS, 0.9)
    assert graphs[0].resolve("pg") == graphs[0].resolve("db-0") == "db"


BAD: dict[str, tuple[Any, list[str]]] = {
    "no mapping": ([], ["(document)"]),
    "nothing": (None, ["(document)"]),
    "a word": ("graph", ["(document)"]),
    "no keys": ({}, ["services: missing", "dependencies: missing"]),
    "no lists": ({"services": {}, "dependencies": "x"}, ["services: must be a list", "dependencies: must be a list"]),
    "unknown key": ({"services": [], "dependencies": [], "edges": []}, ["edges: unknown key"]),
    "a number for an instance": (
        {"services": [{"name": "a"}], "dependencies": [], "instances": {1: "a", "b": "a"}},
        ["instances.1: must name a service"],
    ),
    "unknown field": ({"services": [{"name": "a", "team": "x"}], "dependencies": []}, ["services[0]", "team"]),
    "no name": ({"services": [{}], "dependencies": []}, ["services[0]", "name"]),
    "empty name": ({"services": [{"name": ""}], "dependencies": []}, ["services[0].name"]),
    "wrong kind": ({"services": [{"name": "a", "kind": "pet"}], "dependencies": []}, ["services[0]", "kind"]),
    "wrong tier": ({"services": [{"name": "a", "tier": 0}], "dependencies": []}, ["services[0].tier"]),
    "wrong type of name": ({"services": [{"name": 3}], "dependencies": []}, ["services[0]", "name"]),
    "no service but a word": ({"services": ["a"], "dependencies": []}, ["services[0]"]),
    "twice": ({"services": [{"name": "a"}, {"name": "a"}], "dependencies": []}, ["'a' stands 2 times"]),
    "alias of two": (
        {"services": [{"name": "a", "aliases": ["x"]}, {"name": "b", "aliases": ["x"]}], "dependencies": []},
        ["alias 'x' of 'b' already names 'a'"],
    ),
    "alias is a name": (
        {"services": [{"name": "a", "aliases": ["b"]}, {"name": "b"}], "dependencies": []},
        ["alias 'b' of 'a' already names 'b'"],
    ),
    "edge to nobody": (
        {"services": [{"name": "a"}], "dependencies": [{"from": "a", "to": "b"}, {"from": "c", "to": "a"}]},
        ["dependencies[0].to: no service 'b'", "dependencies[1].from: no service 'c'"],
    ),
    "edge without end": ({"services": [{"name": "a"}], "dependencies": [{"from": "a"}]}, ["dependencies[0]", "to"]),
    "wrong edge type": (
        {"services": [{"name": "a"}], "dependencies": [{"from": "a", "to": "a", "type": "likes"}]},
        ["dependencies[0]", "type"],
    ),
    "strength above one": (
        {"services": [{"name": "a"}], "dependencies": [{"from": "a", "to": "a", "strength": 1.5}]},
        ["dependencies[0].strength"],
    ),
    "strength of nothing": (
        {"services": [{"name": "a"}], "dependencies": [{"from": "a", "to": "a", "strength": 0}]},
        ["dependencies[0].strength"],
    ),
    "instances no mapping": ({"services": [], "dependencies": [], "instances": ["x"]}, ["instances: must be"]),
    "instance of nobody": (
        {"services": [], "dependencies": [], "instances": {"i": "z"}}, ["instances.i: no service 'z'"]
    ),
    "instance of a number": ({"services": [], "dependencies": [], "instances": {"i": 3}}, ["instances.i: must name"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_problem_is_reported_with_its_place(case: str) -> None:
    tree, words = BAD[case]
    with pytest.raises(TopologyError) as caught:
        parse(tree, source="graph.json")
    for word in words:
        assert word in str(caught.value)
    assert all(line.startswith("graph.json: ") for line in str(caught.value).splitlines())


def test_all_problems_are_reported_at_once() -> None:
    tree = {
        "services": [{"name": "a"}, {"name": "a"}, {"nam": "b"}, {"name": "c", "tier": -1}],
        "dependencies": [{"from": "a", "to": "zz"}, {"from": "a", "to": "c", "strength": 2}],
        "instances": {"i": "yy"},
        "extra": 1,
    }
    with pytest.raises(TopologyError) as caught:
        parse(tree, source="graph.json")
    assert len(caught.value.problems) == 7


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", b"{"),
        ("t.json", b"\xff\xfe"),
        ("t.json", b""),
        ("t.json", b"[" * 100_000),
        ("t.json", b'{"services": [{"name": "\\ud800"}], "dependencies": []}'),
        ("t.yaml", b"a: [1"),
        ("t.yaml", b"\x00"),
        ("t.yaml", b"!!python/object/apply:os.system ['true']"),
        ("t.yaml", b""),
    ],
)
def test_what_is_no_document_is_refused_by_the_name_of_its_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TopologyError, match=name.replace(".", r"\.")):
        load(tmp_path / name)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(TopologyError, match=path.name):
            load(path)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["services", "dependencies", "instances", "name", "from", "to", "aliases", "tier"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(_json)
def test_no_document_makes_it_fail_otherwise(tree: Any) -> None:
    try:
        parse(tree, source="graph.json")
    except TopologyError as error:
        assert error.problems


def test_a_large_graph_loads_whole(tmp_path: Path) -> None:
    count = 10_000
    tree = {
        "services": [{"name": f"s{number}"} for number in range(count)],
        "dependencies": [
            {"from": f"s{number}", "to": f"s{number // step}"}
            for number in range(1, count)
            for step in (2, 3, 5, 7, 11, 13)
        ],
    }
    (tmp_path / "large.json").write_text(json.dumps(tree))
    graph = load(tmp_path / "large.json")
    assert len(graph) == count
    assert graph.edge_count > 5 * count
    assert len(graph.blast_radius("s0", limit=10**6)) == count - 1


@pytest.mark.parametrize("name", ["bank-of-anthos", "deathstarbench-socialnetwork", "online-boutique", "otel-demo",
                                  "robot-shop", "sock-shop"])  # fmt: skip
def test_the_graphs_of_known_systems_are_graphs(name: str) -> None:
    """They are kept as plain lists of names and of pairs, not in the form of a topology file."""
    plain = json.loads(_shared(SHARED / "topologies" / f"{name}.json").read_text())
    tree = {
        "services": [{"name": service} for service in plain["services"]],
        "dependencies": [{"from": caller, "to": callee} for caller, callee in plain["edges"]],
    }
    graph = parse(tree, source=name)
    assert len(graph) == len(plain["services"]) and graph.edge_count == len({tuple(edge) for edge in plain["edges"]})


@pytest.mark.parametrize("name", STREAMS)
def test_the_graphs_of_the_labelled_streams_load(name: str) -> None:
    graph = load(_shared(SHARED / name / "topology.json"))
    assert len(graph) >= 8 and graph.edge_count >= 8
    assert all(graph.resolve(name) == name for name in graph.names())


def _shared(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"the shared data are not beside the repository, in {SHARED}")
    return path
