# The two commands: `make lab` to learn, `make test` to check everything.
PYTHON ?= python3
LAB_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

# Two test processes at a time, of one thread each: on two cores half the time of one after the other.
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2

# Another virtual environment that is active in the shell has no say here.
unexport VIRTUAL_ENV

# Root (a container) needs --allow-root; a Linux machine without a screen gets the address printed.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
SCREEN := $(filter-out Linux,$(shell uname))$(DISPLAY)$(WAYLAND_DISPLAY)

.PHONY: lab test test-browser notebooks bench study design-study cost-study deck recall
lab: .venv/ready
	$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
		$(ROOT) $(if $(SCREEN),,--no-browser) $(LAB_ARGS)

test: .venv/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(TWO) tests --ignore=tests/browser
	$(TWO) --dist=loadfile --nbval notebooks/

test-browser: .venv/ready-browser
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
		|| { apt-get update && apt-get install --yes chromium; } \
		|| { echo "Install Chromium or Chrome yourself, then run make test-browser again."; exit 1; }
	$(TWO) --dist=loadfile tests/browser

# Run every notebook in place and store its outputs in their one normal form.
notebooks: .venv/ready
	$(BIN)/python tests/execute_notebooks.py

# `predict` and a training step beside other people's networks of the same shape, as ratios.
bench: .venv/ready-bench
	$(BIN)/python tests/bench.py

# The serious run on real nuclei with its ablations, three seeds each; the images are downloaded.
study: .venv/ready
	$(BIN)/python tests/nuclei_study.py

# Every design choice of notebook 09, three seeds each; stopped, it goes on where it was.
design-study: .venv/ready
	$(BIN)/python tests/design_study.py

# The ratios of time in notebook 09b. Leave the machine alone meanwhile.
cost-study: .venv/ready
	$(BIN)/python tests/cost_study.py

# The question bank to take with you: an Anki deck, a table and a sheet of two pages, in deck/.
deck: .venv/ready-deck
	$(BIN)/python -m unet_lesson.practice.deck deck

# Notebooks 01 to 08 without prose and with blanks at three levels, in recall/.
recall: .venv/ready
	$(BIN)/python -m unet_lesson.practice.recall recall

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
