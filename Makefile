# `make` or `make help` lists the targets: every line with a double ## after its name.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SEED ?= 0
BENCHMARK ?= planted
WORKERS ?= 2
SWEEP ?= modalities
LAMBDAS := lambda_contrast lambda_embed lambda_grid
READINGS := temporal fusion contrast weighting
ABLATIONS := modalities components acp losses $(LAMBDAS) segments learning_rate batch_size prompts $(READINGS)

.PHONY: ablation-modalities ablation-components ablation-acp ablation-losses ablation-lambdas ablation-segments
.PHONY: ablation-batch ablation-prompts ablation-readings ablations compare search sweep-agent
.PHONY: help bench demo demo-video report test test-fast lint format lock clean

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

# sweeps: every target takes BENCHMARK=planted|xd_violence|ucf_crime WORKERS=2 STORAGE=postgresql://... DRY=1
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
SAY_BENCHMARK = @echo "benchmark: $(BENCHMARK)$(if $(filter file,$(origin BENCHMARK)), (the default; BENCHMARK=xd_violence or ucf_crime for the others))"
METHOD_TABLES_planted := methods
METHOD_TABLES_xd_violence := III,IV,V
METHOD_TABLES_ucf_crime := I,II
# one sweep after the other; a failed cell does not hold up the rest, Ctrl-C does
run_sweeps = failed=0; for name in $(1); do $(BIN)/mmvad sweep run sweeps/$$name.yaml $(SWEEP_RUN); code=$$?; \
  test $$code -le 1 || exit $$code; test $$code -eq 0 || failed=1; done; exit $$failed

$(PLANTED_BANK)/manifest.json: | $(READY)
	$(BIN)/mmvad planted --seed 0 --out $(PLANTED_BANK)

ablation-modalities: $(READY) $(SWEEP_BANK) ## Table VI: what sound and text add
	$(SAY_BENCHMARK)
	@$(call run_sweeps,modalities)

ablation-components: $(READY) $(SWEEP_BANK) ## Table VII: the components, one by one
	$(SAY_BENCHMARK)
	@$(call run_sweeps,components)

ablation-acp: $(READY) $(SWEEP_BANK) ## Table VIII: before and after the context prompt
	$(SAY_BENCHMARK)
	@$(call run_sweeps,acp)

ablation-losses: $(READY) $(SWEEP_BANK) ## Table IX: the losses, one by one
	$(SAY_BENCHMARK)
	@$(call run_sweeps,losses)

ablation-lambdas: $(READY) $(SWEEP_BANK) ## Table X: lambda1, lambda2 and their grid
	$(SAY_BENCHMARK)
	@$(call run_sweeps,$(LAMBDAS))

ablation-segments: $(READY) $(SWEEP_BANK) ## Table XI: segments, and the learning rate
	$(SAY_BENCHMARK)
	@$(call run_sweeps,segments learning_rate)

ablation-batch: $(READY) $(SWEEP_BANK) ## Table XII: videos of a step
	$(SAY_BENCHMARK)
	@$(call run_sweeps,batch_size)

ablation-prompts: $(READY) $(SWEEP_BANK) ## Figure 5: learned prompt vectors
	$(SAY_BENCHMARK)
	@$(call run_sweeps,prompts)

ablation-readings: $(READY) $(SWEEP_BANK) ## what the paper leaves open: temporal unit, fusion, contrast, weighting
	$(SAY_BENCHMARK)
	@$(call run_sweeps,$(READINGS))

ablations: $(READY) $(SWEEP_BANK) ## all of them
	$(SAY_BENCHMARK)
	@$(call run_sweeps,$(ABLATIONS))

compare: $(READY) $(SWEEP_BANK) ## Tables I to V: every peer under one protocol, beside its published figures
	$(SAY_BENCHMARK)
	@( $(call run_sweeps,compare) ); code=$$?; $(if $(DRY_RUN),,test $$code -gt 1 || $(BIN)/mmvad report $(RESULTS) \
	  --benchmark $(BENCHMARK) --tables $(METHOD_TABLES_$(BENCHMARK));) exit $$code

search: $(READY) $(SWEEP_BANK) ## Optuna's search over learning rate, lambdas, prompts and dropout, on held-out videos
	$(SAY_BENCHMARK)
	@$(call run_sweeps,search)

sweep-agent: $(READY) $(SWEEP_BANK) ## a W&B sweep and agent for SWEEP=modalities (DRY=1 only writes the file)
	$(SAY_BENCHMARK)
	@$(BIN)/mmvad sweep wandb sweeps/$(SWEEP).yaml $(SWEEP_GIVEN) $(if $(DRY_RUN),,--agent)

test: $(READY) lint ## lint, check types and run all tests
	$(BIN)/python -m pytest -n auto

test-fast: $(READY) ## run the tests that take under ten seconds
	$(BIN)/python -m pytest -n auto -m 'not slow'

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
	uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev --extra peers --extra postgres --extra video --extra wandb \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock --upgrade

clean: ## remove the environment and caches; banks/ and runs/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
