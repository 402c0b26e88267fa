# The whole workflow. 'make demo' and 'make test' need nothing but Python 3.11 or newer.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WEIGHTS := $(wildcard ../shared/weights)
# Local weights are used where they lie beside the project; elsewhere timm's hub is asked.
export GREENSTICK_WEIGHTS ?= $(abspath $(WEIGHTS))

.PHONY: help install demo test lint format types bench docs clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: $(STAMP) ## Make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: install ## Draw a cohort, train, calibrate, test on unseen patients, report (3 minutes)
	$(BIN)/greenstick demo -o runs/demo --overwrite

test: install ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

lint: install ## Style, types, the one-way flow, tests that assert nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/check_assertions.py

format: install ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## Run every benchmark (long; see benchmarks/README.md)
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

docs: install ## Check that the documentation's links and commands hold
	$(BIN)/python -m pytest -q tests/test_docs.py

clean: ## Remove what was made here, the environment included
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist
