# Every target makes what it needs. `make demo` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint starter bench docs clean

demo: $(VENV)/.base
	$(BIN)/python demo/demo.py

# Two processes of one thread each: files stay together, because what they share is made once.
test: $(VENV)/.test $(VENV)/.browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Makes the shipped model again from public packages: half an hour on two cores.
starter: $(VENV)/.train
	$(BIN)/python -m seesay.training.recipes.starter

bench: $(VENV)/.bench
	$(BIN)/python bench/search.py
	$(BIN)/python bench/parity.py
	$(BIN)/python bench/encoders.py
	$(BIN)/python bench/probe.py
	$(BIN)/python bench/loss.py
	$(BIN)/python bench/train_step.py
	$(BIN)/python bench/video.py
	$(BIN)/python bench/order.py

# Writes the parts of the docs that are made from the code: command help.
docs: $(VENV)/.train
	$(BIN)/python docs/make.py

clean:
	rm -rf $(VENV) .demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "seesay needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "this Python cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.train: $(VENV)/.base
	$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.test: $(VENV)/.train
	$(PIP) --editable '.[train,serve,heic,jxl,raw,parquet,svg,plots,shots]' --requirement requirements/test.txt
	$(PIP) --no-deps --requirement requirements/parity.txt
	@touch $@

# What the page's tests look at the page with: a Chromium that is there, else Debian's, else playwright's own.
# Without any, those tests are skipped and say so. One make at a time asks apt-get; the others wait.
$(VENV)/.browser: $(VENV)/.test
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && export DEBIAN_FRONTEND=noninteractive && \
	  apt-get -qq -o DPkg::Lock::Timeout=300 update && \
	  apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends chromium >/dev/null; \
	} || $(BIN)/python -m playwright install chromium || echo "no browser could be had: the page's tests will be skipped"
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PIP) --requirement requirements/lint.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) --requirement requirements/bench.txt
	@touch $@
