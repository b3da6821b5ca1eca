"""What the development broker does before any Java runs: pins, cache, downloads, choice of Java and of ports."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from correlator.devkafka import BrokerError, Unavailable, cluster, command, jars, java, ports

KAFKA_JAR = "org/apache/kafka/kafka_2.13/9.9.9/kafka_2.13-9.9.9.jar"
JARS = {KAFKA_JAR: b"kafka" * 100_000, "org/other/lib/1.0/lib-1.0.jar": b"lib"}
MODULES_ALL = [*java.JAVA_MODULES, "java.base"]


class Repository(ThreadingHTTPServer):
    """A Maven repository on loopback whose next answers can be made to fail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.jars = dict(JARS)
        self.requests: Counter[str] = Counter()
        self.failures: list[int | str] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/maven2"


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        path = self.path.removeprefix("/maven2/")
        self.server.requests[path] += 1
        body = self.server.jars[path]
        failure = self.server.failures.pop() if self.server.failures else None
        self.send_response(failure if isinstance(failure, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if failure == "cut short" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def repository() -> Iterator[Repository]:
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    pins = "".join(f"{hashlib.sha256(body).hexdigest()}  {path}\n" for path, body in JARS.items())
    (folder / "kafka.sha256").write_text(f"# a comment\n{pins}")
    return folder


@pytest.fixture
def environ(tmp_path: Path, repository: Repository) -> dict[str, str]:
    """A machine with no program on PATH, but with a repository."""
    return {"PATH": "", "CORRELATOR_CACHE": str(tmp_path / "cache"), jars.REPOSITORY_VARIABLE: repository.base}


def leftovers(environ: dict[str, str]) -> list[str]:
    """All that lies in the cache, locks aside."""
    return [path.name for path in Path(environ["CORRELATOR_CACHE"]).iterdir() if path.suffix != ".lock"]


def fake_java(home: Path, *, version: str, modules: list[str]) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\n" + "".join(f"echo {name}@{version}\n" for name in modules))
    java.chmod(0o755)
    return java


def test_the_shipped_pins_are_whole_and_name_the_version_of_the_pom_and_of_compose() -> None:
    folder = jars.bundle_folder()
    version = re.findall(r"<kafka.version>(.+)</kafka.version>", (folder / "pom.xml").read_text())[0]
    pins = jars.read_pins(folder / "kafka.sha256")
    assert f"org/apache/kafka/kafka_2.13/{version}/kafka_2.13-{version}.jar" in [pin.path for pin in pins]
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) and pin.path.endswith(".jar") for pin in pins)
    assert len({pin.path for pin in pins}) == len(pins)
    assert f"image: apache/kafka:{version}\n" in (folder.parent / "compose.yaml").read_text()


def test_without_maven_the_jars_come_from_the_repository_once(
    bundle: Path, environ: dict[str, str], repository: Repository
) -> None:
    brought = jars.fetch(environ, bundle)
    assert [jar.read_bytes() for jar in brought] == list(JARS.values())
    assert jars.fetch(environ, bundle) == brought
    assert set(repository.requests.values()) == {1}


def test_many_at_once_bring_the_jars_once(bundle: Path, environ: dict[str, str], repository: Repository) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: jars.fetch(environ, bundle), range(8)))
    assert len(set(answers)) == 1
    assert repository.requests == dict.fromkeys(JARS, 1)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(
    bundle: Path, environ: dict[str, str], repository: Repository
) -> None:
    repository.jars[KAFKA_JAR] = b"not kafka"
    with pytest.raises(BrokerError, match=rf"{KAFKA_JAR}: SHA-256 is [0-9a-f]+, pinned is"):
        jars.fetch(environ, bundle)
    assert leftovers(environ) == []


@pytest.mark.parametrize("damage", [Path.unlink, lambda jar: jar.write_bytes(b"")], ids=["missing", "truncated"])
def test_a_damaged_cache_is_not_used_but_brought_anew(bundle: Path, environ: dict[str, str], damage: object) -> None:
    brought = jars.fetch(environ, bundle)
    assert callable(damage)
    damage(brought[0])
    assert [jar.read_bytes() for jar in jars.fetch(environ, bundle)] == list(JARS.values())


def test_other_pins_never_meet_an_old_cache(bundle: Path, environ: dict[str, str]) -> None:
    old = jars.fetch(environ, bundle)
    pins = (bundle / "kafka.sha256").read_text().splitlines()
    (bundle / "kafka.sha256").write_text("\n".join(pins[:-1]))
    new = jars.fetch(environ, bundle)
    assert not set(new) & set(old)
    assert all("kafka-9.9.9-" in str(jar) for jar in (*old, *new))


@pytest.mark.parametrize("failure", [503, 429, "cut short"])
def test_a_failure_that_may_pass_is_tried_again(repository: Repository, tmp_path: Path, failure: int | str) -> None:
    repository.failures = [failure, failure]
    jars.download(f"{repository.base}/{KAFKA_JAR}", tmp_path / "jar", pauses_seconds=(0, 0))
    assert (tmp_path / "jar").read_bytes() == JARS[KAFKA_JAR]
    assert repository.requests[KAFKA_JAR] == 3


def test_a_failure_that_stays_is_told_after_the_last_try(repository: Repository, tmp_path: Path) -> None:
    repository.failures = [503] * 3
    with pytest.raises(Unavailable, match="503"):
        jars.download(f"{repository.base}/{KAFKA_JAR}", tmp_path / "jar", pauses_seconds=(0, 0))
    assert repository.requests[KAFKA_JAR] == 3


