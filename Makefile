# Two commands matter: `make run` opens Podium, `make test` runs every test. Both make what they need in .venv.
#   make run ARGS="--server.port 8600"      make test ARGS="-k gate"

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
PYTEST := $(PY) -m pytest -n 2 --dist loadfile
export PYTHONPATH := .

ifdef UV
INSTALL = $(UV) pip install --quiet --python $(PY)
else
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check
endif

.DEFAULT_GOAL := run
.PHONY: run test test-slow bench bench-quick lint lock clean

run: $(VENV)/.to-run
	@$(PY) -m streamlit run app.py $(ARGS)

test: $(VENV)/.to-test
	@$(PY) tests/support/install_browser.py
	@$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.to-test
	@$(PY) tests/support/install_browser.py
	@$(PYTEST) -m slow $(ARGS)

# Ratios against MLflow and against floors, within one session, into docs/benchmarks.md: up to a quarter of an hour.
bench: $(VENV)/.to-test
	@$(PY) tests/support/install_browser.py
	@$(PY) -m benchmarks $(ARGS)

# The same with small stores in two minutes; writes no page.
bench-quick: $(VENV)/.to-test
	@$(PY) tests/support/install_browser.py
	@$(PY) -m benchmarks --quick

lint: $(VENV)/.to-test
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

# Renews the whole tree within the ranges of the two requirements files.
lock: $(VENV)/.to-test
	@$(PY) -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate requirements-dev.txt -o constraints.txt
	@git --no-pager diff --stat constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an installation happens only when what it was made from has changed.
$(VENV)/.to-run: requirements.txt constraints.txt $(VENV)/.made
	@echo "Installing what Podium needs into $(VENV) (a minute or two, only when the requirements change)…"
	@$(INSTALL) -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.to-test: requirements.txt requirements-dev.txt constraints.txt $(VENV)/.made
	@echo "Installing what the tests need into $(VENV) (only when the requirements change)…"
	@$(INSTALL) -r requirements-dev.txt -c constraints.txt
	@touch $@ $(VENV)/.to-run

$(VENV)/.made:
	@sh tests/support/make_venv.sh "$(PYTHON)" "$(VENV)" "$(UV)"
	@touch $@
