"""What claims to come from Amazon SNS: taken where its signature holds, and else not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from correlator.config import Config
from correlator.config_http import HttpConfig
from correlator.errors import ConfigError
from correlator.shell.http.refusal import Refused, unavailable
from correlator.shell.http.sns import Certificates, Download, signatures_of
from tests.formats.vendor_examples import CLOUDWATCH_ALARM, VENDORS
from tests.shell.http.amazon import CERTIFICATE, CONFIRMATION, KEY, OTHER, TOPIC, URL, certificate, notification, sealed
from tests.shell.http.server import Server, served


class Amazon:
    """Where certificates lie."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[], bytes] = lambda: CERTIFICATE

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        return self.answer()

    def fail(self) -> bytes:
        raise unavailable("certificate", "away")


@asynccontextmanager
async def guarded(amazon: Amazon | None = None, **settings: Any) -> AsyncIterator[Server]:
    config = Config.model_validate({"http": {"sns_signatures": True, **settings}})
    async with served(config, download=amazon or Amazon()) as server:
        yield server


async def refused(server: Server, document: Any, path: str = "/webhooks/sns") -> tuple[int, str]:
    status, body, _ = await server.post(path, json=document)
    assert server.sent == [] and server.metric("correlator_http_refused_total", reason=body["reason"]) >= 1
    return status, body["reason"]


# -- what is signed ------------------------------------------------------------------------------------------------


def lambdas(envelope: dict[str, Any]) -> dict[str, Any]:
    renamed = {("SigningCertUrl" if name == "SigningCertURL" else name): value for name, value in envelope.items()}
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": renamed}]}


def queued(body: str) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "messageId": "q", "body": body}]}


@pytest.mark.parametrize("path", ["/webhooks/sns", "/webhooks/cloudwatch", "/webhooks/"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["ALARM", None, "Zürich\nto\tbed 😀"])
async def test_what_amazon_signed_is_taken(path: str, version: str, subject: str | None) -> None:
    envelope = sealed(notification(Subject=subject), version=version)
    async with guarded() as server:
        for document in (envelope, lambdas(envelope), queued(json.dumps(envelope))):
            assert (await server.post(path, json=document))[1] == {"status": "success", "events": 1, "notices": 0}
        assert json.loads(server.sent[0].value) == envelope


async def test_a_signed_confirmation_is_taken_and_one_that_is_not_signed_is_not() -> None:
    async with guarded() as server:
        assert await refused(server, CONFIRMATION) == (403, "signature")
        assert (await server.post("/webhooks/sns", json=sealed(CONFIRMATION)))[0] == 200
        assert len(server.sent) == 1


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"])
async def test_whatever_was_changed_on_the_way_is_refused(name: str) -> None:
    changed = {**CLOUDWATCH_ALARM, "NewStateValue": "OK"}
    value = json.dumps(changed) if name == "Message" else "2026-11-23T03:40:01.134Z"
    async with guarded() as server:
        assert await refused(server, sealed(notification()) | {name: value}) == (403, "signature")


@pytest.mark.parametrize("name", ["Token", "SubscribeURL", "Type"])
async def test_a_changed_confirmation_is_refused(name: str) -> None:
    value = "UnsubscribeConfirmation" if name == "Type" else "https://sns.eu-west-1.amazonaws.com/?x"
    async with guarded() as server:
        assert await refused(server, sealed(CONFIRMATION) | {name: value}) == (403, "signature")


@pytest.mark.parametrize(
    "document",
    [
        notification(),
        sealed(notification(), key=OTHER),
        sealed(notification()) | {"SignatureVersion": "1"},
        sealed(notification()) | {"SignatureVersion": "3"},
        sealed(notification()) | {"SignatureVersion": ["1"]},
        sealed(notification()) | {"Signature": "no base64"},
        sealed(notification()) | {"Signature": "AA" * 2000},
        sealed(notification()) | {"Signature": 5},
        lambdas(notification()),
        queued(json.dumps(notification())),
        # What a queue was given without an envelope tells nothing of where it is from.
        queued(json.dumps(CLOUDWATCH_ALARM)),
        # An envelope that other formats would recognise, too.
        queued(json.dumps(notification(version="4", groupKey="g", alerts=[{"status": "firing", "labels": {}}]))),
        {"Records": [*lambdas(sealed(notification()))["Records"], *lambdas(notification())["Records"]]},
        [sealed(notification()), notification()],
    ],
)
async def test_what_nobody_or_somebody_else_signed_is_refused(document: Any) -> None:
    async with guarded() as server:
        assert await refused(server, document) == (403, "signature")


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://sns.s3.amazonaws.com/x.pem",
        "https://sns.s3-eu-west-1.amazonaws.com/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem?y",
        "https://sns.eu-west-1.amazonaws.com/?x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.der",
        "https://sns.eu-west-1.amazonaws.com/x.pem\n",
        "file:///etc/x.pem",
        "",
        None,
    ],
)
async def test_no_certificate_is_asked_for_anywhere_but_at_amazons(url: str | None) -> None:
    amazon = Amazon()
    async with guarded(amazon) as server:
        assert await refused(server, sealed(notification()) | {"SigningCertURL": url}) == (403, "signature")
    assert amazon.asked == []


