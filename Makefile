# Everything runs in VENV, which is made when it is first needed. `make help` says what there is.

AIRFLOW_VERSION ?= 3.3.2
PYTHON ?= python3
VENV ?= .venv

.DEFAULT_GOAL := help
.PHONY: help demo demo-up test test-fast lint types clean

# Another Airflow version is another stamp, so it is installed.
INSTALLED := $(VENV)/airflow-$(AIRFLOW_VERSION).installed
BIN := $(VENV)/bin

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet -e '.[dev]' 'apache-airflow==$(AIRFLOW_VERSION)'
	rm -f $(VENV)/airflow-*.installed
	touch $@

demo: $(INSTALLED) ## Run the example DAGs in a real Airflow against the sandbox
	@$(BIN)/python -m demo

demo-up: $(INSTALLED) ## The same, and leave Airflow running until Ctrl-C
	@$(BIN)/python -m demo --keep

test: $(INSTALLED) ## Run all tests, those with a real Airflow too
	$(BIN)/python -m pytest

test-fast: $(INSTALLED) ## Run all tests that need no running Airflow
	$(BIN)/python -m pytest --ignore tests/deployment

lint: $(INSTALLED) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## Check the package's types
	$(BIN)/python -m mypy

clean: ## Remove what these targets made
	rm -rf .venv* .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
