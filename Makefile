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
.PHONY: help run demo test test-fast test-posix coverage check format install results slides bench-core bench-demos validate fuzz mutants soak docs dist clean types

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

demo: ## install if needed, then show a class what one silent client does: ten seconds
	$(INSTALL) run
	@exec $(BIN)/calcbench demo $(ARGS)

test: ## install if needed, then run all tests: about ten minutes
	$(INSTALL) test
	@exec sh .ci/test $(ARGS)

test-fast: ## run the tests that drive no server and start no Locust: about a minute
	$(INSTALL) test
	@exec $(BIN)/pytest -n 2 -m "not slow and not locust" $(ARGS)

test-posix: ## run some tests without what Linux alone has, as on macOS: about half a minute
	$(INSTALL) test
	@PYTHONPATH=tests/posix exec $(BIN)/pytest -n 2 tests/test_every_strategy.py tests/test_launcher.py \
		tests/test_stopping.py tests/test_loop.py $(ARGS)

coverage: ## run all tests, then print which lines none of them reaches
	$(INSTALL) test
	@exec bash .ci/coverage $(ARGS)

check: types ## run the linter, the formatter's check, the spelling and the type checkers
	$(INSTALL) check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/mypy
	@# No name that macOS lacks is used without looking whether it is there.
	$(BIN)/mypy --platform darwin --no-warn-unreachable --cache-dir build/mypy-darwin $(TYPES)
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
	@mv build/reference/[0-9]* results/reference
	@$(BIN)/calcbench report --slides results/reference >/dev/null

slides: ## draw the slides of that race again, results/reference/slides
	$(INSTALL) run
	@rm -f results/reference/index.html  # its words are computed too
	@$(BIN)/calcbench report --slides results/reference | tail -n 1

validate: ## print what is required of the measuring, and what is measured here
	$(INSTALL) run
	@exec $(BIN)/python -m calcbench.bench.validation $(ARGS)

bench-core: ## compare the core with a parser in C, a bare loop and other servers
	$(INSTALL) run
	@VENV=$(REFERENCE) sh .ci/install venv
	@exec $(BIN)/python -m calcbench.bench.corebench --python $(REFERENCE)/bin/python --install $(ARGS)

bench-demos: ## play each demonstration 20 times, half of them with a core busy: about an hour
	$(INSTALL) run
	@exec $(BIN)/python -m calcbench.bench.classroom.demo.repeat $(ARGS)

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
