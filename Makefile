# Two commands for a newcomer: `make demo` and `make test`. They need Python 3.11 to 3.14, make and a package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export AMZIGO_HOME ?= .amzigo

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp holds until the lock or the project file changes.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (once; about two minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed ## live through 45 days of two synthetic sellers in AMZIGO_HOME (.amzigo), then show the result
	@$(BIN)/amzigo demo

dev: $(VENV)/.installed ## open the Dagster UI on the demo's data (run `make demo` first)
	@$(BIN)/amzigo dev

test: $(VENV)/.installed ## run all tests, in parallel
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.installed ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.installed ## measure what is promised about speed, as ratios
	@$(BIN)/python -m benchmarks

dictionary: $(VENV)/.installed ## write docs/data-dictionary.md anew from the catalog and the marts
	@$(BIN)/amzigo dictionary --markdown > docs/data-dictionary.md

compliance: $(VENV)/.installed ## write docs/compliance.md anew from the table of promises
	@$(BIN)/python -m amzigo_pipelines.compliance.page > docs/compliance.md

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-strip-extras \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

.PHONY: help demo dev test lint bench dictionary compliance lock
