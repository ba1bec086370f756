# Every command runs in the virtual environment .venv: requirements.lock is what running needs, and
# requirements-dev.lock all that checking needs.
PYTHON ?= python3.11
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
unexport PYTHONSAFEPATH # `python -m flows...` is in this folder

# Where `make server` listens and `make worker` and `make deploy` look.
PORT ?= 4200
POOL := lesionflow

.DEFAULT_GOAL := help
.PHONY: help env demo repro run page bench test test-all lint server worker deploy audit lock readme clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: .venv/ready ## Make the virtual environment for running

INSTALL := .venv/bin/pip install --quiet --no-deps
.venv/ready: requirements.lock
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	touch $@

.venv/ready-to-check: .venv/ready requirements-dev.lock
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	touch $@

demo: env ## Run the whole DAG on synthetic lesions in demo/, change a setting, show what moved
	python -m flows.demo

repro: env ## Run every stage whose inputs changed, on the data set of params.yaml
	python -m flows.settings
	dvc repro

run: env ## The same with independent stages side by side
	python -m flows.pipeline

page: env ## Write reports/index.html, the page of the results
	python -m flows.page

bench: .venv/ready-to-check ## Measure against what else one would do, into benchmarks/results.md
	python -m benchmarks

server: env ## Start a Prefect server on loopback (PORT=4200) and its pages
	PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL=INFO python -m flows.engine.hosted server --port $(PORT)

worker: env ## Run what the deployments schedule, in this folder
	PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL=INFO python -m flows.engine.hosted client --port $(PORT) \
		python -m flows.worker $(POOL)

deploy: env ## Register the deployments of prefect.yaml with the server
	@python -m flows.engine.hosted deploy --port $(PORT)

PYTEST := python -m pytest --numprocesses auto --dist worksteal
test: lint ## Check style and types, run the tests
	$(PYTEST) -m "not slow"

test-all: test ## The same, then the slow cases of the matrices
	$(PYTEST) -m slow

lint: .venv/ready-to-check ## Check style and types
	ruff check .
	ruff format --check .
	mypy

audit: ## Ask the package index which packages have known vulnerabilities
	$(PYTHON) -m venv --clear .audit
	.audit/bin/pip install --quiet pip-audit
	.audit/bin/pip-audit --no-deps --disable-pip --requirement requirements-dev.lock

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet
lock: env ## Resolve both locks anew (needs uv)
	$(LOCK) --all-extras --group dev --output-file requirements-dev.lock
	$(LOCK) --extra transfer --constraint requirements-dev.lock --output-file requirements.lock

readme: env ## Put the picture of the DAG and the committed numbers into README.md
	python -m flows.readme

clean: ## Remove demo/ and the caches of the tools
	rm -rf demo .part-demo .audit .mypy_cache .pytest_cache .ruff_cache .hypothesis
