# The two commands: `make lab` to learn, `make test` to check everything.
PYTHON ?= python3
LAB_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

# Root (a container) needs --allow-root; a Linux machine without a screen gets the address printed.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
SCREEN := $(filter-out Linux,$(shell uname))$(DISPLAY)$(WAYLAND_DISPLAY)

.PHONY: lab test test-browser notebooks bench study
lab: .venv/ready
	$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
		$(ROOT) $(if $(SCREEN),,--no-browser) $(LAB_ARGS)

test: .venv/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pytest tests --ignore=tests/browser
	$(BIN)/python -m pytest --nbval notebooks/

test-browser: .venv/ready-browser
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| { apt-get update && apt-get install --yes chromium; } \
		|| { echo "Install Chromium or Chrome yourself, then run make test-browser again."; exit 1; }
	$(BIN)/python -m pytest tests/browser

# Run every notebook in place and store its outputs in their one normal form.
notebooks: .venv/ready
	$(BIN)/python tests/execute_notebooks.py

# `predict` and a training step beside other people's networks of the same shape, as ratios.
bench: .venv/ready-bench
	$(BIN)/python tests/bench.py

# The serious run on real nuclei with its ablations, three seeds each; the images are downloaded.
study: .venv/ready
	$(BIN)/python tests/nuclei_study.py

# The stamp is written last. Without it a .venv is half made: it is made afresh, and removed if that
# fails. With it (the requirements have changed since) it is brought up to date where it stands.
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and f"Python {v} is too old: 3.11 or newer is needed. Try: make PYTHON=python3.12 lab")'
	@if [ -e $@ ]; then \
		echo "Bringing .venv up to date"; $(PIP) --editable '.[test]' && touch $@; \
	else \
		echo "Making .venv (a few minutes; torch is large)"; \
		$(PYTHON) -m venv --clear .venv && $(PIP) --editable '.[test]' && touch $@ \
		|| { rm -rf .venv; echo "The install failed and .venv was removed. Mend the cause shown above and run make again."; exit 1; }; \
	fi

.venv/ready-%: .venv/ready
	@$(PIP) --editable '.[test,$*]' && touch $@
