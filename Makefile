# Two commands on a fresh machine: `make demo` and `make test`. Each sets everything up by itself.
.PHONY: demo test pytest docs slow notebook chaos soak postgres ray fuzz browser audit setup lint format lock
export HF_HUB_OFFLINE ?= 1
export NO_MKDOCS_2_WARNING = 1

demo: setup
	.venv/bin/pada demo

# the style and the tests side by side: the style alone leaves a core idle
test: setup
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

# two processes, each with one thread for matrices: threads that wait for each other spin
pytest:
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

slow:
	@scripts/setup dev,studio,notebook
	.venv/bin/python -m pytest -m slow

# examples/python.ipynb once more, with a run of its own; the outputs are written into the file
notebook:
	@scripts/setup dev,notebook
	rm -rf examples/runs
	.venv/bin/jupyter-execute --inplace --NotebookClient.record_timing=False examples/python.ipynb

# a service that is killed at random moments, 30 times or PADA_CHAOS_KILLS; prints what was seen
chaos:
	@scripts/setup dev
	.venv/bin/python -m pytest -m slow -rP tests/app/executor/test_chaos.py

# the service's tests once more, slow ones too, on PostgreSQL from Debian's packages
postgres:
	@scripts/setup dev,postgres
	scripts/postgres .venv/bin/python -m pytest -m "slow or not slow" tests/app/executor/test_service.py tests/app/executor/test_fence.py \
		tests/app/api/runs/test_event_stream.py tests/app/test_secrets.py tests/app/executor/test_checkpoints.py \
		tests/app/executor/test_bad_days.py

# students on a Ray cluster of two nodes on this machine
ray:
	@scripts/setup dev,ray
	.venv/bin/python -m pytest -m slow tests/app/launchers/test_ray.py

# schemathesis on the OpenAPI document, against a real service
fuzz: setup
	scripts/fuzz .venv/bin/python -m pytest -m slow -s tests/app/api/test_fuzz.py

# the pages in the machine's own Chromium (Debian: apt-get install chromium); skipped where there is none
browser:
	@scripts/setup dev,browser
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m slow tests/browser

# two hours of a service under everything that goes wrong (SOAK: options of benchmarks/soak.py)
soak: setup
	.venv/bin/python benchmarks/soak.py $(SOAK)

# known vulnerabilities of the locked packages, from pypi.org or from a copy of the OSV database (OSV=all.zip), and
# the licences and the SBOM of this environment in build/audit
audit:
	@scripts/setup dev,audit
	.venv/bin/python -m scripts.audit $(if $(OSV),--osv $(OSV))

setup:
	@scripts/setup dev

# the documentation as a site in build/site; a dead link or a missing page is an error
docs: setup
	.venv/bin/python -m mkdocs build --strict

lint: setup docs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock:
	scripts/lock
