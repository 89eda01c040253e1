# All commands of a developer. `make help` lists them.
#
#   EDGE_PORT=8080      port of the edge (Envoy)        RUN_DIR=.run   directory of the stack's data, logs and pid files
#   T=pricing           selects tests: a word of their names or files, a path, or options of pytest
#   S=order             selects a service               A=...          arguments of its command
#   M="add notes"       message of a migration          PYTHON=python3.12   Python (3.11 or newer) that creates .venv

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

export RUN_DIR EDGE_PORT

BIN := .venv/bin
PY := $(BIN)/python
STACK := $(PY) -m devstack

# The first Python on the PATH that is 3.11 or newer.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$python; break; }; done)

.PHONY: help
help: ## print this list
	@test -t 1 && colour='\033[36m' plain='\033[0m'; \
	awk -v colour="$$colour" -v plain="$$plain" 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %s%-17s%s %s\n", colour, $$1, plain, $$2 }' $(MAKEFILE_LIST)

# $(1): the package set that .venv must contain, `dev` or `check` (pyproject.toml).
ensure_venv = $(if $(PYTHON),,$(error Python 3.11 or newer is not on the PATH; install it or name one: make up PYTHON=/path/to/python3.12))\
	$(PYTHON) -m devstack.environment $(1)

.PHONY: venv venv-check
venv: ## create or update .venv for the local stack (every command does this when needed)
	@$(call ensure_venv,dev)
venv-check: ## the same, with linters, type checker and chart tools
	@$(call ensure_venv,check)

##@ Local stack

.PHONY: up down restart logs ps psql dead-letters seed demo clean
up: venv gen-missing ## start PostgreSQL, NATS, nine services and Envoy; migrate; seed demo data; wait until ready
	@$(STACK) up
down: venv ## stop all processes; data is kept
	@$(STACK) down
ps: venv ## list processes with state, memory and ports
	@$(STACK) ps
logs: venv ## follow the logs; S=order for one service
	@$(STACK) logs $(S)
psql: venv ## open psql on one service's database: make psql S=order
	@$(if $(S),,$(error name a service: make psql S=order))$(STACK) psql $(S)
dead-letters: venv ## list or replay a service's dead letters: make dead-letters S=order A='replay ID'
	@$(if $(S),,$(error name a service: make dead-letters S=order))$(STACK) dead-letters $(S) $(A)
restart: venv ## restart one process with the current code: make restart S=order
	@$(if $(S),,$(error name a process: make restart S=order))$(STACK) restart $(S)
seed: venv ## create missing demo data
	@$(STACK) seed
demo: venv ## play one order by REST from menu to delivery, then the failure cases
	@$(STACK) demo
clean: venv ## stop all processes and delete the stack's data
	@$(STACK) clean

##@ Tests

PYTEST = $(PY) -m pytest
# Tests in directory $(1) that T selects: options (-k, -x ...) and words narrow the directory, a path replaces it.
select = $(if $(filter -%,$(firstword $(T))),$(1) $(T),$(if $(findstring /,$(T)),$(T),$(1) $(if $(T),-k '$(T)')))

.PHONY: test test-unit test-contract test-integration test-e2e chaos
test: venv-check gen-missing contracts-check ## all tests, on a fresh checkout too; select with T=cancel, T=tests/unit/order or T='-k pay -x'
	@$(PYTEST) $(call select,tests)
test-unit: venv gen-missing ## unit tests: no network, no servers
	@$(PYTEST) $(call select,tests/unit)
test-contract: venv-check gen-missing ## contracts against routes, schemas, documents and released versions
	@$(PYTEST) $(call select,tests/contract)
test-integration: venv gen-missing ## services on a real PostgreSQL and NATS
	@$(PYTEST) $(call select,tests/integration)
test-e2e: venv gen-missing ## a whole stack through the edge
	@$(PYTEST) $(call select,tests/e2e)
chaos: venv gen-missing ## kill each process under load, then reconcile all data; CHAOS_SEED=... repeats a run
	@$(PYTEST) -s $(or $(T),tests/chaos/faults_under_load.py)

##@ Performance

