# `make` or `make help` lists the targets: every line with a double ## after its name.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SEED ?= 0
BENCHMARK ?= planted
# a worker a core, each with one thread: more would fight for the cores. Each begins with half of the files, so that
# what a file's tests share is made once
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal
WORKERS ?= 2
SWEEP ?= modalities
ABLATIONS := $(addprefix ablation-,modalities components acp losses lambdas segments batch prompts readings online)
# what a target runs: sweeps by name, one after the other
SWEEPS_ablation-modalities := modalities
SWEEPS_ablation-components := components
SWEEPS_ablation-acp := acp
SWEEPS_ablation-losses := losses
SWEEPS_ablation-lambdas := lambda_contrast lambda_embed lambda_grid
SWEEPS_ablation-segments := segments learning_rate
SWEEPS_ablation-batch := batch_size
SWEEPS_ablation-prompts := prompts
SWEEPS_ablation-readings := temporal fusion contrast weighting
SWEEPS_ablation-online := look_ahead
SWEEPS_ablations := $(foreach target,$(ABLATIONS),$(SWEEPS_$(target)))
SWEEPS_search := search

.PHONY: $(ABLATIONS) ablations compare search sweep-agent
.PHONY: help bench demo demo-video report test pytest test-fast lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-20s %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mmvad needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	@echo "installing the locked environment into $(VENV) (about 6 GB, some minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## make the planted benchmark, train and test on it, show all metrics (SEED=0)
	$(BIN)/mmvad planted --seed $(SEED) --out banks/planted-$(SEED)
	$(BIN)/mmvad train --config experiments/planted.yaml --data.bank=banks/planted-$(SEED) --seed=$(SEED) --runtime.threads=1

demo-video: $(READY) ## render clips, extract, train, predict those not seen: a page to click on (SEED=0)
	$(BIN)/mmvad demo-video --seed $(SEED)

report: $(READY) ## tables, figures and report.html from the runs in RESULTS=runs (BENCHMARK= TABLES=)
	$(BIN)/mmvad report $(RESULTS) $(if $(filter command environment,$(firstword $(origin BENCHMARK))),--benchmark $(BENCHMARK)) \
	  $(if $(TABLES),--tables $(TABLES))

# sweeps: every target takes BENCHMARK=planted|xd_violence|ucf_crime|path/of/your.yaml WORKERS=2 STORAGE=postgresql://... DRY=1
# SEEDS=0,1,2 (a list) or SEEDS=3 (so many, from 0)
# SET="key=value ..." RESULTS=runs; the same command again goes on where it was (docs/SWEEPS.md)
PLANTED_BANK := banks/planted-0
DRY_RUN := $(filter-out 0,$(DRY))
SWEEP_BANK := $(if $(DRY_RUN),,$(if $(filter planted,$(BENCHMARK)),$(PLANTED_BANK)/manifest.json))
SWEEP_SET := $(if $(filter planted,$(BENCHMARK)),data.bank=$(PLANTED_BANK)) $(SET)
COMMA := ,
SEED_LIST := $(if $(findstring $(COMMA),$(SEEDS)),$(SEEDS),$(if $(SEEDS),$(shell seq -s, 0 $$(($(SEEDS) - 1)))))
SWEEP_GIVEN := --benchmark $(BENCHMARK) $(if $(SEEDS),--seeds $(or $(SEED_LIST),$(error SEEDS=$(SEEDS): expected how many, or a list such as 0,1,2))) $(if $(RESULTS),--results $(RESULTS)) \
  $(if $(strip $(SWEEP_SET)),--set $(SWEEP_SET))
SWEEP_RUN := $(SWEEP_GIVEN) --workers $(WORKERS) $(if $(STORAGE),--storage $(STORAGE)) $(if $(DRY_RUN),--dry-run)
SAY_BENCHMARK = @echo "benchmark: $(BENCHMARK)$(if $(filter file,$(origin BENCHMARK)), (the default; BENCHMARK=xd_violence, ucf_crime or a file of your own for others))"
# one sweep after the other; a failed cell does not hold up the rest, Ctrl-C does
run_sweeps = failed=0; for name in $(1); do $(BIN)/mmvad sweep run $$name $(SWEEP_RUN); code=$$?; \
  test $$code -le 1 || exit $$code; test $$code -eq 0 || failed=1; done; exit $$failed

$(PLANTED_BANK)/manifest.json: | $(READY)
	$(BIN)/mmvad planted --seed 0 --out $(PLANTED_BANK)

ablation-modalities: ## Table VI: what sound and text add
ablation-components: ## Table VII: the components, one by one
ablation-acp: ## Table VIII: before and after the context prompt
ablation-losses: ## Table IX: the losses, one by one
ablation-lambdas: ## Table X: lambda1, lambda2 and their grid
ablation-segments: ## Table XI: segments, and the learning rate
ablation-batch: ## Table XII: videos of a step
ablation-prompts: ## Figure 5: learned prompt vectors
ablation-readings: ## what the paper leaves open: temporal unit, fusion, contrast, weighting
ablation-online: ## the figures by look-ahead, as on a stream
ablations: ## all of them
search: ## Optuna's search over learning rate, lambdas, prompts and dropout, on held-out videos
$(ABLATIONS) ablations search: $(READY) $(SWEEP_BANK)
	$(SAY_BENCHMARK)
	@$(call run_sweeps,$(SWEEPS_$@))

compare: $(READY) $(SWEEP_BANK) ## Tables I to V: every peer under one protocol, beside its published figures
	$(SAY_BENCHMARK)
	@( $(call run_sweeps,compare) ); code=$$?; $(if $(DRY_RUN),,test $$code -gt 1 || $(BIN)/mmvad report $(RESULTS) \
	  --benchmark $(BENCHMARK) --tables compare,IV;) exit $$code

sweep-agent: $(READY) $(SWEEP_BANK) ## a W&B sweep and agent for SWEEP=modalities (DRY=1 only writes the file)
	$(SAY_BENCHMARK)
	@$(BIN)/mmvad sweep wandb $(SWEEP) $(SWEEP_GIVEN) $(if $(DRY_RUN),,--agent)

test: $(READY) ## lint, check types and run all tests, both at once
	@$(MAKE) --no-print-directory -j2 lint pytest

pytest: $(READY) # all tests alone
	$(PYTEST)

test-fast: $(READY) ## run the tests that take under ten seconds
	$(PYTEST) -m 'not slow'

bench: $(READY) ## time every part beside its plain form (QUICK=1 THREADS=2 ONLY=steps,text), into bench/
	$(BIN)/python -m tools.bench $(if $(QUICK),--quick) $(if $(THREADS),--threads $(THREADS)) $(if $(ONLY),--only $(ONLY))

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check src tests tools notebooks
	$(BIN)/ruff format --check src tests tools notebooks
	$(BIN)/mypy

format: $(READY) ## let ruff rewrite the sources
	$(BIN)/ruff format src tests tools notebooks
	$(BIN)/ruff check --fix src tests tools notebooks

lock: ## resolve the newest dependencies into requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --extra clap --extra dev --extra onnx --extra peers --extra postgres --extra tensorboard --extra video --extra wandb \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock --upgrade

clean: ## remove the environment and caches; banks/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
