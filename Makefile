# Everything runs in VENV, which is made when it is first needed. `make help` says what there is.

AIRFLOW_VERSION ?= 3.3.2
PYTHON ?= python3
VENV ?= .venv

# Images of containers often forbid to write bytecode. Each process would then compile all of Airflow again, which takes
# longer than to import it, and the tests start many.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help check demo demo-up test test-jobs test-secrets test-access test-hostile test-scale test-faults test-cluster test-restarts test-ui test-fast lint types bench bench-rest clean

# Another Airflow version is another stamp, so it is installed.
INSTALLED := $(VENV)/airflow-$(AIRFLOW_VERSION).installed
BIN := $(VENV)/bin

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

# What a version needs in these tests and does not ask for: its connection forms, a library that knows its storages, and
# those that its API server runs with.
ALSO_3.0.6 := apache-airflow-providers-fab 'universal-pathlib<0.3' 'cadwyn<6' 'fastapi<0.117' 'pyjwt<2.11'
ALSO_3.2.2 := 'fastapi<0.136'

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip install --python $(BIN)/python --quiet -e '.[dev]' 'apache-airflow==$(AIRFLOW_VERSION)' $(ALSO_$(AIRFLOW_VERSION))
	rm -f $(VENV)/airflow-*.installed
	touch $@

# What few targets need has a venv of its own, with Airflow and these packages: $(call venv_with,VENV,PACKAGES)
define venv_with
@$(MAKE) -s VENV=$(1) $(1)/airflow-$(AIRFLOW_VERSION).installed
@$(1)/bin/uv pip install --python $(1)/bin/python --quiet $(2)
endef

# What builds and checks distributions and workflows, without an Airflow.
TOOLS_VENV := .venv-tools
TOOLS := $(TOOLS_VENV)/bin

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
	$(PYTEST) $(PARALLEL) $(addprefix --ignore tests/,access cluster deadlines/test_deployment.py deployment/test_demo_leaves_nothing_behind.py described faults hostile packaging postgres scale secrets/test_campaign.py ui whole_job)

# As root on Debian it is got; elsewhere this says what to do.
.PHONY: postgresql
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -yqq postgresql; } || \
	  { echo "Some tests need PostgreSQL: install it, or put the directory of its initdb on the PATH."; exit 1; }

test-jobs: PROCESSES = 2
test-jobs: $(INSTALLED) postgresql ## Run whole jobs, described vendors, deadlines and interrupted demos in real Airflows: 7 minutes
	$(PYTEST) $(PARALLEL) tests/deadlines/test_deployment.py tests/deployment/test_demo_leaves_nothing_behind.py tests/described tests/whole_job

test-secrets: $(INSTALLED) postgresql ## Search a real Airflow for secrets that vendors quote: 3 minutes
	$(PYTEST) tests/secrets

# Flask AppBuilder brings dozens of packages. Only the provider is pinned: it bounds those that it needs itself. The same
# one runs on Airflow 3.1.8 (make test-access AIRFLOW_VERSION=3.1.8).
FAB_VENV := .venv-fab-$(AIRFLOW_VERSION)
FAB := apache-airflow-providers-fab==3.10.2

test-access: postgresql ## Ask the Imports page as users with different permissions, with two auth managers: 2 minutes
	$(call venv_with,$(FAB_VENV),$(FAB))
	$(FAB_VENV)/bin/python -m pytest tests/access

test-hostile: PROCESSES = 2
test-hostile: $(INSTALLED) postgresql ## Send hostile texts everywhere but to a browser (that is in test-ui): 3 minutes
	$(PYTEST) $(PARALLEL) tests/hostile tests/postgres/test_hostile_texts.py tests/postgres/test_hostile_vendors.py

test-scale: $(INSTALLED) postgresql ## Run many waits, two triggerers, and processes that share tokens and logins: 10 minutes
	$(PYTEST) tests/scale tests/postgres --ignore-glob 'tests/postgres/test_hostile_*'

test-faults: export FAULT_WAITS ?= 2000
test-faults: $(INSTALLED) ## Run thousands of waits through all kinds of faults (FAULT_WAITS, FAULT_SEED): minutes
	$(PYTEST) tests/faults

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
	$(call venv_with,$(CLUSTER_VENV),$(CLUSTER))

# As root on Debian it is got; elsewhere this says what to do.
.PHONY: redis
redis:
	@command -v redis-server >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -yqq redis-server; } || \
	  { echo "The tests in a cluster need Redis: put its redis-server on the PATH."; exit 1; }

test-ui: $(INSTALLED) chromium ## Run the tests in a browser; pictures go to .screenshots: 8 minutes
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
	$(PYTEST) $(PARALLEL) $(addprefix --ignore tests/,access cluster deadlines/test_deployment.py deployment described packaging postgres scale secrets/test_campaign.py ui whole_job zero_worker)

