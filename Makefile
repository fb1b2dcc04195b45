# `make demo` and `make test` install what they need, pinned, into .tools/ and target/ (both ignored by git).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
TOOLS := .tools/python
BIN := $(TOOLS)/bin
TOOLS_LINT := .tools/lint
TOOLS_CARGO := .tools/cargo
TOOLS_MOTO := .tools/moto
CARGO_MUTANTS := 27.1.0
AIRFLOW ?= 3.0.6
# What the package promises to run on: the newest patch of each minor version that MWAA has had since 2.7, and the newest of all.
AIRFLOW_VERSIONS := 2.7.3 2.9.3 2.10.5 2.11.2 3.0.6 3.3.2
# What the package must be correct on by static checks. Neither newer idioms (ruff's UP), which the
# oldest could not read, nor the order of imports, which follows what each has in its library.
PYTHON_VERSIONS := 3.10 3.11 3.12 3.13
# `make demo AIRFLOW=1` is the version that the tests have by default.
ifeq ($(AIRFLOW),1)
AIRFLOW_VERSION := 3.0.6
else
AIRFLOW_VERSION := $(AIRFLOW)
endif
# The demo shows real Airflows only if AIRFLOW is given.
ifneq ($(filter command line environment,$(origin AIRFLOW)),)
AIRFLOW_DEMO := yes
endif
AIRFLOW_ENVIRONMENTS ?= .tools/airflow
AIRFLOW_PYTHON := $(AIRFLOW_ENVIRONMENTS)/$(AIRFLOW_VERSION)/bin/python
UV := 0.13.9
# Without circles among their modules: crates and Python packages.
MODULES := shared/core/src shared/aws/src shared/controller/src shared/lambda/src shared/environments/src $(wildcard functions/*/src) cli/src model/src demo bench soak local/local_aws tests/support airflow/src/mwaa_bluegreen
# Without files that are too long.
READABLE := shared functions cli
# Without a network rustup cannot fetch the toolchain that rust-toolchain.toml names: the one that is there has to do.
INSTALLED := $(shell cargo --version >/dev/null 2>&1 || { cd / && rustup default 2>/dev/null | cut -d' ' -f1; })
ifneq ($(INSTALLED),)
$(warning the Rust toolchain of rust-toolchain.toml is not installed and cannot be; $(INSTALLED) is taken)
export RUSTUP_TOOLCHAIN := $(INSTALLED)
endif
# What several tests share, and the local AWS.
export PYTHONPATH := $(CURDIR)/local:$(CURDIR)/tests
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

$(TOOLS_LINT)/.installed: tests/template/requirements-lint.txt
	@echo "== installing the linters of templates and dependencies into $(TOOLS_LINT)"
	@$(PYTHON) -m venv $(TOOLS_LINT)
	@$(TOOLS_LINT)/bin/python -m pip install --quiet --requirement tests/template/requirements-lint.txt
	@touch $@

# Only for `make mutants`. That it is built quickly is worth more than that it is fast.
$(TOOLS_CARGO)/.installed-mutants-$(CARGO_MUTANTS):
	@echo "== installing cargo-mutants into $(TOOLS_CARGO) (a minute or two, once)"
	@CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  cargo install --quiet --locked --root $(TOOLS_CARGO) cargo-mutants@$(CARGO_MUTANTS)
	@touch $@

release: functions cli ## build all that users get: the three functions and the command line

# Not together with the command line: features are unified over what is built together, and it wants more of them.
functions: tools ## build the three functions as Lambda needs them, for this machine's architecture
	@PATH="$(CURDIR)/$(BIN):$$PATH" cargo lambda build --release --locked

# What the tests run. Of their own compilation nearly all is used here again.
debug:
	@cargo build --locked --workspace --exclude empty-runtime --exclude bluegreen-model

# A copy for tests that go on while others compile: BINARIES=target/tested. A file that is being executed is replaced, not written.
tested: debug
	@mkdir -p target/tested
	@for binary in health-watcher switch-handler change-listener mwaa-bluegreen; do \
	  cp target/debug/$$binary target/tested/$$binary.new; mv target/tested/$$binary.new target/tested/$$binary; done
ifdef BINARIES
export MWAA_BLUEGREEN_BINARIES := $(abspath $(BINARIES))
to-test:
	@[ -x $(BINARIES)/mwaa-bluegreen ] || { echo '$(BINARIES) has no binaries: make tested'; exit 1; }
else
to-test: debug
endif

cli: ## build the command line, target/release/mwaa-bluegreen
	@cargo build --locked --release --package mwaa-bluegreen

ifdef AIRFLOW_DEMO
demo: $(AIRFLOW_PYTHON)
endif
# The functions as on Lambda. The command line is that of the tests: its release build takes minutes, and shows nothing else.
demo: functions to-test ## a pair from nothing, a failover, a hold, a drill and an upgrade on the embedded local AWS (KEEP=1 leaves it running; AIRFLOW=1: two real Airflows)
	@$(BIN)/python -m demo $(if $(BINARIES),--command-line $(abspath $(BINARIES))/mwaa-bluegreen) $(if $(KEEP),--keep) $(if $(AIRFLOW_DEMO),--airflow $(AIRFLOW_PYTHON))

test: ## all tests, several kinds at once, and where the time goes (WITH="gates demo": these, too)
	@$(PYTHON) -m tools.steps $(WITH)

test-rust: ## unit, table, property, replay and wire tests
	@cargo test --locked --workspace --exclude bluegreen-model --quiet

test-rust-built:
	@cargo test --locked --workspace --exclude bluegreen-model --quiet --no-run

# Below all others in priority: it takes every processor that there is.
CRATE ?= bluegreen-core
MINUTES ?= 20
mutants: tools $(TOOLS_CARGO)/.installed-mutants-$(CARGO_MUTANTS) ## change the code in one place at a time: do the tests notice? (CRATE=bluegreen-core MINUTES=20 SEED=7 SHARD=0/4 FILE=claim/ TESTS=a-package AGAIN=1)
	@nice -n 19 $(BIN)/python -m tools.mutants $(CRATE) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(SHARD),--shard $(SHARD)) \
	  $(foreach file,$(FILE),--file $(file)) $(foreach package,$(TESTS),--tests $(package)) $(if $(AGAIN),--again)

test-model: ## the protocols in a small world, explored whole by a model checker
	@cargo test --locked --profile model --package bluegreen-model --quiet -- --nocapture --test-threads 1

# SEED=… plays the fresh seeds of a run again that found something.
test-simulation: debug ## what the simulation once found, played again, and two minutes of one core for fresh seeds (SEED=1)
	@target/debug/simulate finds simulation/finds
	@target/debug/simulate --minutes 2 --jobs 1 $(if $(SEED),--seed $(SEED))

simulate: ## years of trouble on all cores, optimized; the first build takes minutes (YEARS=100 SEED=1, or SIMULATE="replay FILE")
	@cargo build --locked --profile simulate --package bluegreen-simulation
	@target/simulate/simulate $(or $(SIMULATE),--years $(or $(YEARS),1) $(if $(SEED),--seed $(SEED)))

simulate-faults: tools ## take mended faults back, and look for histories that meet them; minutes each (FAULT="a1 c12" YEARS=20 SEED=1)
	@$(BIN)/python -m tools.faults $(FAULT) $(if $(YEARS),--years $(YEARS)) $(if $(SEED),--seed $(SEED))

test-local: tools ## the embedded local AWS does what it claims
	@$(BIN)/python -m pytest -q local/tests

test-template: tools ## the templates and the events; the documents; what the demo prints; what the bench ends with; that a soak can fail; the gates' own tools
	@$(BIN)/python -m pytest -q tests/template
	@$(BIN)/python -m pytest -q tests/infra
	@$(BIN)/python -m pytest -q tests/docs
	@$(BIN)/python -m pytest -q tests/tools
	@$(BIN)/python -m pytest -q tests/demo
	@$(BIN)/python -m pytest -q tests/bench
	@$(BIN)/python -m pytest -q tests/soak

test-end-to-end: tools to-test ## the real binaries on the embedded local AWS
	@$(BIN)/python -m pytest -q tests/e2e

$(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv:
	@$(PYTHON) -m venv $(AIRFLOW_ENVIRONMENTS)/uv-$(UV)
	@$(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/python -m pip install --quiet uv==$(UV)

# The first line of a requirements file says how it was resolved. Compiled, because the tests do not let Python write what it compiles:
# each of their many processes would compile all that it imports, which takes it half of its time.
$(AIRFLOW_ENVIRONMENTS)/$(AIRFLOW_VERSION)/.installed: airflow/tests/requirements-airflow-$(AIRFLOW_VERSION).txt $(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv
	@echo "== installing Airflow $(AIRFLOW_VERSION) into $(@D)"
	@$(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv venv --quiet --clear --python $(PYTHON) $(@D)
	@VIRTUAL_ENV=$(abspath $(@D)) $(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv pip install --quiet --no-deps --compile-bytecode --requirement $<
	@touch $@

# Apart, and again when its metadata changes: the entry points of an editable installation are those of the day it was made.
$(AIRFLOW_ENVIRONMENTS)/$(AIRFLOW_VERSION)/.installed-package: airflow/pyproject.toml $(AIRFLOW_ENVIRONMENTS)/$(AIRFLOW_VERSION)/.installed
	@VIRTUAL_ENV=$(abspath $(@D)) $(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv pip install --quiet --no-deps --reinstall-package mwaa-bluegreen --editable airflow
	@touch $@

$(AIRFLOW_PYTHON): $(AIRFLOW_ENVIRONMENTS)/$(AIRFLOW_VERSION)/.installed-package

airflow: $(AIRFLOW_PYTHON)

airflow-versions: $(AIRFLOW_ENVIRONMENTS)/uv-$(UV)/bin/uv
	@for version in $(filter-out $(AIRFLOW_VERSION),$(AIRFLOW_VERSIONS)); do $(MAKE) --no-print-directory airflow AIRFLOW=$$version; done

test-airflow-unit: tools ## the Airflow package without Airflow
	@$(BIN)/python -m pytest -q -n 4 airflow/tests/unit

# The files mostly wait, so they do it beside each other, each with a worker of its own.
test-airflow: test-airflow-unit to-test $(AIRFLOW_PYTHON) ## and with real Airflow, two of them behind the deployed functions (AIRFLOW=2.10.5)
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; AIRFLOW_HOME=$$home AIRFLOW__CORE__LOAD_EXAMPLES=False \
	  $(AIRFLOW_PYTHON) -m pytest -q -p no:warnings airflow/tests/policy
	@AIRFLOW_PYTHON=$(abspath $(AIRFLOW_PYTHON)) $(BIN)/python -m pytest -q -rfEP -n 4 --dist loadfile airflow/tests/real

# What differs from version to version and takes less than a minute: the policy in a DagBag, and a web server that starts.
test-airflow-start: tools $(AIRFLOW_PYTHON) ## the policy, and the web server with every option on, with one Airflow version
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; AIRFLOW_HOME=$$home AIRFLOW__CORE__LOAD_EXAMPLES=False \
	  $(AIRFLOW_PYTHON) -m pytest -q -p no:warnings airflow/tests/policy
	@AIRFLOW_PYTHON=$(abspath $(AIRFLOW_PYTHON)) $(BIN)/python -m pytest -q -rfEP -n 0 airflow/tests/start

test-airflow-versions: tools airflow-versions ## the same with every version promised that test-airflow has not had
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target $(addprefix test-airflow-start-,$(filter-out $(AIRFLOW_VERSION),$(AIRFLOW_VERSIONS)))

test-airflow-start-%:
	@echo "== Airflow $*"; $(MAKE) --no-print-directory test-airflow-start AIRFLOW=$*

bench-airflow: tools debug $(AIRFLOW_PYTHON) ## runs lost and doubled next to simulated switches; what the guard costs; flip to first run on two real Airflows
	@cd airflow && PYTHONPATH=src:$$PYTHONPATH AIRFLOW_PYTHON=$(abspath $(AIRFLOW_PYTHON)) ../$(BIN)/python -m bench

$(TOOLS_MOTO)/.installed: soak/requirements-moto.txt
	@echo "== installing moto into $(TOOLS_MOTO)"
	@$(PYTHON) -m venv $(TOOLS_MOTO)
	@$(TOOLS_MOTO)/bin/python -m pip install --quiet --requirement soak/requirements-moto.txt
	@touch $@

soak: tools debug $(TOOLS_MOTO)/.installed ## storms on a deployed pair, then peace, then its stores are judged; and the command line on moto (MINUTES=3, SEED=a fresh one)
	@$(BIN)/python -m soak --direct $(TOOLS_MOTO)/bin/python $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

generate: tools debug ## write what follows from the code's catalogs: blocks of template.yaml and docs/reference, tests/support/schema.json
	@target/debug/mwaa-bluegreen schema --json | $(BIN)/python -m tools.generate

lint: tools ## format, lints, rustdoc, types, circles, spelling, generated blocks
	@echo "== cargo fmt"; cargo fmt --all --check
	@echo "== cargo clippy"; cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@echo "== cargo doc"; RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --exclude empty-runtime --no-deps --document-private-items --quiet
	@echo "== ruff"; $(BIN)/ruff check --quiet --no-cache
	@echo "== mypy"; $(BIN)/mypy --no-error-summary --cache-dir=.tools/mypy-cache
	@cd airflow && ../$(BIN)/mypy --no-error-summary --cache-dir=../.tools/mypy-cache
	@echo "== circles among modules"; $(BIN)/python -m tools.module_circles $(MODULES)
	@echo "== files of at most 600 lines"; $(BIN)/python -m tools.long_files $(READABLE)
	@echo "== typos"; $(BIN)/typos
	@echo "== generated blocks"; $(BIN)/python -m tools.generate --check

# The first line is for what only a release build shows. Its first run builds every dependency once more, with little optimization.
check: lint ## before every commit: the lints, the fast tests, the functions built quickly: about a minute once all is built
	@echo "== the functions, as far as the compiler"; cargo build --locked --profile quick-release --quiet
	@echo "== tests of the decisions"; cargo test --locked --package bluegreen-core --quiet
	@echo "== tests of the templates, the events and the documents"; $(BIN)/python -m pytest -q tests/template
	@$(BIN)/python -m pytest -q tests/infra
	@$(BIN)/python -m pytest -q tests/docs

gates: lint functions $(TOOLS_LINT)/.installed ## the lints for every Python, template, dependencies, package size
	@for version in $(PYTHON_VERSIONS); do echo "== ruff and mypy (the Airflow package, as Python $$version reads it)"; \
	  $(BIN)/ruff check --quiet --no-cache --ignore UP,I --target-version "py$${version/./}" airflow; \
	  (cd airflow && ../$(BIN)/mypy --no-error-summary --cache-dir=../.tools/mypy-cache --python-version "$$version"); done
	@echo "== cfn-lint"; $(TOOLS_LINT)/bin/cfn-lint template.yaml infra/*.yaml
	@echo "== sam validate --lint"; SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(TOOLS_LINT)/bin/sam validate --lint --template template.yaml
	@for template in infra/*.yaml; do SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(TOOLS_LINT)/bin/sam validate --lint --template $$template; done
	@echo "== cfripper (policies of infra/)"; $(TOOLS_LINT)/bin/python -m tools.policy_scan
	@echo "== cargo shear (unused dependencies)"; $(TOOLS_LINT)/bin/cargo-shear --locked
	@echo "== cargo deny (licenses, bans, sources)"; $(TOOLS_LINT)/bin/cargo-deny --log-level error check licenses bans sources
	@echo "== release binaries"; $(BIN)/python .ci/check_release.py

# The command line is that of the tests, as in the demo.
bench: functions debug ## cold start, memory, calls, connections, sizes, environments and cost, side by side; fails if a target is not met
	@$(BIN)/python -m bench

clean: ## remove what was built and installed
	@rm -rf target .tools .demo .bench .soak .aws-sam

.PHONY: help simulate-faults tools airflow airflow-versions release functions debug tested to-test cli generate lint check gates demo test test-airflow test-airflow-unit test-airflow-start test-airflow-versions bench-airflow test-rust test-rust-built test-model test-simulation simulate test-local test-template test-end-to-end mutants bench soak clean
