# One word for each thing that a user or a contributor does; `make` alone lists them. All Python runs in a private
# venv, and every install step leaves a stamp there, so that a second `make` does only what has changed.
# PYTHON names the interpreter (3.10 or newer); naming another version makes the venv anew.
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
TEXT ?=
ASK ?=
ARGS ?=
SCRIPT ?= $(if $(ARGS),kv,everything)
SEED ?=
SECONDS ?= 60
JOBS ?= 2

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PY := $(VENV)/bin/python
PIP_OPTIONS := --disable-pip-version-check -qq
PIP := $(PY) -m pip $(PIP_OPTIONS)
BENCH_PIP := $(BENCH_VENV)/bin/python -m pip $(PIP_OPTIONS)
quote = '$(subst ','\'',$(1))'
C_FILES := $(wildcard src/*/*.[ch] tests/*/*.[ch] bench/limits/*.c)
PACKAGE_FILES := $(shell find nano_graphrag_redis -name '*.py')
# The version is part of the stamps' names: another PYTHON finds none of them and starts afresh.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
STAMP := $(VENV)/.stamp-$(VERSION)
BENCH_STAMP := $(BENCH_VENV)/.stamp-$(VERSION)
export PYTHON
export PIP_NO_INPUT := 1
export TIKTOKEN_CACHE_DIR := $(abspath $(VENV))/tiktoken

##@ Use it

.PHONY: demo
demo: $(STAMP)-build $(STAMP)-demo ## Index real text with nano-graphrag on Redis; TEXT="a.txt b.txt" ASK="a question?"
	@$(PY) -m demo $(if $(ASK),--ask $(call quote,$(ASK))) $(TEXT)

.PHONY: demo-clean
demo-clean: ## Forget what the demo has stored
	@if [ -x $(PY) ]; then $(PY) -m demo --clean; else rm -rf demo-data; fi

##@ Work on it

.PHONY: build
build: $(STAMP)-build ## Build the extension into the private venv

.PHONY: test
test: test-c test-py ## Run all tests

.PHONY: test-c
test-c: system-build system-test ## Run the C tests (AddressSanitizer, UndefinedBehaviorSanitizer)
	@$(MAKE) -C tests/c

.PHONY: test-py
test-py: system-test $(STAMP)-build $(STAMP)-demo $(STAMP)-test ## Run pytest; ARGS="-k name -x"
	@$(PY) -m pytest $(ARGS)

.PHONY: asan
asan: system-test $(STAMP)-demo $(STAMP)-test $(STAMP)-asan ## Run pytest under Address-, Leak- and UndefinedBehaviorSanitizer
	@build/asan/bin/python $(VENV)/bin/pytest $(ARGS)

.PHONY: oom
oom: system-test $(STAMP)-build $(STAMP)-test ## Let each allocation of each operation fail; ARGS="get_by_id drop"
	@$(MAKE) -C tests/c TESTS=../../build/c/test_failures
	@$(PY) tests/oom/run.py $(ARGS)

.PHONY: refs
refs: system-test $(STAMP)-build $(STAMP)-test ## See that 100,000 calls of each method leave nothing behind; ARGS="get_by_id"
	@$(PY) tests/refs/run.py $(ARGS)

.PHONY: fuzz
fuzz: system-build system-fuzz ## Replay what the fuzzers know, then fuzz each target, two at a time; SECONDS=60 JOBS=2
	@$(MAKE) -C tests/fuzz -k -j$(JOBS) SECONDS=$(SECONDS)

.PHONY: mutants
mutants: system-build system-test $(STAMP)-demo $(STAMP)-test ## Take protections away, one by one, in a copy; ARGS="reply TLS"
	@$(PY) tests/mutants/mutate.py $(ARGS)

.PHONY: lint
lint: system-build $(STAMP)-venv $(STAMP)-lint ## Run ruff, mypy, clang-format, and gcc with -Werror
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/clang-format --dry-run -Werror $(C_FILES)
	@rm -rf build/werror
	NGR_WERROR=1 $(PY) setup.py --quiet build_ext --build-temp build/werror --build-lib build/werror

.PHONY: soak
soak: SECONDS = 600
soak: system-test $(STAMP)-build $(STAMP)-test ## Random calls under random faults, all answers checked; SECONDS=600 SEED=1
	@PYTHONPATH=tests $(PY) -m soak --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: interpreters
interpreters: system-build system-test ## Build and test with each CPython of this machine; ARGS="3.12 3.13", ARGS="--but 3.11"
	@tools/interpreters.sh $(ARGS)

.PHONY: hiredis
hiredis: system-build system-test $(STAMP)-demo $(STAMP)-test ## Build with a hiredis 1.x beside the system's, and run the tests that depend on it
	@tools/hiredis.sh $(abspath $(PY))

.PHONY: analyze
analyze: system-build system-analyze $(STAMP)-venv $(STAMP)-analyze ## Run gcc -fanalyzer, clang-tidy and cppcheck
	@$(MAKE) -f tools/analyze.mk -j$$(getconf _NPROCESSORS_ONLN) PY=$(PY) CLANG_TIDY=$(VENV)/bin/clang-tidy

.PHONY: bench
bench: system-test $(BENCH_STAMP)-peers $(BENCH_STAMP)-build build/bench/exchange ## Measure against other clients (20 minutes); ARGS=--gate, ARGS=--help
	@$(BENCH_VENV)/bin/python bench/$(SCRIPT).py $(ARGS)

.PHONY: bench-report
bench-report: $(BENCH_STAMP)-peers ## Write what shows the figures of docs/benchmarks.json again
	@$(BENCH_VENV)/bin/python bench/publish.py

.PHONY: clean
clean: ## Remove what was built; the venv and the demo's data stay
	rm -rf build dist *.egg-info nano_graphrag_redis/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f $(VENV)/.stamp-*-build $(VENV)/.stamp-*-asan $(BENCH_VENV)/.stamp-*-build
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: demo-clean clean ## Remove the venvs and the demo's data, too
	rm -rf $(VENV) $(BENCH_VENV)

.PHONY: help
help: ## List these goals
	@awk 'BEGIN { FS = ": .*## " } \
	    /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "    make %-12s %s\n", $$1, $$2 }' Makefile
	@echo

# ---- what the goals need: system packages (checked each time, in under a second), then the venv ----

.PHONY: system-build system-test system-analyze system-fuzz
system-build system-test system-analyze system-fuzz: system-%:
	@tools/bootstrap.sh $*

$(STAMP)-venv: | system-build
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -r tools/requirements-build.txt
	@touch $@

$(STAMP)-build: pyproject.toml setup.py $(wildcard src/*/*.[ch]) | system-build $(STAMP)-venv
	@echo "Building the extension"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMP)-asan: tests/sanitizers/python.c tools/sanitized_python.sh $(STAMP)-build
	@echo "Building the extension and an interpreter with sanitizers, in build/asan"
	@tools/sanitized_python.sh $(VENV) build/asan
	@touch $@