.PHONY: test-waits
test-waits: PROCESSES = 2
test-waits: $(INSTALLED) postgresql ## Run waits in a real Airflow of any version (VENV, AIRFLOW_VERSION): 4 minutes
	$(PYTEST) $(PARALLEL) $(addprefix tests/deployment/test_,deployment.py killed_triggerer.py waits.py) tests/zero_worker

.PHONY: test-versions
test-versions: ## Run test-fast and test-waits on each supported Airflow, and more on some (VERSIONS): two hours
	@.ci/test-versions $(VERSIONS)

lint: $(INSTALLED) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) $(TOOLS_VENV)/tools.installed ## Check the types of package and tests, and of code as users write it
	$(BIN)/python -m mypy
	$(TOOLS)/basedpyright -p tests/typing --pythonpath $(BIN)/python

# Airflow writes its configuration there, too.
DOCS_VENV := .venv-docs

.PHONY: docs
docs: export AIRFLOW_HOME = $(CURDIR)/$(DOCS_VENV)/airflow
docs: ## Write the generated tables in docs/, and build the site in .site; a warning is an error
	$(call venv_with,$(DOCS_VENV),--group docs)
	$(DOCS_VENV)/bin/python -m tests.reference_pages
	$(DOCS_VENV)/bin/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs .site

# They are committed: so the site is built without a browser, and a picture changes only on purpose.
PICTURES := page=imports-page tab-task=import-tab connection-tao_advance-extra=connection-form connection-wrong-zilliant-host=test-connection

.PHONY: pictures
pictures: test-ui ## Take the pictures in docs/pictures anew, from the browser tests
	$(foreach picture,$(PICTURES),cp .screenshots/$(AIRFLOW_VERSION)/$(subst =,.png docs/pictures/,$(picture)).png;)

# What users would pick instead brings a hundred packages.
BENCH_VENV := .venv-bench
BESIDE := apache-airflow-providers-http==6.3.0 apache-airflow-providers-databricks==7.23.0

bench: bench-venv ## Measure what waits cost, beside other providers' triggers and a bare loop
	@$(BENCH_VENV)/bin/python -m bench

bench-rest: bench-venv postgresql ## Measure whole Airflows with hundreds of waits that just wait: 20 minutes
	@$(BENCH_VENV)/bin/python -m bench rest two_thousand

.PHONY: bench-venv
bench-venv:
	$(call venv_with,$(BENCH_VENV),$(BESIDE))

$(TOOLS_VENV)/tools.installed: Makefile
	$(PYTHON) -m venv $(TOOLS_VENV)
	$(TOOLS)/pip install --quiet uv
	$(TOOLS)/uv pip install --python $(TOOLS)/python --quiet basedpyright check-jsonschema check-wheel-contents \
	  cyclonedx-bom pytest twine zizmor
	touch $@

# The dates in the archives are hatchling's, always the same, so that the bytes depend on the sources alone.
.PHONY: dist
dist: $(TOOLS_VENV)/tools.installed ## Build wheel and sdist: the same bytes for everyone who builds them
	rm -rf dist
	env -u SOURCE_DATE_EPOCH $(TOOLS)/uv build --quiet --require-hashes --build-constraints .ci/build-constraints.txt

.PHONY: test-package
test-package: export AIRFLOW_VERSION := $(AIRFLOW_VERSION)
test-package: $(TOOLS_VENV)/tools.installed ## Build the package, and install it into real environments: 3 minutes
	$(TOOLS)/python -m pytest --confcutdir tests/packaging tests/packaging

.PHONY: sbom
sbom: $(TOOLS_VENV)/tools.installed ## Write the bill of materials of the wheel in dist/, with all that it needs
	rm -rf build/environment
	$(TOOLS)/uv venv --quiet --python $(TOOLS)/python build/environment
	$(TOOLS)/uv pip install --quiet --python build/environment/bin/python dist/*.whl
	$(TOOLS)/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
	  --output-file build/sbom.cdx.json build/environment/bin/python

# Its PyPI package downloads actionlint when it is installed, which not every network allows.
.PHONY: lint-workflows
lint-workflows: $(TOOLS_VENV)/tools.installed ## Check the GitHub workflows, without a network
	$(TOOLS)/zizmor --quiet --offline --persona pedantic .github
	$(TOOLS)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(TOOLS)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@if command -v actionlint >/dev/null; then actionlint; else echo "actionlint is not installed: skipped."; fi

clean: ## Remove what these targets made
	rm -rf .venv* build dist .bench .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .screenshots .site
	find . -name __pycache__ -prune -exec rm -rf {} +
