# Everything a newcomer needs: `make demo`, `make test`. Nothing is installed outside .venv and your cache folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test processes at once; 0: one after the other, with a debugger if wanted. LABS is for the tests with servers, each process with
# a lab of its own: they wait for calls most of the time, and three of them keep two cores half busy.
JOBS ?= 2
LABS ?= 3

.PHONY: help stories demo test lint unit servers bench soak clean

help:
	@echo "make demo     a real Asterisk dials 220 leads and joins them to 5 phones (first run fetches the stack)"
	@echo "make test     lint, types, import contracts, all tests, on real Asterisk and MariaDB"
	@echo "make lint     the first part of it; make unit: the tests without servers; make servers: those with"
	@echo "make bench    the benchmarks"
	@echo "make stories  random stories until calls and agents have heard a million events (some minutes)"
	@echo "make soak     an hour at a steady rate; does anything grow?"
	@echo "make clean    remove .venv, .lab and caches of this folder (the fetched stack stays in your cache folder)"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.x"; exit 3; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed (Debian: apt-get install python3-venv)"; exit 3; }
	@echo "installing into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

demo: $(READY)
	@$(BIN)/stasis-dialer lab demo

test: lint unit servers

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/unit tests/property tests/engine

servers: $(READY)
	$(BIN)/python -m pytest -q -n $(LABS) --dist loadfile --no-loadscope-reorder tests/contract tests/e2e

soak: $(READY)
	$(BIN)/python benchmarks/soak.py

stories: $(READY)
	$(BIN)/python -m tests.property.million

bench: $(READY)
	$(BIN)/python benchmarks/call_rate.py
	$(BIN)/python benchmarks/answer_to_agent.py
	$(BIN)/python benchmarks/import.py

clean:
	rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
