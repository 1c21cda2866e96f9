# make install  makes .venv from constraints.txt     make demo   a small model learns from a served reward
# make test     lint, format, types, all tests       make bench  measures, and writes docs/benchmarks.md

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint bench starter-reward-model openapi dashboards constraints clean

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

test: install lint
	$(BIN)/pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m benchmarks

# The checkpoint in trainer/checkpoints, made again from nothing but this repository.
starter-reward-model: install
	$(BIN)/python -m trainer.checkpoints.build runs/starter-reward-model

# The committed description of each service's API; a test compares them.
openapi: install
	$(BIN)/python -m services.reward_model.app --openapi > services/reward_model/openapi.json
	$(BIN)/python -m services.judge.app --openapi > services/judge/openapi.json
	$(BIN)/python -m services.multi_agent.app --openapi > services/multi_agent/openapi.json

# Grafana's dashboards, and the tables of metrics in docs/metrics.md.
dashboards: install
	$(BIN)/python -m monitoring.dashboards
	$(BIN)/python -m monitoring.metrics

constraints: install
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
