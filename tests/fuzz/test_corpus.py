"""What fuzzing found worth keeping is replayed: no crash, no hang, no memory beyond what such an input may take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzz.limits import CORPUS, HANG_SECONDS, LONGEST_BYTES, MOST_BYTES, TooLong, at_most
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import seeds, words
from tests.fuzz.targets import TARGETS


def inputs(target: str) -> list[tuple[str, bytes]]:
    kept = sorted((CORPUS / target).iterdir())
    return [(path.name, path.read_bytes()) for path in kept] + [("a seed", seed) for seed in seeds(target)]


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_that_was_ever_found_makes_a_target_fail(target: str) -> None:
    for name, data in inputs(target):
        try:
            with at_most(seconds=HANG_SECONDS, size=MOST_BYTES):
                TARGETS[target](data)
        except Exception as error:
            error.add_note(f"{target} with {name}: {data[:200]!r}")
            raise


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()


def test_a_corpus_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert [path for path in files if path.stat().st_size > LONGEST_BYTES] == []


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TooLong), at_most(seconds=0.05, size=MOST_BYTES):
        while True:
            pass


def test_what_takes_too_much_memory_is_told() -> None:
    with pytest.raises(AssertionError, match="bytes of memory"), at_most(seconds=HANG_SECONDS, size=1000):
        bytes(2000)


def test_a_mutation_of_a_document_is_a_document_behind_the_same_head() -> None:
    data = b'name\n{"a": [1, {"b": "c"}], "d": null}'
    made = [mutated(data, 1000, seed, lambda plain, most: b"plain") for seed in range(60)]
    documents = [one.removeprefix(b"name\n") for one in made if one != b"plain"]
    assert all(one.startswith(b"name\n") for one in made if one != b"plain")
    assert len({json.dumps(json.loads(one)) for one in documents}) > 20
    assert b"plain" in made
    assert mutated(b"no document", 1000, 1, lambda plain, most: plain[:most]) == b"no document"


def test_the_words_of_the_dictionary_are_values_of_json() -> None:
    found = words()
    assert len(found) > 100 and all(isinstance(json.loads(word), str) for word in found)


def test_the_corpus_is_kept_as_it_is_by_git() -> None:
    attributes = (Path(__file__).parents[2] / ".gitattributes").read_text(encoding="utf-8")
    assert "tests/fuzz/corpus/** -text" in attributes
