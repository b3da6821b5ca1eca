"""AWS X-Ray: what `aws xray get-service-graph` prints.

Edges go by `ReferenceId`. One service stands there several times, as what was called from outside (`client`), as the
instance that runs it, as the code in it: what has the same name is one.
"""

from __future__ import annotations

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, count, items, mapping, observed, text
from topology.graph import DependencyType, ServiceKind
from topology.names import service_name
from topology.sources.decoding import decode_json

_DATASTORES = ("AWS::DynamoDB", "AWS::RDS", "AWS::S3", "AWS::ElastiCache", "AWS::Redshift", "AWS::OpenSearch",
               "Database::", "AWS::DocDB", "AWS::Neptune")  # fmt: skip
_QUEUES = ("AWS::SQS", "AWS::SNS", "AWS::Kinesis", "AWS::Events", "AWS::MSK")


def read(payload: bytes) -> Findings:
    """Read a service graph; several pages may be joined by their `Services`.

    Raises:
        SourceError: it is none.
    """
    listed = mapping(decode_json(payload)).get("Services")
    if not isinstance(listed, list):
        raise SourceError("no service graph of X-Ray: Services is missing")
    nodes = [mapping(item) for item in listed]
    # `client` is the user's side of the calls; where nothing else has its name it is a caller from outside.
    names = {node.get("ReferenceId"): service_name(text(node.get("Name"))) for node in nodes
             if isinstance(node.get("ReferenceId"), int)}  # fmt: skip
    edges, problems = [], []
    kinds: dict[str, ServiceKind | None] = {}
    for position, node in enumerate(nodes):
        reference = node.get("ReferenceId")
        if not isinstance(reference, int) or not names[reference]:
            problems.append(f"service {position}: has no ReferenceId and Name")
            continue
        kind = _kind(text(node.get("Type")))
        if kind is not None or names[reference] not in kinds:
            kinds[names[reference]] = kind
        for item in items(node.get("Edges")):
            edge = mapping(item)
            target = edge.get("ReferenceId")
            if not isinstance(target, int) or target not in names:
                problems.append(f"service {position}: an edge to nobody")
                continue
            calls = count(mapping(edge.get("SummaryStatistics")).get("TotalCount"))
            edges.append(_edge(names[reference], names[target], text(edge.get("EdgeType")), calls))
    services = [FoundService(name=name, kind=kind) for name, kind in kinds.items()]
    return observed(edges, services=services, problems=problems)


def _edge(source: str, to: str, type_: str, calls: float | None) -> FoundDependency:
    if type_ == "link":  # a trace that goes on behind a queue: the later part consumes what the earlier sent
        return FoundDependency(source=to, to=source, type=DependencyType.CONSUMES, calls=calls)
    return FoundDependency(source=source, to=to, calls=calls)


def _kind(type_: str) -> ServiceKind | None:
    if type_.startswith(_DATASTORES):
        return ServiceKind.DATASTORE
    if type_.startswith(_QUEUES):
        return ServiceKind.QUEUE
    return ServiceKind.EXTERNAL if type_ == "remote" else None
