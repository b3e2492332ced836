# microtutor. Two commands do everything: `make book` and `make test`; `make help` lists the rest.
# Each target sets up what it needs. Only make and Python 3.11 or newer have to be there already.

PYTHON ?= python3
PORT ?= 8000
# Tests and chapters run in so many processes side by side, each with one thread: beside another program that slows them
# least. One more than the cores of a small machine, so that no core waits, and another program takes a smaller share.
WORKERS ?= 3

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python

# Environments of other versions, each for the Python that it is about, where it is installed.
COLAB := .venv-colab
OLDEST := .venv-oldest
first-python = $(shell for p in $(foreach v,$(1),python$(v) $(HOME)/.pyenv/versions/$(v)*/bin/python$(v)) $(PYTHON); do \
  $$p -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)
COLAB_PYTHON ?= $(call first-python,3.13 3.12 3.11)
OLDEST_PYTHON ?= $(call first-python,3.11)

# A chapter runs with the kernel in .venv, and with no package and no IPython settings from outside it.
export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONNOUSERSITE := 1
export IPYTHONDIR := $(CURDIR)/$(VENV)/ipython

# PyTorch's threads wait quietly, so that other programs do not slow them manifold; see benchmarks/threads.py.
export GOMP_SPINCOUNT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help test test-package test-chapters lessons test-oldest versions rehearse book check-pages lint execute colab teacher student slides serve classroom clean adopt release

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp is written last, so a set-up that was interrupted starts again. An update keeps what fits.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "microtutor needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo 'not installed')."; \
	  echo "Install a newer one, or name the one to use: make PYTHON=python3.12 ..."; exit 1; } >&2
	@if [ -e $(READY) ]; then echo "Updating $(VENV) (seconds, or minutes if torch changes) ..."; \
	  else echo "Setting up $(VENV) (about 3 minutes and 5 GB, once) ..."; $(PYTHON) -m venv --clear $(VENV); fi
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-compile -r requirements.txt
	@$(RUN) -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true  # on all cores; not their tests; some files are broken
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-deps -e .
	@mkdir -p $(IPYTHONDIR)/profile_default
	@echo 'c.IPKernelApp.log_level = "ERROR"  # no word on encryption for a kernel on this machine' \
	  > $(IPYTHONDIR)/profile_default/ipython_kernel_config.py
	@touch $@

test: test-package test-chapters ## test the package, then run every chapter and compare its numbers

test-package: $(READY) ## test the package alone: unit tests and the examples in its docstrings
	@echo "Testing the package (a few minutes) ..."
	@$(RUN) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	@$(RUN) -m pytest -q -m quiet tests/site

