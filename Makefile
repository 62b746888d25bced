# `make` or `make help` lists the targets: every line with a double ## after its name.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SEED ?= 0

.PHONY: help demo test test-fast lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mmvad needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	@echo "installing the locked environment into $(VENV) (about 6 GB, some minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## make the planted benchmark, train and test on it, show all metrics (SEED=0)
	$(BIN)/mmvad planted --seed $(SEED) --out banks/planted-$(SEED)
	$(BIN)/mmvad train --config experiments/planted.yaml --data.bank=banks/planted-$(SEED) --seed=$(SEED)

test: $(READY) lint ## lint, check types and run all tests
	$(BIN)/python -m pytest -n auto

test-fast: $(READY) ## run the tests that take under ten seconds
	$(BIN)/python -m pytest -n auto -m 'not slow'

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

format: $(READY) ## let ruff rewrite the sources
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

lock: ## resolve the newest dependencies into requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock --upgrade

clean: ## remove the environment and caches; banks/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
