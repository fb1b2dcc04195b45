# `make demo` and `make test` install what they need, pinned, into .tools/ and target/ (both ignored by git).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
TOOLS := .tools/python
BIN := $(TOOLS)/bin
FUNCTIONS := health-watcher switch-handler change-listener
export PYTHONPATH := local
export PYTHONDONTWRITEBYTECODE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(TOOLS)/.installed: local/requirements.txt
	@echo "== installing the Python tools into $(TOOLS)"
	@$(PYTHON) -m venv $(TOOLS)
	@$(BIN)/python -m pip install --quiet --requirement local/requirements.txt
	@touch $@

tools: $(TOOLS)/.installed ## install the pinned Python tools

release: tools ## build the three release binaries for this machine's architecture, as Lambda needs them
	@PATH="$(CURDIR)/$(BIN):$$PATH" cargo lambda build --release --locked

debug:
	@cargo build --locked

demo: release ## watch a failover on the embedded local AWS (KEEP=1 leaves it running)
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: test-rust test-local test-template test-end-to-end ## all tests, fast ones first

test-rust: ## unit, table, property, replay and wire tests
	@cargo test --locked --workspace --quiet

test-local: tools ## the embedded local AWS does what it claims
	@$(BIN)/python -m pytest -q local/tests

test-template: tools ## the template and the events
	@$(BIN)/python -m pytest -q tests/template

test-end-to-end: tools debug ## the real binaries on the embedded local AWS
	@$(BIN)/python -m pytest -q tests/e2e

bench: release ## cold start, memory, calls, sizes and cost, side by side
	@$(BIN)/python -m bench

clean: ## remove what was built and installed
	@rm -rf target .tools .demo .bench .aws-sam

.PHONY: help tools release debug demo test test-rust test-local test-template test-end-to-end bench clean
