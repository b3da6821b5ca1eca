"""The description of the interface, OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), made of its table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from correlator import __version__
from correlator.config import HttpConfig
from correlator.shell.http.endpoints import Endpoint

_REFERENCE = "#/components/schemas/{name}"

#: What may be answered beside success, with what it means.
_REFUSALS = {
    400: "Nothing of it can be used: what is wrong, and where. Unknown fields never are.",
    401: "The token is missing or wrong.",
    403: "No client certificate.",
    408: "The body was sent too slowly.",
    413: "Larger than a record may be, as sent or inflated.",
    415: "An unknown Content-Encoding.",
    503: "Sent too often, too much in flight, or Kafka does not take it: to be sent again.",
}


def document(endpoints: Iterable[Endpoint], config: HttpConfig) -> dict[str, Any]:
    """Return the whole description."""
    endpoints = list(endpoints)
    shapes = {one.format.name: one.format.shape for one in endpoints if one.format and one.format.shape is not None}
    references, schemas = msgspec.json.schema_components(list(shapes.values()), ref_template=_REFERENCE)
    by_format = dict(zip(shapes, references, strict=True))
    security = _security(config)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Correlator: alerts over HTTP",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {one.path: {"post": _operation(one, by_format)} for one in endpoints},
        "components": {"schemas": schemas, "securitySchemes": security},
        "security": [{name: [] for name in security}] if security else [],
    }


def _security(config: HttpConfig) -> dict[str, Any]:
    schemes: dict[str, Any] = {}
    if config.token_env is not None or config.token_file is not None:
        schemes["token"] = {"type": "http", "scheme": "bearer"}
    if config.tls_client_ca_file is not None:
        schemes["certificate"] = {"type": "mutualTLS"}
    return schemes


def _operation(endpoint: Endpoint, shapes: dict[str, Any]) -> dict[str, Any]:
    answers = endpoint.answers
    taken: dict[str, Any] = {"description": "Kafka has it on all replicas."}
    if answers.taken_schema is not None:
        taken["content"] = {"application/json": {"schema": answers.taken_schema}}
    return {
        "operationId": endpoint.path.strip("/").replace("/", "-"),
        "summary": endpoint.summary,
        "parameters": [
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"enum": ["gzip", "identity"]},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _body(endpoint, shapes)}}},
        "responses": {
            str(answers.taken_status): taken,
            **{str(status): _refusal(endpoint, status, text) for status, text in _REFUSALS.items()},
        },
    }


def _refusal(endpoint: Endpoint, status: int, text: str) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": endpoint.answers.refused_schema}},
    }
    if status == 503:
        refusal["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return refusal


def _body(endpoint: Endpoint, shapes: dict[str, Any]) -> dict[str, Any]:
    one = shapes.get(endpoint.format.name, {"type": "object"}) if endpoint.format else {"type": "object"}
    match endpoint.body:
        case "object":
            return dict(one)
        case "array":
            return {"type": "array", "items": one}
        case _:
            return {"anyOf": [one, {"type": "array", "items": one}]}
