# One command each: `make run` shows the product, `make test` checks everything. Both do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make nightly` tries of malformed input, and where it keeps what it found; another FIRST tries others.
CASES ?= 100000
RUNS ?= 2000
FIRST ?= 0
FUZZ ?= .fuzz
MADE := $(VENV)/.made
PINNED := $(VENV)/.pinned
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools

# Each of the hundreds of commands that are tested would else compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run check format types scenarios docs links test suite proofs quick nightly kernels wheel wheels clean

help:
	@echo "make run      set up, and print the footprint of training BLOOM"
	@echo "make test     set up, and check everything (format, lint, types, docs, tests, scenarios, README)"
	@echo "make proofs   what takes minutes more: at length what the tests show in little"
	@echo "make quick    the same as test without what is slow and the docs"
	@echo "make docs     build the pages of docs/ into docs/_build/html; a warning is an error"
	@echo "make links    ask for every address, DOI and arXiv id that the texts name; needs a network"
	@echo "make nightly  the tests with many more examples, and 100,000 malformed inputs"
	@echo "make kernels  compile the kernels anew, after an edit of them"
	@echo "make wheel    build the distribution into dist/"
	@echo "make wheels   build what goes to PyPI into dist/, and have it checked by auditwheel"
	@echo "make clean    remove what the above made"

# On Debian, Python comes without venv: install it there, if apt is at hand and we may.
$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "coldaisle needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { command -v apt-get >/dev/null && apt-get update -q && apt-get install -qy python3-venv; } \
		|| { echo "coldaisle needs Python's venv and pip; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Everything that CI pins, then the package, which brings what is pinned nowhere and compiles the kernels with what is there.
$(PINNED): .ci/constraints.txt | $(MADE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --requirement $<
	@touch $@

$(READY): pyproject.toml $(PINNED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-build-isolation --constraint .ci/constraints.txt --editable '.[dev]'
	@touch $@

# What some tests need beside Python: a Prometheus, and a browser without a window. Without apt they are skipped, and say so.
$(TOOLS): | $(MADE)
	@for tool in promtool:prometheus chromium:chromium; do \
		command -v $${tool%:*} >/dev/null \
			|| { command -v apt-get >/dev/null && apt-get update -q && apt-get install -qy --no-install-recommends $${tool#*:}; } \
			|| echo "without $${tool%:*} (Debian: apt-get install $${tool#*:}) its tests are skipped"; \
	done
	@touch $@

run: $(READY)
	$(BIN)/coldaisle run scenarios/bloom-training.yaml

check: format types

format: $(PINNED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(PINNED)
	$(BIN)/mypy

scenarios: $(READY)
	$(BIN)/coldaisle check scenarios/*.yaml

docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto docs docs/_build/html \
		|| { rm -rf docs/_build; exit 1; }  # a page read once would not be warned of again

links: $(READY)
	$(BIN)/python -m tests.links

# Two jobs at a time, in this order where they may run: the browser comes while pip installs, the kernels are compiled and
# the docs built while mypy and then the first tests run.
test:
	$(MAKE) --jobs 2 $(PINNED) $(TOOLS) docs suite

suite: check scenarios $(TOOLS)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not proof'

proofs: $(READY) $(TOOLS)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal -m proof

quick: check $(TOOLS)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not proof'

nightly: $(READY) $(TOOLS)
	HYPOTHESIS_PROFILE=nightly PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python -m tests.fuzz --cases $(CASES) --runs $(RUNS) --first $(FIRST) --workers 2 --out $(FUZZ)

kernels: $(READY)
	$(BIN)/python -m sim.engine.kernels

wheels:
	PYTHON=$(PYTHON) .ci/wheels

wheel: $(READY)
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz docs/_build docs/_generated sim/engine/kernels/kernels.so.1
