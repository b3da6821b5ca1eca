"""What is fuzzed: by name, a function that takes any bytes and fails only where the program is wrong.

The first line of an input often chooses among several readers. A name is a folder of `corpus`.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz.targets import engine, kept, messages, pager, posts, topologies

Target = Callable[[bytes], None]

TARGETS: dict[str, Target] = {
    "detected": messages.detected,
    "named": messages.named,
    "headers": messages.headers,
    "mapped": messages.mapped,
    "replayed": messages.replayed,
    "posts": posts.post,
    "log": kept.log_record,
    "snapshot": kept.snapshot,
    "config": kept.configuration,
    "topology_file": topologies.file,
    "topology_sources": topologies.source,
    "otlp_spans": topologies.spans,
    "replies": pager.reply,
    "incidents": pager.incident,
    "windows": pager.windows,
    "engine": engine.history,
}
