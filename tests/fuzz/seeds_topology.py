"""A payload of each source of dependencies, in the fewest words that its importer understands; all are our own."""

from __future__ import annotations

TOPOLOGIES: dict[str, object] = {
    "backstage": [
        {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {
                "type": "service",
                "owner": "group:default/t",
                "dependsOn": ["component:b"],
                "consumesApis": ["x"],
                "providesApis": ["y"],
                "system": "s",
            },
            "relations": [{"type": "dependsOn", "targetRef": "component:default/b"}],
        },
        {
            "kind": "Resource",
            "metadata": {"name": "db", "annotations": {"pagerduty.com/service-id": "P1"}},
            "spec": {"type": "database"},
        },
    ],
    "backstage-page": {
        "items": [{"kind": "Component", "metadata": {"name": "a"}, "spec": {}}],
        "pageInfo": {"nextCursor": "c"},
    },
    "datadog": {"a": {"calls": ["b", "c"]}, "b": {"calls": []}},
    "jaeger": {"dependencies": [{"parent": "a", "child": "b", "callCount": "7"}]},
    "keep": [
        {"id": 1, "service": "a", "display_name": "A", "team": "t", "tags": [], "dependencies": {"b": "HTTP"}},
        {"id": 2, "service": "b", "dependencies": {"3": "x"}},
    ],
    "kiali": {
        "timestamp": 1,
        "duration": 600,
        "graphType": "service",
        "elements": {
            "nodes": [
                {"data": {"id": "1", "nodeType": "service", "namespace": "n", "service": "a", "app": "a"}},
                {"data": {"id": "2", "nodeType": "workload", "namespace": "n", "workload": "b", "app": "b"}},
            ],
            "edges": [
                {
                    "data": {
                        "id": "e",
                        "source": "1",
                        "target": "2",
                        "traffic": {"protocol": "http", "rates": {"http": "1.5"}},
                    }
                }
            ],
        },
    },
    "kubernetes": {
        "kind": "List",
        "items": [
            {
                "kind": "Deployment",
                "metadata": {
                    "name": "a",
                    "labels": {"app.kubernetes.io/name": "a", "app.kubernetes.io/part-of": "s"},
                    "annotations": {"owner": "t"},
                },
            }
        ],
    },
    "pagerduty": {
        "relationships": [
            {
                "dependent_service": {"id": "P1", "type": "business_service"},
                "supporting_service": {"id": "P2", "type": "technical_service"},
            }
        ],
        "services": [{"id": "P1", "name": "a", "teams": [{"summary": "t"}]}],
    },
    "xray": {
        "Services": [
            {
                "ReferenceId": 0,
                "Name": "a",
                "Type": "AWS::Lambda",
                "Edges": [{"ReferenceId": 1, "SummaryStatistics": {"TotalCount": 3}}],
            },
            {"ReferenceId": 1, "Name": "b", "Edges": []},
        ]
    },
    "zipkin": [{"parent": "a", "child": "b", "callCount": 7, "errorCount": 1}],
    "servicegraph": {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"client": "a", "server": "b", "connection_type": "messaging_system"}, "value": [1, "3.5"]}
            ],
        },
    },
    "istio": {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {
                        "source_canonical_service": "a",
                        "destination_canonical_service": "b",
                        "source_workload_namespace": "n",
                        "source_workload": "a",
                        "destination_service_name": "b",
                    },
                    "value": [1, "NaN"],
                }
            ],
        },
    },
    "linkerd": {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [{"metric": {"deployment": "a", "dst_deployment": "b", "namespace": "n"}, "value": [1, "1e999"]}],
        },
    },
    "otlp": {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "0af7651916cd43dd8448eb211c80319c",
                                "spanId": "b7ad6b7169203331",
                                "kind": 3,
                                "name": "GET",
                                "attributes": [{"key": "peer.service", "value": {"stringValue": "b"}}],
                            },
                            {
                                "traceId": "0af7651916cd43dd8448eb211c80319c",
                                "spanId": "b7ad6b7169203332",
                                "parentSpanId": "b7ad6b7169203331",
                                "kind": "SPAN_KIND_SERVER",
                            },
                        ]
                    }
                ],
            }
        ]
    },
}
