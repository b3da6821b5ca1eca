# The two commands of a newcomer are `make demo` and `make test`; both set up what they need, once.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# A Python that runs, has venv and is of a version we support: a name on PATH alone may be a shim of nothing.
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3.12 python3.13 python3.11 python3; do \
	if "$$python" -c '$(SUITS)' >/dev/null 2>&1; then echo "$$python"; break; fi; done)

# Where labelled streams may lie: beside the checkout, never in it.
STREAMS := ../shared/data

.PHONY: help
help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) ## Show it all here in a minute [ALERTS= TOPOLOGY= TRUTH= SET="key=value ..." SPEED= SEED= KEEP=1].
	@$(BIN)/correlator demo $(if $(ALERTS),--alerts '$(ALERTS)') $(if $(TOPOLOGY),--topology '$(TOPOLOGY)') \
		$(if $(TRUTH),--truth '$(TRUTH)') $(foreach value,$(SET),--set '$(value)') \
		$(if $(SPEED),--speed '$(SPEED)') $(if $(SEED),--seed '$(SEED)') $(if $(KEEP),--keep)

.PHONY: test
test: lint quality pytest ## Check style, types, imports, quality, and all tests but the long ones, on a real Kafka.
	@echo 'Left out: the tests that take long (make test-long, 5 minutes) and everything dying a hundred times (make chaos).'

.PHONY: test-long
test-long: ## The tests that take long: outages, the guide, other ways to be let in.
	@$(MAKE) --no-print-directory pytest MARK=long

.PHONY: lint
lint: $(READY) ## Style, formatting, types, and which package may import which.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: quality
quality: $(READY) ## Compare the figures on labelled streams with their bounds.
	@if [[ -d $(STREAMS) ]]; then \
		echo '$(BIN)/python -m benchmarks.quality --check'; $(BIN)/python -m benchmarks.quality --check; \
	else \
		echo 'SKIPPED the quality check: there are no labelled streams in $(STREAMS) (see docs/quality.md)'; \
	fi

.PHONY: speed
speed: $(READY) ## Measure speed and memory on this machine, about 15 minutes [SPEED_ARGUMENTS="--record"].
	for question in replay tick memory worker scale_out; do \
		$(BIN)/python -m benchmarks.speed.$$question $(SPEED_ARGUMENTS); \
	done

.PHONY: model
model: $(READY) ## Fit the shipped model anew on the labelled streams and the simulator's.
	$(BIN)/correlator train --out models/default \
		--labelled $(STREAMS)/online-boutique --labelled $(STREAMS)/train-ticket \
		--labelled petshop=$(STREAMS)/petshop-low --labelled petshop=$(STREAMS)/petshop-high \
		--simulate cascade:7-10 --simulate silent-root:5 --simulate overlapping-roots:5-6 --simulate missing-edges:5-6 \
		--simulate day:1-8

.PHONY: pytest
pytest: $(READY) ## Tests, four at a time: those with a broker mostly wait [MARK="not long"] [PYTEST="arguments"].
	$(BIN)/pytest --numprocesses 4 --dist worksteal -m '$(or $(MARK),not long)' $(PYTEST)

.PHONY: fuzz
fuzz: $(READY) ## Look for inputs that make a reader or the engine fail [FUZZ_SECONDS=60 of each target, FUZZ="target ..."].
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group fuzz
	nice -n 10 $(BIN)/python -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),60) $(FUZZ)

.PHONY: chaos
chaos: $(READY) ## Kill, suspend and restart everything at random, and compare with a run undisturbed [CHAOS="arguments"].
	$(BIN)/python -m tests.chaos $(CHAOS)

.PHONY: set-up
set-up: $(READY) ## Only the virtual environment.

.PHONY: lock
lock: $(READY) ## Pin every dependency anew in constraints.txt, each with the hashes of its files.
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --quiet --output-file constraints.txt
	! grep -nE '(https?|ftp)://' constraints.txt

.PHONY: audit
audit: $(READY) ## Compare the pinned dependencies with the known vulnerabilities, where their database can be reached.
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group audit
	@status=0; said="$$(timeout 120 $(BIN)/pip-audit --requirement constraints.txt --require-hashes --disable-pip \
		--progress-spinner off 2>&1)" || status=$$?; \
	unknown="$$(grep -c 'could not be audited' <<< "$$said" || true)"; \
	if [[ $$unknown == 0 ]]; then echo "$$said"; else grep -E 'vulnerabilit|^[a-z].* (PYSEC|GHSA|CVE)-' <<< "$$said" | grep -v '^No known' || true; fi; \
	if grep -qE '^Found [0-9]+ known vulnerabilit' <<< "$$said"; then exit 1; fi; \
	if [[ $$status != 0 || $$unknown != 0 ]]; then \
		echo "NOT AUDITED ($$unknown packages unknown there, status $$status): the database of vulnerabilities does not answer as it should."; \
		echo 'What is installed is what constraints.txt pins, by hash.'; \
	fi

.PHONY: clean
clean: ## Remove the virtual environment and what the tools keep.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist

$(READY): constraints.txt pyproject.toml
	@if [[ -z '$(PYTHON)' ]]; then \
		echo 'error: no Python 3.11, 3.12 or 3.13 with venv and ensurepip was found; set PYTHON=/path/to/python' >&2; \
		exit 1; \
	fi
	@echo 'Setting up $(VENV) with $(PYTHON), once ...'
	@[[ -x $(BIN)/python ]] || '$(PYTHON)' -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
