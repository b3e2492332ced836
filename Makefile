# microtutor. Two commands do everything: `make book` and `make test`; `make help` lists the rest.
# Each target sets up what it needs. Only make and Python 3.11 or newer have to be there already.

PYTHON ?= python3
PORT ?= 8000

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

# A chapter runs with the kernel in .venv, and with no package and no IPython settings from outside it.
export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONNOUSERSITE := 1
export IPYTHONDIR := $(CURDIR)/$(VENV)/ipython

.DEFAULT_GOAL := help
.PHONY: help test test-package test-chapters book check-pages lint execute colab serve clean adopt release

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is written last, so a set-up that was interrupted starts again. An update keeps what fits.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "microtutor needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo 'not installed')."; \
	  echo "Install a newer one, or name the one to use: make PYTHON=python3.12 ..."; exit 1; } >&2
	@if [ -e $(READY) ]; then echo "Updating $(VENV) (seconds, or minutes if torch changes) ..."; \
	  else echo "Setting up $(VENV) (about 3 minutes and 5 GB, once) ..."; $(PYTHON) -m venv --clear $(VENV); fi
	@$(RUN) -m pip install -qq --disable-pip-version-check -r requirements.txt
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-deps -e .
	@mkdir -p $(IPYTHONDIR)/profile_default
	@echo 'c.IPKernelApp.log_level = "ERROR"  # no word on encryption for a kernel on this machine' \
	  > $(IPYTHONDIR)/profile_default/ipython_kernel_config.py
	@touch $@

test: test-package test-chapters ## test the package, then run every chapter and compare its numbers

test-package: $(READY) ## test the package alone: unit tests and the examples in its docstrings
	@echo "Testing the package (a few minutes) ..."
	@$(RUN) -m pytest

test-chapters: $(READY) ## run the chapters alone
	@echo "Running every chapter and comparing its numbers (about 10 minutes on two cores) ..."
	@$(RUN) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 600 \
	  --nbval-sanitize-with tests/book/sanitize.cfg book

# _build goes first: Sphinx would not run again a chapter that it has already read, not even one that failed.
book: $(READY) ## run the chapters and build the book
	@echo "Running every chapter and building the book (about 10 minutes on two cores) ..."
	@rm -rf _build
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going
	@$(MAKE) --no-print-directory check-pages
	@echo "The book is built. Its first page: $(CURDIR)/_build/html/book/index.html"

check-pages: $(READY)
	@echo "Checking the built pages, in a browser where there is one (about two minutes) ..."
	@$(RUN) -m pytest -q -rs tests/book/test_site.py tests/site

lint: $(READY) ## check style and types
	@echo "Checking style and types (seconds) ..."
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pyright

execute: $(READY) ## run the chapters and store their outputs (CHAPTERS="book/x.ipynb" for some)
	@echo "Running the chapters and storing their outputs (about 10 minutes on two cores) ..."
	@$(RUN) tools/execute.py $(CHAPTERS)

colab: $(READY) ## make the Colab notebooks anew from the chapters
	@$(RUN) tools/colab.py

serve: $(READY) ## show the built book at http://localhost:8000 (PORT=... for another port)
	@[ -e _build/html/index.html ] || { echo "There is no built book yet: run make book first." >&2; exit 1; }
	@echo "Serving the book at http://localhost:$(PORT) until you press Ctrl-C ..."
	@$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

clean: ## remove what was built (not .venv, not your runs)
	@rm -rf _build build .pytest_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

adopt: ## point every link at your own copy: make adopt REPO=owner/name
	@$(PYTHON) tools/adopt.py "$(REPO)"

release: $(READY) ## make the files of a release: make release VERSION=1.2.3
	@$(RUN) tools/release.py "$(VERSION)"
