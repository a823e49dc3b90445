# Everything runs in VENV, which is made when it is first needed. `make help` says what there is.

AIRFLOW_VERSION ?= 3.3.2
PYTHON ?= python3
VENV ?= .venv

# Images of containers often forbid to write bytecode. Each process would then compile all of Airflow again, which takes
# longer than to import it, and the tests start many.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help check demo demo-up test test-jobs test-secrets test-scale test-faults test-cluster test-restarts test-ui test-fast lint types bench bench-rest clean

# Another Airflow version is another stamp, so it is installed.
INSTALLED := $(VENV)/airflow-$(AIRFLOW_VERSION).installed
BIN := $(VENV)/bin

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet -e '.[dev]' 'apache-airflow==$(AIRFLOW_VERSION)'
	rm -f $(VENV)/airflow-*.installed
	touch $@

PYTEST := $(BIN)/python -m pytest
PARALLEL = -n $(PROCESSES) --dist loadscope

check: ## Run all that must pass before a change lands: all tests, style, types, the oldest Airflow
	@.ci/run

demo: $(INSTALLED) ## Run the example DAGs in a real Airflow against the sandbox
	@$(BIN)/python -m demo

demo-up: $(INSTALLED) ## The same, and leave Airflow running until Ctrl-C
	@$(BIN)/python -m demo --keep

# Tests with a real Airflow mostly wait: groups of them run beside all others.
test: PROCESSES = 4
test: $(INSTALLED) postgresql ## Run the tests, most of those with a real Airflow too
	$(PYTEST) $(PARALLEL) $(addprefix --ignore tests/,cluster described scale secrets/test_campaign.py ui whole_job)

# As root on Debian it is got; elsewhere this says what to do.
.PHONY: postgresql
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -yqq postgresql; } || \
	  { echo "Some tests need PostgreSQL: install it, or put the directory of its initdb on the PATH."; exit 1; }

test-jobs: PROCESSES = 2
test-jobs: $(INSTALLED) postgresql ## Run whole jobs and described vendors in real Airflows: 4 minutes
	$(PYTEST) $(PARALLEL) tests/described tests/whole_job

test-secrets: $(INSTALLED) postgresql ## Search a real Airflow for secrets that vendors quote: 3 minutes
	$(PYTEST) tests/secrets

test-scale: $(INSTALLED) postgresql ## Run the tests with many waits, two triggerers and a shared token: minutes
	$(PYTEST) tests/scale

test-faults: export FAULT_WAITS ?= 2000
test-faults: $(INSTALLED) ## Run thousands of waits through all kinds of faults (FAULT_WAITS, FAULT_SEED): minutes
	$(PYTEST) tests/faults

# Celery brings packages that nothing else here needs: a venv of its own.
CLUSTER_VENV := .venv-cluster
# The provider 3.26.0 cannot be imported with Celery 5.7.
CLUSTER := apache-airflow-providers-celery==3.26.0 'celery<5.7' redis==8.1.0

test-cluster: cluster-venv postgresql redis ## Run the two tests in a cluster (PostgreSQL, Celery, Redis): 30 minutes
	$(CLUSTER_VENV)/bin/python -m pytest tests/cluster

test-restarts: export RESTART_WAITS ?= 40
test-restarts: cluster-venv postgresql redis ## Restart everything in a cluster under some waits (RESTART_WAITS): 5 minutes
	$(CLUSTER_VENV)/bin/python -m pytest tests/cluster/test_restarts.py

.PHONY: cluster-venv
cluster-venv:
	@$(MAKE) -s VENV=$(CLUSTER_VENV) $(CLUSTER_VENV)/airflow-$(AIRFLOW_VERSION).installed
	@$(CLUSTER_VENV)/bin/uv pip install --python $(CLUSTER_VENV)/bin/python --quiet $(CLUSTER)

# As root on Debian it is got; elsewhere this says what to do.
.PHONY: redis
redis:
	@command -v redis-server >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -yqq redis-server; } || \
	  { echo "The tests in a cluster need Redis: put its redis-server on the PATH."; exit 1; }

test-ui: $(INSTALLED) chromium ## Run the tests in a browser; pictures go to .screenshots
	$(PYTEST) tests/ui

CHROMIUM ?= $(firstword $(shell which chromium chromium-browser google-chrome 2>/dev/null))
export CHROMIUM

# As root on Debian it is got; elsewhere this says what to do.
.PHONY: chromium
chromium:
	@test -n "$(CHROMIUM)" || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -yqq chromium; } || \
	  { echo "The browser tests need Chromium: install it, or name it (make test-ui CHROMIUM=/path/to/chromium)."; exit 1; }

test-fast: PROCESSES = 3
test-fast: $(INSTALLED) ## Run all tests that need no running Airflow
	$(PYTEST) $(PARALLEL) $(addprefix --ignore tests/,cluster deployment described postgres scale secrets/test_campaign.py ui whole_job zero_worker)

lint: $(INSTALLED) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## Check the types of package and tests
	$(BIN)/python -m mypy

.PHONY: docs
docs: $(INSTALLED) ## Write the tables in docs/ that repeat descriptions and their schema
	$(BIN)/python -m tests.reference_pages

# What users would pick instead brings a hundred packages that nothing else here needs: a venv of its own.
BENCH_VENV := .venv-bench
BESIDE := apache-airflow-providers-http==6.3.0 apache-airflow-providers-databricks==7.23.0

bench: bench-venv ## Measure what waits cost, beside other providers' triggers and a bare loop
	@$(BENCH_VENV)/bin/python -m bench

bench-rest: bench-venv postgresql ## Measure whole Airflows with hundreds of waits that just wait: 20 minutes
	@$(BENCH_VENV)/bin/python -m bench rest two_thousand

.PHONY: bench-venv
bench-venv:
	@$(MAKE) -s VENV=$(BENCH_VENV) $(BENCH_VENV)/airflow-$(AIRFLOW_VERSION).installed
	@$(BENCH_VENV)/bin/uv pip install --python $(BENCH_VENV)/bin/python --quiet $(BESIDE)

clean: ## Remove what these targets made
	rm -rf .venv* .bench .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .screenshots
	find . -name __pycache__ -prune -exec rm -rf {} +
