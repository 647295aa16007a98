# Two commands do everything on a machine with Python 3.11+ and make: `make demo` and `make test`. `make faults` is the
# other half of the tests: servers that fail, disks that fill, processes that are killed, days seen from the outside.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One more than there are cores: the tests from the outside wait for a daemon's clock most of the time.
WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
FAULTS := tests/outside tests/faults
# Tests start many processes, each of which would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test faults check bench docs clean

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ATOM needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED)  ## sample files, several whole days, and what came out
	$(BIN)/atom demo

up: $(INSTALLED)  ## the Dagster UI and daemon over what is in $$ATOM_HOME (the demo's days, after `make demo`)
	$(BIN)/atom up

test: $(INSTALLED)  ## all tests but the faults
	tests/system-packages
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(FAULTS:%=--ignore=%)

faults: $(INSTALLED)  ## what is survived (docs/reliability.md), on real servers
	tests/system-packages
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(FAULTS)

check: $(INSTALLED)  ## lint, types, layouts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/atom layout check

bench: $(INSTALLED)  ## speed and memory against the peers (BENCH="--only readers --rounds 5"), into docs/benchmarks/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.lock
	$(BIN)/python -m bench $(BENCH)

docs: $(INSTALLED)  ## the layouts' pages
	$(BIN)/atom layout doc

clean:
	rm -rf $(VENV) build *.egg-info
