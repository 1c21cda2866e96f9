# make install  makes .venv from constraints.txt     make demo   a small model learns from a served reward
# make test     lint, format, types, all tests       make bench  measures, and writes docs/benchmarks.md
# make chaos    breaks things, and balances the books
# make .env     new keys for docker compose          make images the containers, without a Docker engine

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test pytest lint bench chaos starter-reward-model openapi configuration dashboards constraints locks images clean

install: .venv/installed

# torch first and pinned: a looser request may fetch gigabytes of GPU libraries.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13)) and sys.stderr.write("zhufu wants Python 3.11 or 3.12\n") or 0'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/zhufu demo

# Tests mostly wait for real processes, so two at a time take little more than half as long. Those of a file stay together,
# and files begin in the order of tests/conftest.py.
# Types are checked while the first of them run, as these wait.
test: install
	$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m benchmarks

# A hundred rounds; docs/chaos.md. CHAOS="--seed 7 --log chaos.jsonl" repeats one hundred and keeps their log.
chaos: install
	$(BIN)/python -m tests.chaos $(CHAOS)

# The checkpoint in trainer/checkpoints, made again from nothing but this repository.
starter-reward-model: install
	$(BIN)/python -m trainer.checkpoints.build runs/starter-reward-model

# The committed description of each service's API; a test compares them.
openapi: install
	$(BIN)/python -m services.reward_model.app --openapi > services/reward_model/openapi.json
	$(BIN)/python -m services.judge.app --openapi > services/judge/openapi.json
	$(BIN)/python -m services.multi_agent.app --openapi > services/multi_agent/openapi.json

# The page of all settings; a test compares it.
configuration: install
	$(BIN)/python -m docs.make_configuration > docs/configuration.md

# Grafana's dashboards, and the tables of metrics in docs/metrics.md.
dashboards: install
	$(BIN)/python -m monitoring.dashboards
	$(BIN)/python -m monitoring.metrics

constraints: install
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

# What the images install, with hashes: the versions are those of constraints.txt.
LOCK = $(BIN)/uv pip compile --quiet --config-file deploy/uv.toml --constraint constraints.txt --generate-hashes \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28 --only-binary :all: --no-emit-package torch \
	--no-annotate --custom-compile-command 'make locks'

locks: install
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --output-file deploy/build.lock deploy/build.in
	$(LOCK) --output-file services/judge/requirements.lock --extra judge pyproject.toml
	$(LOCK) --output-file services/reward_model/requirements.lock --extra reward-model pyproject.toml
	$(LOCK) --output-file services/multi_agent/requirements.lock --extra multi-agent pyproject.toml
	$(LOCK) --output-file trainer/requirements.lock --extra trainer pyproject.toml
	$(LOCK) --output-file trainer/local_llm/requirements.lock --extra local-llm pyproject.toml

# All images, by buildah, on a base of Debian packages; see docs/deploying.md. IMAGES names some of them.
images:
	$(PYTHON) deploy/build_images.py $(IMAGES)

# Keys for docker compose, made once; .env.example says what each is for.
.env:
	$(PYTHON) deploy/new_env.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