async def test_a_topic_that_is_not_listed_is_refused_though_amazon_signed_it() -> None:
    amazon = Amazon()
    async with guarded(amazon, sns_topics=[TOPIC]) as server:
        foreign = sealed(notification(TopicArn="arn:aws:sns:eu-west-1:666:theirs"))
        assert await refused(server, foreign) == (403, "topic") and amazon.asked == []
        assert (await server.post("/webhooks/sns", json=sealed(notification())))[0] == 200


async def test_other_formats_need_no_signature() -> None:
    async with guarded() as server:
        assert (await server.post("/webhooks/cloudwatch", json=CLOUDWATCH_ALARM))[0] == 200
        assert (await server.post("/webhooks/", json=VENDORS["gcp"]))[0] == 200


async def test_where_nothing_is_configured_nothing_is_checked() -> None:
    async with served() as server:
        assert (await server.post("/webhooks/sns", json=notification()))[0] == 200


# -- certificates --------------------------------------------------------------------------------------------------


async def test_a_certificate_is_asked_for_once_a_day_and_the_last_one_counts_while_there_is_none() -> None:
    amazon, time = Amazon(), [0.0]
    certificates = Certificates(amazon, lambda: time[0])
    for _ in range(2):
        assert [key.public_numbers() for key in await certificates(URL)] == [KEY.public_key().public_numbers()]
    assert amazon.asked == [URL]
    time[0] += 86_401
    amazon.answer = amazon.fail
    assert len(await certificates(URL)) == 1 and len(amazon.asked) == 2
    amazon.answer = lambda: certificate(OTHER)
    assert [key.public_numbers() for key in await certificates(URL)] == [OTHER.public_key().public_numbers()]


async def test_while_no_certificate_can_be_had_a_message_is_to_come_again() -> None:
    amazon = Amazon()
    amazon.answer = amazon.fail
    async with guarded(amazon) as server:
        assert await refused(server, sealed(notification())) == (503, "certificate")
        amazon.answer = lambda: CERTIFICATE
        assert (await server.post("/webhooks/sns", json=sealed(notification())))[0] == 200


async def test_certificates_that_are_remembered_are_bounded() -> None:
    amazon = Amazon()
    certificates = Certificates(amazon, lambda: 0.0)
    urls = [URL.replace("0123", f"{number:04}") for number in range(65)]
    for url in urls:
        await certificates(url)
    await certificates(urls[-1])
    assert len(amazon.asked) == 65
    await certificates(urls[0])
    assert len(amazon.asked) == 66


@pytest.mark.parametrize("data", [b"", b"<html>", certificate(ec.generate_private_key(ec.SECP256R1()))])
async def test_what_is_no_certificate_of_rsa_is_refused(data: bytes) -> None:
    amazon = Amazon()
    amazon.answer = lambda: data
    async with guarded(amazon) as server:
        assert await refused(server, sealed(notification())) == (403, "signature")


async def test_certificates_out_of_a_file_are_used_without_asking(tmp_path: Path) -> None:
    file, amazon = tmp_path / "sns.pem", Amazon()
    file.write_bytes(certificate(OTHER) + CERTIFICATE)
    async with guarded(amazon, sns_certificate_file=str(file)) as server:
        for key in (KEY, OTHER):
            assert (await server.post("/webhooks/sns", json=sealed(notification(), key=key)))[0] == 200
    assert amazon.asked == []


@pytest.mark.parametrize("data", [None, b"", b"none", certificate(ec.generate_private_key(ec.SECP256R1()))])
def test_a_file_without_certificates_is_an_error_that_names_its_key(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "sns.pem"
    if data is not None:
        file.write_bytes(data)
    config = HttpConfig(sns_signatures=True, sns_certificate_file=file)
    with pytest.raises(ConfigError, match=r"http.sns_certificate_file: .*sns\.pem"):
        signatures_of(config, Amazon(), lambda: 0.0)


def test_settings_of_signatures_that_are_not_checked_are_told() -> None:
    with pytest.raises(ValueError, match="need sns_signatures"):
        HttpConfig(sns_topics=(TOPIC,))


@asynccontextmanager
async def serving(status: int, body: bytes, **headers: str) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/x.pem"
    finally:
        await runner.cleanup()


async def test_a_certificate_is_downloaded_whole() -> None:
    download = Download()
    async with serving(200, CERTIFICATE) as url, download.running():
        assert await download(url) == CERTIFICATE


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [(404, b"", 403), (302, b"", 403), (500, b"", 503), (429, b"", 503), (200, b"x" * 70_000, 403)],
)
async def test_an_answer_that_is_no_certificate_is_bounded_and_not_followed(
    status: int, body: bytes, outcome: int
) -> None:
    download = Download()
    async with serving(status, body, Location="/y.pem") as url, download.running():
        with pytest.raises(Refused) as caught:
            await download(url)
    assert caught.value.status == outcome


async def test_nobody_is_asked_before_the_worker_runs_and_nobody_may_answer() -> None:
    download = Download()
    with pytest.raises(Refused, match="503 certificate"):
        await download(URL)
    async with download.running():
        with pytest.raises(Refused, match="503 certificate"):
            await download("http://127.0.0.1:1/x.pem")
