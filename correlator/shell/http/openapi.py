"""The description of the interface, OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), made of its table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from correlator import __version__
from correlator.config_http import HttpConfig
from correlator.formats.feedback import Word
from correlator.formats.pagerduty_webhook import Webhook
from correlator.shell.http.answers import WEBHOOK, Answers
from correlator.shell.http.endpoints import Endpoint
from correlator.shell.http.pagerduty import SIGNATURE_HEADER
from correlator.shell.http.signed import headers_of

_REFERENCE = "#/components/schemas/{name}"

_ENCODING = {
    "name": "Content-Encoding",
    "in": "header",
    "required": False,
    "schema": {"enum": ["gzip", "identity"]},
}

#: What may be answered beside success, with what it means.
_REFUSALS = {
    400: "Nothing of it can be used: what is wrong, and where. Unknown fields never are.",
    401: "The token or the signature is missing or wrong.",
    403: "No client certificate, or no signature of SNS that holds.",
    408: "The body was sent too slowly.",
    413: "Larger than a record may be, as sent or inflated.",
    415: "An unknown Content-Encoding.",
    503: "Sent too often, too much in flight, or Kafka does not take it: to be sent again.",
}


def document(endpoints: Iterable[Endpoint], config: HttpConfig) -> dict[str, Any]:
    """Return the whole description."""
    endpoints = list(endpoints)
    shapes = {one.format.name: one.format.shape for one in endpoints if one.format and one.format.shape is not None}
    types = [*shapes.values(), Word, Webhook]
    references, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    by_format = dict(zip(shapes, references[:-2], strict=True))
    security = _security(config)
    signed = headers_of(config)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Correlator: alerts over HTTP",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            **{
                one.path: {"post": _operation(one, by_format, signed.get(one.format.name, ()) if one.format else ())}
                for one in endpoints
            },
            "/feedback": {"post": _said("What an operator says of an incident", references[-2], _IDEMPOTENCY)},
            "/feedback/pagerduty": {
                "post": {
                    **_said("A webhook (V3) of PagerDuty", references[-1], _required(SIGNATURE_HEADER)),
                    "security": [],
                }
            },
        },
        "components": {"schemas": schemas, "securitySchemes": security},
        "security": [{name: [] for name in security}] if security else [],
    }


def _required(header: str) -> dict[str, Any]:
    return {"name": header, "in": "header", "required": True, "schema": {"type": "string"}}


_IDEMPOTENCY = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
_HEARD = {
    "type": "object",
    "required": ["status", "heard", "ids"],
    "properties": {
        "status": {"const": "success"},
        "heard": {"type": "integer", "description": "Of how many incidents of ours something was said."},
        "ids": {"type": "array", "items": {"type": "string"}, "description": "What is sent again with one is known."},
    },
}


def _said(summary: str, body: Any, parameter: dict[str, Any]) -> dict[str, Any]:
    refused = {"application/json": {"schema": WEBHOOK.refused_schema}}
    return {
        "operationId": summary.lower().replace(" ", "-"),
        "summary": summary,
        "parameters": [_ENCODING, parameter],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "Kafka has it.", "content": {"application/json": {"schema": _HEARD}}},
            "404": {"description": "No secret of PagerDuty's is configured.", "content": refused},
            **{str(status): _refusal(WEBHOOK, status, text) for status, text in _REFUSALS.items()},
        },
    }


def _security(config: HttpConfig) -> dict[str, Any]:
    schemes: dict[str, Any] = {}
    if config.token_env is not None or config.token_file is not None:
        schemes["token"] = {"type": "http", "scheme": "bearer"}
    if config.tls_client_ca_file is not None:
        schemes["certificate"] = {"type": "mutualTLS"}
    return schemes


def _operation(endpoint: Endpoint, shapes: dict[str, Any], signed: Sequence[str]) -> dict[str, Any]:
    answers = endpoint.answers
    taken: dict[str, Any] = {"description": "Kafka has it on all replicas."}
    if answers.taken_schema is not None:
        taken["content"] = {"application/json": {"schema": answers.taken_schema}}
    return {
        "operationId": endpoint.path.strip("/").replace("/", "-"),
        "summary": endpoint.summary,
        "parameters": [_ENCODING, *map(_required, signed)],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _body(endpoint, shapes)}}},
        "responses": {
            str(answers.taken_status): taken,
            **{str(status): _refusal(answers, status, text) for status, text in _REFUSALS.items()},
        },
        # The signature takes the place of whatever else lets senders in.
        **({"security": []} if signed else {}),
    }


def _refusal(answers: Answers, status: int, text: str) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": answers.refused_schema}},
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
