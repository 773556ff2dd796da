# opsd: everything a newcomer needs. `make demo` and `make test` work on a fresh machine.
# The first interpreter that runs and is new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Processes that test side by side; many wait for processes of their own more than they work.
TEST_WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILE := $(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-header --no-annotate

# The tests and the demo start hundreds of processes; without bytecode each of them would compile the program anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo demo-once test lint format wheel bench docs schema lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 14

install: $(STAMP) ## environment in .venv, with pinned and hashed packages

$(STAMP): requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo 'error: Python 3.11 or newer is needed; set PYTHON=...' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: install ## a live fleet under supervision, until Ctrl-C
	@$(BIN)/opsd demo

demo-once: install ## the demo, played to its end
	@$(BIN)/opsd demo --once

test: install lint ## lint and all tests
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks

lint: install ## ruff, mypy, the import direction between rooms, the generated schemas, documents and dashboards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m opsd.contract.schema --check
	$(BIN)/python -m tools --check

format: install ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: install ## dist/opsd-*.whl, for an installation elsewhere
	rm -f dist/opsd-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

bench: install ## every figure as a ratio, measured side by side
	@$(BIN)/python -m bench

docs: install ## write docs/reference/, the dashboards and the operator's rules from the code
	$(BIN)/python -m tools --write

schema: install ## write schema/*.json from the contract's types
	$(BIN)/python -m opsd.contract.schema --write

lock: ## renew the pinned requirements from pyproject.toml
	$(COMPILE) -o requirements.txt pyproject.toml
	$(COMPILE) --extra dev -o requirements-dev.txt pyproject.toml
	$(COMPILE) --only-build-deps --build-deps-for wheel -o requirements-build.txt pyproject.toml
	$(COMPILE) -c requirements-dev.txt -o tests/deploy/requirements.txt tests/deploy/requirements.in

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