.PHONY: bench
bench: venv gen-missing ## compare with a FastAPI monolith on a stack of its own; FAST=1 for a short run
	@$(PY) -m bench $(if $(FAST),--fast)

##@ Code

.PHONY: migration gen gen-missing docs format
migration: venv ## create a migration from the template: make migration S=order M="add notes"
	@$(PY) -m tools.migration '$(S)' '$(subst ','\'',$(M))'
gen: venv ## generate gen/ from protos/
	@$(PY) -m tools.generate
gen-missing: venv
	@test -d gen/jainshikanji || $(PY) -m tools.generate
docs: venv ## generate docs/api and docs/events.md from contracts, event handlers and errors
	@$(PY) -m tools.document
format: venv-check ## apply automatic fixes and formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

##@ Checks

IMAGE := .cache/contracts.binpb
RELEASED := protos/released.binpb

.PHONY: check gen-check contracts-check docs-check lint types proto-lint proto-breaking edge-check audit
check: venv-check gen-check contracts-check docs-check lint types proto-lint proto-breaking edge-check audit chart-check test ## all checks and tests, as in continuous integration
gen-check: venv ## fail if gen/ differs from what protos/ generates
	@$(PY) -m tools.generate --check
contracts-check: venv ## fail if an rpc has no access option or no implementation
	@$(PY) -m tools.contracts
docs-check: venv ## fail if generated documents are stale
	@$(PY) -m tools.document --check
lint: venv-check ## style, common mistakes, and import rules between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
types: venv-check ## mypy in strict mode
	@$(PY) -m mypy
	@$(PY) -m mypy envoy/render.py
proto-lint: venv-check ## lint and format check of the contracts (buf.yaml), offline
	@$(PY) -m tools.generate --image $(IMAGE)
	@$(BIN)/buf lint $(IMAGE) --config buf.yaml
	@$(BIN)/buf format --diff --exit-code protos
proto-breaking: venv-check ## fail on changes that break clients of the last release
	@$(PY) -m tools.generate --image $(IMAGE)
	@if [ -f $(RELEASED) ]; then $(BIN)/buf breaking $(IMAGE) --against $(RELEASED) --config buf.yaml; \
	else echo "nothing is released yet: the first release writes $(RELEASED)"; fi
edge-check: venv ## render the edge's configuration for the cluster and validate it with Envoy
	@mkdir -p .cache/edge/tls
	@echo '{"tls_dir": "$(CURDIR)/.cache/edge/tls"}' > .cache/edge/settings.json
	@$(PY) envoy/render.py --out .cache/edge --settings .cache/edge/settings.json --validate
audit: venv ## pinned versions, known vulnerabilities, secrets in files and in Git history; offline
	@$(PY) -m tools.audit --history

##@ Deployment

.PHONY: chart chart-check rendered image-tag sbom
chart-check: venv-check gen-missing ## lint, render and validate the chart; compare with k8s/rendered
	@$(PY) -m tools.deploy --check
chart: chart-check ## chart-check, then tests of images, policies and references (tests/deploy)
	@$(PYTEST) $(call select,tests/deploy)
rendered: venv-check ## write the files derived from the chart: k8s/rendered, NATS logins, databases
	@$(PY) -m tools.deploy
image-tag: venv ## print the tag of both images: the version and a hash of their content
	@$(PY) -m tools.images tag
sbom: venv ## write the software bills of materials of the images (CycloneDX) to .cache/sbom
	@$(PY) -m tools.images sbom --out .cache/sbom

##@ Dependencies

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(LOCK_FLAGS)

.PHONY: lock
lock: venv-check ## write the four lock files with hashes; LOCK_FLAGS=--upgrade for newer versions
	@$(COMPILE) --quiet pyproject.toml --extra dev --extra check --output-file requirements.lock
	@$(COMPILE) --quiet pyproject.toml --extra dev --constraint requirements.lock --output-file requirements.dev.lock
	@$(COMPILE) --quiet pyproject.toml --constraint requirements.lock --output-file requirements.services.lock
	@$(COMPILE) --quiet envoy/requirements.in --constraint requirements.lock --output-file envoy/requirements.lock
