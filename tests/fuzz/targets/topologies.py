"""Everything that tells of dependencies: the topology file, payloads of other programs, spans."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from zlib import crc32

from correlator.errors import SourceError, TopologyError
from topology.findings import Findings
from topology.graph import ServiceGraph
from topology.merge import merge
from topology.sources import (
    backstage,
    datadog,
    decoding,
    jaeger,
    keep,
    kiali,
    kubernetes,
    otlp,
    pagerduty,
    prometheus,
    xray,
    zipkin,
)
from topology.sources import file as topology_file
from topology.spans import SpanPairs


def _prometheus(dialect: prometheus.Dialect, payload: bytes) -> Findings:
    return prometheus.READERS[dialect](prometheus.read_vector(payload), ())


_READERS: dict[bytes, Callable[[bytes], Findings]] = {
    b"backstage": backstage.read,
    b"backstage-page": lambda payload: backstage.read_entities(backstage.read_page(payload)[0]),
    b"datadog": datadog.read,
    b"jaeger": jaeger.read,
    b"keep": keep.read,
    b"kiali": kiali.read,
    b"kubernetes": kubernetes.read,
    b"otlp": otlp.read,
    b"pagerduty": lambda payload: pagerduty.read([payload], known=pagerduty.read_services(payload)),
    b"xray": xray.read,
    b"zipkin": zipkin.read,
    **{dialect.encode(): partial(_prometheus, dialect) for dialect in prometheus.READERS},
}
_NAMES = list(_READERS)


def file(data: bytes) -> None:
    """Read a topology file, write it again, and read that: it is the same version."""
    try:
        trees = decoding.decode_documents(data)
        graph = topology_file.parse(trees[0] if trees else None, source="file")
    except (SourceError, TopologyError) as error:
        assert str(error)
        return
    for as_json in (True, False):
        written = topology_file.write(graph.document, as_json=as_json)
        (tree,) = decoding.decode_documents(written.encode())
        assert topology_file.parse(tree, source="written").version == graph.version
    _check(graph)


def source(data: bytes) -> None:
    """Read the payload of the program that the first line names, and merge it into a graph."""
    name, _, payload = data.partition(b"\n")
    try:
        findings = _READERS.get(name, _READERS[_NAMES[crc32(name) % len(_NAMES)]])(payload)
    except SourceError as error:
        assert str(error)
        return
    _check(ServiceGraph(merge({"fuzzed": findings}).document))


def spans(data: bytes) -> None:
    """Pair the spans of one message, protobuf or JSON."""
    try:
        found = otlp.spans(data)
    except SourceError as error:
        assert str(error)
        return
    pairs = SpanPairs()
    pairs.add(found, now=0)
    _check(ServiceGraph(merge({"spans": pairs.harvest(now=2**63)}).document))


def _check(graph: ServiceGraph) -> None:
    for name in graph.names():
        assert graph.resolve(name) == name
        graph.blast_radius(name, limit=10)
        for callee, _ in graph.dependencies(name):
            assert name in graph.dependents(callee)
    graph.cycles()
