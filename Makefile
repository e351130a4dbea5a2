# Two commands on a fresh machine: `make demo` and `make test`. Each sets everything up by itself.
.PHONY: demo test slow setup lint format lock
export HF_HUB_OFFLINE ?= 1

demo: setup
	.venv/bin/pada demo

test: setup lint
	.venv/bin/python -m pytest

slow: setup
	.venv/bin/python -m pytest -m slow

setup:
	@scripts/setup dev

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock:
	scripts/lock
