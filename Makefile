# Everything a person types. `make help` lists it.
#
#   EDGE_PORT=8080      where the edge listens          RUN_DIR=.run   where the stack keeps data, logs and pids
#   T=pricing           which tests: a word of their names or files, a path, or options of pytest
#   S=order             which service                     A=...            what to do there
#   PYTHON=python3.12   which Python makes .venv (3.11 or newer)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

export RUN_DIR EDGE_PORT

BIN := .venv/bin
PY := $(BIN)/python
STACK := $(PY) -m devstack

# The first Python on the path that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$python; break; }; done)

.PHONY: help
help: ## this list
	@test -t 1 && colour='\033[36m' plain='\033[0m'; \
	awk -v colour="$$colour" -v plain="$$plain" 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %s%-17s%s %s\n", colour, $$1, plain, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## make or refresh .venv from requirements.lock (every command does it by itself)
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed and none is on the PATH; install it, or name one: make up PYTHON=/path/to/python3.12))\
	$(PYTHON) -m devstack.environment

##@ The stack

.PHONY: up down restart logs ps psql dead-letters seed demo clean
up: venv gen-missing ## start everything that does not run, migrate, seed the demo, wait until ready
	@$(STACK) up
down: venv ## stop everything; data stays
	@$(STACK) down
ps: venv ## what runs, its memory, whether it is ready
	@$(STACK) ps
logs: venv ## follow the logs; S=order for one service
	@$(STACK) logs $(S)
psql: venv ## a shell on one service's database: make psql S=order
	@$(if $(S),,$(error name a service: make psql S=order))$(STACK) psql $(S)
dead-letters: venv ## events that a service gave up on: make dead-letters S=order A='replay ID'
	@$(if $(S),,$(error name a service: make dead-letters S=order))$(STACK) dead-letters $(S) $(A)
restart: venv ## stop and start one process with today's code: make restart S=order
	@$(if $(S),,$(error name a process: make restart S=order))$(STACK) restart $(S)
seed: venv ## put back what is missing of the demo's data
	@$(STACK) seed
demo: venv ## one order from the menu to the doorstep, by REST only; then the roads on which it fails
	@$(STACK) demo
clean: venv ## stop everything and delete this stack's data
	@$(STACK) clean

##@ Tests

PYTEST = $(PY) -m pytest
# What T selects in a folder of tests: options (-k, -x ...) and words narrow the folder, a path is taken in its place.
select = $(if $(filter -%,$(firstword $(T))),$(1) $(T),$(if $(findstring /,$(T)),$(T),$(1) $(if $(T),-k '$(T)')))

.PHONY: test test-unit test-contract test-integration test-e2e chaos
test: venv gen-missing ## all tests, from nothing; T=cancel, T=tests/unit/order or T='-k pay -x' for some
	@$(PYTEST) $(call select,tests)
test-unit: venv gen-missing ## no network, no disk; seconds
	@$(PYTEST) $(call select,tests/unit)
test-contract: venv gen-missing ## the contracts against the routes, schemas and promises they were made from
	@$(PYTEST) $(call select,tests/contract)
test-integration: venv gen-missing ## real PostgreSQL and NATS
	@$(PYTEST) $(call select,tests/integration)
test-e2e: venv gen-missing ## a whole stack through the edge
	@$(PYTEST) $(call select,tests/e2e)
chaos: venv gen-missing ## kill every process under load, then count every rupee, unit, point and event; CHAOS_SEED=... repeats
	@$(PYTEST) -s $(or $(T),tests/chaos/faults_under_load.py)

##@ Speed

.PHONY: bench
bench: venv gen-missing ## side by side with what most teams would build, on a stack of its own; FAST=1 for a short run
	@$(PY) -m bench $(if $(FAST),--fast)

##@ Checks

IMAGE := .cache/contracts.binpb
RELEASED := protos/released.binpb

.PHONY: check gen gen-missing gen-check docs docs-check lint types proto-lint proto-breaking edge-check audit format
check: gen-check docs-check lint types proto-lint proto-breaking edge-check audit chart-check test ## what CI runs
gen: venv ## write gen/ from protos/
	@$(PY) -m tools.generate
gen-missing: venv
	@test -d gen/jainshikanji || $(PY) -m tools.generate
gen-check: venv ## prove that gen/ is what protos/ gives
	@$(PY) -m tools.generate --check
docs: venv ## write docs/api and docs/events.md from contracts, handler tables and refusals
	@$(PY) -m tools.document
docs-check: venv ## prove that they say what the code says
	@$(PY) -m tools.document --check
lint: venv ## style, mistakes, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
format: venv ## put the style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
types: venv ## mypy, strict
	@$(PY) -m mypy
	@$(PY) -m mypy envoy/render.py
proto-lint: venv ## rules of buf.yaml, offline
	@$(PY) -m tools.generate --image $(IMAGE)
	@$(BIN)/buf lint $(IMAGE) --config buf.yaml
	@$(BIN)/buf format --diff --exit-code protos
proto-breaking: venv ## nothing that the last release promised is gone
	@$(PY) -m tools.generate --image $(IMAGE)
	@if [ -f $(RELEASED) ]; then $(BIN)/buf breaking $(IMAGE) --against $(RELEASED) --config buf.yaml; \
	else echo "no release yet: $(RELEASED) is written by the first one"; fi
edge-check: venv ## render the edge for the cluster and let Envoy judge it
	@mkdir -p .cache/edge/tls
	@echo '{"tls_dir": "$(CURDIR)/.cache/edge/tls"}' > .cache/edge/settings.json
	@$(PY) envoy/render.py --out .cache/edge --settings .cache/edge/settings.json --validate
audit: venv ## pins, known weaknesses of packages, secrets in files and in history; offline
	@$(PY) -m tools.audit --history

##@ Deployment

.PHONY: chart chart-check rendered image-tag sbom
chart-check: venv gen-missing ## lint, render and validate the chart, compare with k8s/rendered
	@$(PY) -m tools.deploy --check
chart: chart-check ## chart-check, and prove image and policies: tests/deploy
	@$(PYTEST) $(call select,tests/deploy)
rendered: venv ## write what is derived from the chart: k8s/rendered, NATS logins, databases
	@$(PY) -m tools.deploy
image-tag: venv ## the tag of both images: the version and what their content is made from
	@$(PY) -m tools.images tag
sbom: venv ## what is in the images, as CycloneDX: .cache/sbom
	@$(PY) -m tools.images sbom --out .cache/sbom

##@ Dependencies

.PHONY: lock
lock: venv ## requirements.lock from pyproject.toml, with hashes; LOCK_FLAGS=--upgrade for newer versions
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock $(LOCK_FLAGS)
	@$(BIN)/uv pip compile --quiet pyproject.toml --constraint requirements.lock --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.services.lock $(LOCK_FLAGS)
	@$(BIN)/uv pip compile envoy/requirements.in --constraint requirements.lock --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file envoy/requirements.lock $(LOCK_FLAGS)