# The longest first, so that at the end no core waits for one chapter.
LONG := $(patsubst %,book/%.ipynb,training vae gauge judging knobs train_own pca_or_vae)
LONGEST_FIRST := $(LONG) $(filter-out $(LONG),$(wildcard book/*.ipynb))

test-chapters: $(READY) ## run the chapters alone
	@echo "Running every chapter and comparing its numbers (about 12 minutes on two cores) ..."
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -rs --nbval-lax \
	  --nbval-current-env --nbval-cell-timeout 600 --nbval-sanitize-with tests/book/sanitize.cfg \
	  $(LONGEST_FIRST)

lessons: $(READY) ## run the cells of every lesson plan, each plan by itself (ONLY="gauge or vae" for some)
	@echo "Running the cells of every lesson plan, two for each chapter (about 18 minutes on two cores) ..."
	@$(RUN) -m pytest -q -m lessons -n 2 --dist load --durations 10 $(if $(ONLY),-k "$(ONLY)") tests/lessons

$(COLAB)/.ready: tools/pins/colab.txt
	@echo "Setting up $(COLAB) with $$($(COLAB_PYTHON) --version) (about 2 minutes and 5 GB, once); Colab has 3.13 ..."
	@$(COLAB_PYTHON) -m venv --clear $(COLAB)
	@$(COLAB)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

$(OLDEST)/.ready: tools/pins/oldest.txt
	@echo "Setting up $(OLDEST) with $$($(OLDEST_PYTHON) --version) (minutes and 6 GB, once) ..."
	@$(OLDEST_PYTHON) -m venv --clear $(OLDEST)
	@$(OLDEST)/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

# The package as a reader gets it: a wheel, made of a copy, so that nothing which an earlier build left gets into it.
define install-wheel
	@rm -rf $(1)/wheel && mkdir -p $(1)/wheel/source
	@cp -r pyproject.toml README.md LICENSE LICENSE-TEXT microtutor colab $(1)/wheel/source
	@$(1)/bin/python -m pip wheel -qq --disable-pip-version-check --no-deps -w $(1)/wheel $(1)/wheel/source
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --force-reinstall $(1)/wheel/*.whl
endef

rehearse: export IPYTHONDIR := $(CURDIR)/$(COLAB)/ipython
rehearse: $(COLAB)/.ready ## run all Colab notebooks, then the tests, with Colab's versions (RECORD=1 keeps the times)
	@echo "Running every Colab notebook in one bare folder, then the tests (about 25 minutes on two cores) ..."
	$(call install-wheel,$(COLAB))
	@PYDEVD_DISABLE_FILE_VALIDATION=1 $(COLAB)/bin/python tools/rehearse.py $(if $(RECORD),--record)

test-oldest: $(OLDEST)/.ready ## test the package with the oldest versions that it allows
	@echo "Testing the package with the oldest versions that it allows (a few minutes) ..."
	$(call install-wheel,$(OLDEST))
	@$(OLDEST)/bin/python tools/installed_tests.py

# On one thread, with the code of this clone: only the libraries differ.
versions: $(READY) ## measure headline numbers with each environment that is there, and write the page on them
	@for p in $(OLDEST) $(COLAB) $(VENV); do \
	  if [ -x $$p/bin/python ]; then echo "Measuring with $$p (minutes) ..."; \
	    PYTHONPATH=. OMP_NUM_THREADS=1 $$p/bin/python studies/versions.py >/dev/null || exit 1; \
	  else echo "There is no $$p: make test-oldest sets up $(OLDEST), make rehearse $(COLAB)."; fi; done
	@$(RUN) tools/versions_page.py

# _build goes first, so that every chapter is run and every page is made anew. Jupyter Book would run one chapter after the
# other: so they are run before, several at a time, and Jupyter Book finds their outputs in its cache.
book: $(READY) ## run the chapters and build the book
	@echo "Running every chapter and building the book (about 20 minutes on two cores) ..."
	@rm -rf _build
	@printf '%s\n' $(LONGEST_FIRST) | OMP_NUM_THREADS=1 xargs -n 1 -P $(WORKERS) $(RUN) tools/execute.py --for-book
	@MICROTUTOR_CHAPTERS_RAN=1 $(VENV)/bin/jupyter-book build . -W -n --keep-going
	@$(MAKE) --no-print-directory check-pages
	@echo "The book is built. Its first page: $(CURDIR)/_build/html/book/index.html"

check-pages: $(READY)
	@echo "Checking the built pages, in a browser where there is one (about five minutes) ..."
	@$(RUN) -m pytest -q -rs -n 2 tests/book/test_site.py tests/site/test_pages.py
	@$(RUN) -m pytest -q -m quiet tests/site/test_pages.py

lint: $(READY) ## check style and types
	@echo "Checking style and types (seconds) ..."
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m pyright

execute: $(READY) ## run the chapters and store their outputs (CHAPTERS="book/x.ipynb" for some)
	@echo "Running the chapters and storing their outputs (about 20 minutes on two cores) ..."
	@$(RUN) tools/execute.py $(CHAPTERS)

colab: $(READY) ## make the Colab notebooks anew from the chapters
	@$(RUN) tools/colab.py

teacher: $(READY) ## make notebooks with solutions and lesson plans, in _build/teacher
	@$(RUN) tools/editions.py teacher

student: $(READY) ## make notebooks without solutions, in _build/student
	@$(RUN) tools/editions.py student

slides: $(READY) ## make slides with figures and questions, in _build/slides
	@$(RUN) tools/editions.py slides

serve: $(READY) ## show the built book at http://localhost:8000 (PORT=... for another port)
	@[ -e _build/html/index.html ] || { echo "There is no built book yet: run make book first." >&2; exit 1; }
	@echo "Serving the book at http://localhost:$(PORT) until you press Ctrl-C ..."
	@$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

classroom: $(READY) ## pack site, notebooks, package and data for a room without internet (after make book)
	@$(RUN) tools/classroom.py

clean: ## remove what was built (no environment, not your runs)
	@rm -rf _build build .pytest_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

adopt: ## point every link at your own copy: make adopt REPO=owner/name
	@$(PYTHON) tools/adopt.py "$(REPO)"

release: $(READY) ## make the files of a release: make release VERSION=1.2.3
	@$(RUN) tools/release.py "$(VERSION)"
