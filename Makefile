# Two commands on a fresh machine: `make demo` and `make test`. Each sets everything up by itself.
.PHONY: demo test slow postgres setup lint format lock
export HF_HUB_OFFLINE ?= 1

demo: setup
	.venv/bin/pada demo

test: setup lint
	.venv/bin/python -m pytest

slow:
	@scripts/setup dev,studio
	.venv/bin/python -m pytest -m slow

# the service's tests once more, slow ones too, on PostgreSQL from Debian's packages
postgres:
	@scripts/setup dev,postgres
	scripts/postgres .venv/bin/python -m pytest -m "slow or not slow" tests/app/test_service.py tests/app/test_fence.py

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
