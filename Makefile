# Every target works alone, from a fresh clone, and a second time. See `make help`.

VENV ?= .venv
ARGS ?=
FUZZ_S ?= 60
export VENV PYTHON
MAKEFLAGS += --no-print-directory
INSTALL = @sh .ci/install
BIN = $(VENV)/bin
TYPES = build/types/calcbench
REFERENCE = build/reference-servers$(addprefix -,$(subst /,-,$(PYTHON)))

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two targets would install into one .venv at once
.PHONY: help run test test-fast coverage check format install results bench-core validate fuzz mutants soak docs dist clean types

# `exec`: no shell in between, so Ctrl-C reaches the command once and make reports its exit status.

help: ## list these targets
	@echo 'calcbench: a wind tunnel for server concurrency'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{ printf "%-19s%s\n", $$1, $$2 }'
	@echo
	@echo 'ARGS passes options on:   make run ARGS="--strategy fork,selectors --rounds 1"'
	@echo 'PYTHON, VENV choose:      make run PYTHON=python3.13 VENV=.venv-3.13'

run: ## install if needed, then race the strategies and draw charts: two to three minutes
	$(INSTALL) $(if $(filter locust,$(subst =, ,$(ARGS))),locust,run)
	@exec $(BIN)/calcbench run $(ARGS)

test: ## install if needed, then run all tests: about twelve minutes
	$(INSTALL) test
	@exec $(BIN)/pytest $(ARGS)

test-fast: ## run the tests that drive no server and start no Locust: about two minutes
	$(INSTALL) test
	@exec $(BIN)/pytest -m "not slow and not locust" $(ARGS)

coverage: ## run all tests, then print which lines none of them reaches
	$(INSTALL) test
	@exec bash .ci/coverage $(ARGS)

check: types ## run the linter, the formatter's check, the spelling and the type checkers
	$(INSTALL) check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/mypy
	@# Without the variable pyright asks the network whether it is the newest.
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

format: ## rewrite the code as `make check` wants it
	$(INSTALL) check
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

install: ## install everything now, so that the rest works without a network
	$(INSTALL) all

results: ## run the race whose results are committed, results/reference
	$(INSTALL) run
	@rm -rf build/reference
	@exec $(BIN)/calcbench run --out build/reference $(ARGS)
	@mkdir -p results && rm -rf results/reference  # only now that the new one is whole
	@mv build/reference/* results/reference

validate: ## print what is required of the measuring, and what is measured here
	$(INSTALL) run
	@exec $(BIN)/python -m calcbench.bench.validation $(ARGS)

bench-core: ## compare the core with a parser in C, a bare loop and other servers
	$(INSTALL) run
	@VENV=$(REFERENCE) sh .ci/install venv
	@exec $(BIN)/python -m calcbench.bench.corebench --python $(REFERENCE)/bin/python --install $(ARGS)

fuzz: ## look for bytes that break the connection, for FUZZ_S seconds (60)
	$(INSTALL) test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=2.3,<4'
	@mkdir -p build/fuzz-corpus
	@exec $(BIN)/python tests/fuzz/fuzz_connection.py -max_total_time=$(FUZZ_S) build/fuzz-corpus

mutants: ## break each rule of the parser once; a test must notice each
	$(INSTALL) test
	@exec $(BIN)/python tests/mutation/mutate.py $(ARGS)

soak: ## put every strategy under many clients and faults, and stop it: 10 to 20 minutes
	$(INSTALL) test
	@PYTHONPATH=tests exec $(BIN)/python -m soak $(ARGS)

docs: ## write the parts of README and docs/ that come from the code
	$(INSTALL) run
	@exec $(BIN)/python -P docs/generate.py

dist: ## build the wheel, dist/*.whl
	$(INSTALL) run
	@rm -rf build/lib build/bdist.* dist  # setuptools would pack modules deleted since
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove what was built (.venv and results stay)
	rm -rf build dist *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The type checkers do not see the mapping in pyproject.toml, so they read these links.
types:
	@mkdir -p $(TYPES)
	@for folder in core strategies bench; do ln -sfn ../../../$$folder $(TYPES)/$$folder; done
	@for file in bench/_root/*.*; do ln -sf ../../../$$file $(TYPES)/; done
