"""The drawing: well-formed whatever a service is called, nothing overlaps, callers stand left of what they call."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.drawing import svg
from topology.graph import Dependency, DependencyType, Service, ServiceGraph, ServiceKind, TopologyDocument
from topology.layers import Placed, place

SVG = "{http://www.w3.org/2000/svg}"
ROW, WAYPOINT = 46.0, 10.0


def graph(edges: list[tuple[str, str]], services: tuple[Service, ...] = ()) -> ServiceGraph:
    names = {name for edge in edges for name in edge} - {service.name for service in services}
    return ServiceGraph(
        TopologyDocument(
            services=(*services, *(Service(name=name) for name in sorted(names))),
            dependencies=tuple(Dependency(source=source, to=to) for source, to in edges),
        )
    )


def boxes(drawn: str) -> list[tuple[float, float, float, float]]:
    root = ElementTree.fromstring(drawn)
    rects = [rect for group in root.iter(f"{SVG}g") for rect in group.iter(f"{SVG}rect")]
    return [tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height")) for rect in rects]  # type: ignore[misc]


def placed(edges: list[tuple[str, str]]) -> Placed:
    return place(nx.DiGraph(edges), row=ROW, waypoint=WAYPOINT)


def test_every_service_and_every_dependency_is_drawn_with_its_details() -> None:
    services = (
        Service(name="db", kind=ServiceKind.DATASTORE, owner="core", tier=1, aliases=("pg",)),
        Service(name="alone"),
    )
    drawn = svg(graph([("web", "api"), ("api", "db")], services), title="shop")
    root = ElementTree.fromstring(drawn)
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert len(boxes(drawn)) == 4
    assert "web calls api" in titles and "api calls db" in titles
    assert any(title.startswith("db (datastore)\nowner: core\ntier: 1\nalso: pg") for title in titles)
    assert titles[0].startswith("shop: 4 services, 2 dependencies")


_name = st.text(min_size=1, max_size=30)


@given(st.lists(st.tuples(_name, _name), max_size=12))
def test_the_drawing_is_well_formed_whatever_a_service_is_called(edges: list[tuple[str, str]]) -> None:
    known = graph(edges)
    drawn = svg(known, title="\x00<&>\"'")
    assert len(boxes(drawn)) == len(known)
    assert "<script" not in drawn and "href" not in drawn.replace("&quot;", "")


_few = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40)


@given(_few)
def test_callers_stand_left_of_what_they_call_but_for_circles(numbers: list[tuple[int, int]]) -> None:
    edges = sorted({(f"s{source}", f"s{to}") for source, to in numbers if source != to})
    if not edges:
        return
    layout = placed(edges)
    for source, to in edges:
        left, right = (to, source) if (source, to) in layout.backward else (source, to)
        assert layout.layer[left] < layout.layer[right]
    left_over = nx.DiGraph([edge for edge in edges if edge not in layout.backward])
    assert nx.is_directed_acyclic_graph(left_over)
    if nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
        assert not layout.backward


@given(_few)
def test_no_two_boxes_overlap_and_no_trunk_runs_through_one(numbers: list[tuple[int, int]]) -> None:
    edges = sorted({(f"s{source}", f"s{to}") for source, to in numbers if source != to})
    if not edges:
        return
    layout = placed(edges)
    columns: dict[int, list[tuple[float, float]]] = {}
    for (name, column), at in layout.height.items():
        is_service = column == -1
        columns.setdefault(layout.layer[name] if is_service else column, []).append(
            (at, ROW if is_service else WAYPOINT)
        )
    for cells in columns.values():
        for (above, tall), (below, also) in pairwise(sorted(cells)):
            assert below - above >= (tall + also) / 2 - 1e-6
    assert min(at for at in layout.height.values()) >= 0


def test_a_hub_has_one_trunk() -> None:
    edges = [("hub", f"s{number}") for number in range(30)] + [("hub", "mid"), ("mid", "more")]
    edges += [("more", f"s{number}") for number in range(30)]
    waypoints = [cell for cell in placed(edges).height if cell[1] != -1]
    assert waypoints == [("hub", 1), ("hub", 2)]


def test_the_same_graph_gives_the_same_drawing() -> None:
    edges = [(f"s{number}", f"s{number // 2}") for number in range(1, 60)]
    assert svg(graph(edges)) == svg(graph(list(reversed(edges))))


def test_five_hundred_services_are_drawn_without_overlap() -> None:
    edges = [(f"s{number // step}", f"s{number}") for number in range(1, 500) for step in (2, 3, 7) if number // step]
    drawn = boxes(svg(graph(edges)))
    assert len(drawn) == 499
    for (x, y, width, height), (other_x, other_y, _, _) in combinations(drawn, 2):
        assert abs(x - other_x) >= width or abs(y - other_y) >= height


@pytest.mark.parametrize("edges", [[], [("a", "b")], [("a", "b"), ("b", "a")]])
def test_small_graphs_are_drawn(edges: list[tuple[str, str]]) -> None:
    assert len(boxes(svg(graph(edges)))) == len({name for edge in edges for name in edge})


def test_the_surroundings_of_a_service_are_what_it_depends_on_and_what_depends_on_it() -> None:
    known = graph([("web", "api"), ("api", "db"), ("db", "host"), ("other", "host")])
    assert set(known.around("api").names()) == {"web", "api", "db", "host"}
    assert set(known.around("api", limit=1).names()) == {"web", "api", "db"}
    assert [edge.type for _, edge in known.around("api").dependencies("web")] == [DependencyType.CALLS]