def test_a_refusal_is_not_tried_again(repository: Repository, tmp_path: Path) -> None:
    repository.failures = [404]
    with pytest.raises(Unavailable, match="404"):
        jars.download(f"{repository.base}/{KAFKA_JAR}", tmp_path / "jar", pauses_seconds=(0, 0))
    assert repository.requests[KAFKA_JAR] == 1


@pytest.mark.parametrize(
    "base", ["http://repository.example/maven2", "http://127.0.0.1.example/", "ftp://127.0.0.1/", "x"]
)
def test_plain_http_is_for_loopback_alone(bundle: Path, environ: dict[str, str], base: str) -> None:
    environ[jars.REPOSITORY_VARIABLE] = base
    with pytest.raises(Unavailable, match="must be an https:// address"):
        jars.fetch(environ, bundle)
    assert leftovers(environ) == []


def test_with_no_way_to_the_jars_the_message_says_what_to_install_or_set(bundle: Path, environ: dict[str, str]) -> None:
    del environ[jars.REPOSITORY_VARIABLE]
    with pytest.raises(Unavailable, match=rf"install Maven .* or set {jars.REPOSITORY_VARIABLE}"):
        jars.fetch(environ, bundle)


def test_maven_is_asked_first_and_what_it_brings_is_checked_too(
    bundle: Path, environ: dict[str, str], repository: Repository, tmp_path: Path
) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/mkdir -p "${{last#*=}}/{Path(KAFKA_JAR).parent}"\n')
    maven.chmod(0o755)
    with pytest.raises(BrokerError, match=f"{KAFKA_JAR}: missing"):
        jars.fetch({**environ, "PATH": str(maven.parent)}, bundle)
    assert not repository.requests
    assert leftovers(environ) == []


def test_the_words_of_a_failing_maven_are_passed_on(bundle: Path, environ: dict[str, str], tmp_path: Path) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho Could not resolve dependencies\nexit 1\n")
    maven.chmod(0o755)
    with pytest.raises(Unavailable, match="Could not resolve dependencies"):
        jars.fetch({**environ, "PATH": str(maven.parent)}, bundle)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"CORRELATOR_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/correlator"),
        ({"HOME": "/c"}, "/c/.cache/correlator"),
    ],
)
def test_the_cache_is_where_the_user_says_else_where_the_system_keeps_caches(
    environ: dict[str, str], folder: str
) -> None:
    assert jars.cache_folder(environ) == Path(folder)


def test_java_home_goes_before_path(tmp_path: Path) -> None:
    first = fake_java(tmp_path / "first", version="21.0.1", modules=MODULES_ALL)
    second = fake_java(tmp_path / "second", version="17.0.15", modules=MODULES_ALL)
    path = str(second.parent)
    assert java.find_java({"JAVA_HOME": str(tmp_path / "first"), "PATH": path}) == first
    assert java.find_java({"PATH": path}) == second


def test_a_java_too_old_is_passed_over(tmp_path: Path) -> None:
    fake_java(tmp_path / "old", version="11.0.2", modules=MODULES_ALL)
    new = fake_java(tmp_path / "new", version="17", modules=MODULES_ALL)
    assert java.find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": str(new.parent)}) == new


def test_a_java_that_cannot_run_kafka_is_told_why(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "old", version="11.0.2", modules=MODULES_ALL)
    reduced = fake_java(tmp_path / "reduced", version="25.0.2", modules=["java.base", "java.desktop", "java.naming"])
    assert "Java 11.0.2 is older than 17" in str(java.java_problem(old))
    assert "without java.management, java.security.jgss, java.security.sasl, jdk.unsupported" in str(
        java.java_problem(reduced)
    )
    assert "cannot list its modules" in str(java.java_problem(tmp_path / "none"))


def test_a_taken_port_is_not_offered() -> None:
    (port,) = ports.free_ports(1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(BrokerError, match="no 1 free ports"):
        ports.free_ports(1, among=range(port, port + 1))
    assert ports.free_ports(1, among=range(port, port + 1)) == [port]


def test_what_is_not_started_can_be_stopped_but_not_killed_or_restarted() -> None:
    broker = cluster.Broker()
    broker.stop()
    with pytest.raises(BrokerError, match="not started"):
        broker.kill()
    with pytest.raises(BrokerError, match="no node 2 is started"):
        broker.restart(2)


def test_a_cluster_id_is_sixteen_bytes_and_never_looks_like_an_option() -> None:
    drawn = {cluster.new_cluster_id() for _ in range(1000)}
    assert len(drawn) == 1000
    assert not [name for name in drawn if name.startswith("-")]
    assert {len(base64.urlsafe_b64decode(f"{name}==")) for name in drawn} == {16}


def test_ports_differ() -> None:
    assert len(set(ports.free_ports(20))) == 20


def test_who_speaks_no_kafka_does_not_answer() -> None:
    (port,) = ports.free_ports(1)
    assert not ports.answers(port)
    with socket.create_server(("127.0.0.1", port)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        assert not ports.answers(port)
        thread.join()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "notes no broker"),
        ("{}", "notes no broker"),
        ('{"pid": 1, "directory": "/tmp"}', "no folder of a broker; nothing was ended or removed"),
    ],
)
def test_stop_touches_nothing_that_is_not_a_broker(tmp_path: Path, state: str | None, message: str) -> None:
    file = tmp_path / "state.json"
    if state is not None:
        file.write_text(state)
    outcome = CliRunner().invoke(command.main, ["stop", "--state-file", str(file)])
    assert outcome.exit_code == 1
    assert message in outcome.output
    assert file.exists() == (state is not None)


def test_a_property_without_a_value_is_bad_usage() -> None:
    outcome = CliRunner().invoke(command.main, ["run", "--set", "log.retention.ms"])
    assert outcome.exit_code == 2
    assert "'log.retention.ms' is not key=value" in outcome.output