$(STAMP)-demo: demo/requirements.txt | $(STAMP)-venv
	@echo "Installing nano-graphrag and what it imports (100 MB, under a minute)"
	@$(PIP) install --no-deps -r demo/requirements.txt
	@$(PY) -m demo.tables $(TIKTOKEN_CACHE_DIR)
	@touch $@

$(STAMP)-test $(STAMP)-lint $(STAMP)-analyze: $(STAMP)-%: tools/requirements-%.txt | $(STAMP)-venv
	@echo "Installing the tools of \`make $*\`"
	@$(PIP) install -r $<
	@touch $@

# The benchmark has a venv of its own: what it compares with is large, and the package is installed there as a user installs it.
$(BENCH_STAMP)-peers: bench/requirements.txt demo/requirements.txt tools/requirements-build.txt | system-build
	@echo "Making $(BENCH_VENV) with the clients to compare with (250 MB, two minutes)"
	@rm -rf $(BENCH_VENV)
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_PIP) install -r tools/requirements-build.txt
	@$(BENCH_PIP) install --no-deps -r demo/requirements.txt
	@$(BENCH_PIP) install -r bench/requirements.txt
	@touch $@

$(BENCH_STAMP)-build: pyproject.toml setup.py $(wildcard src/*/*.[ch]) $(PACKAGE_FILES) $(BENCH_STAMP)-peers
	@echo "Building the package into $(BENCH_VENV)"
	@$(BENCH_PIP) install --no-deps --no-build-isolation --force-reinstall .
	@touch $@

build/bench/%: bench/limits/%.c
	@mkdir -p $(@D)
	@$(or $(CC),cc) -std=c11 -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Werror -o $@ $<
