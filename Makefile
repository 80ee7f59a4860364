# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needed beforehand: git, make, Rust, Python 3 with pip; for `make test-clients` Node with npm. The rest is fetched, pinned
# and checked by digest; Go, for the tests, comes from Debian's packages.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

RUNTIME := .portcullis/onnxruntime/libonnxruntime.so
VENV := .portcullis/venv
CLIENTS := .portcullis/clients
SECONDS_EACH ?= 600
DATA ?= data

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

.PHONY: demo
demo: $(RUNTIME) ## Watch prompts travel through access rules, guardrails, a backend and a signed log
	cargo build --release --quiet --bin portcullis
	target/release/portcullis demo $(DEMO_ARGS)

.PHONY: build
build: $(RUNTIME) ## Build the gateway, with the ONNX Runtime library beside it
	cargo build --release --quiet --bin portcullis
	cp $(RUNTIME) target/release/

.PHONY: test
test: $(RUNTIME) $(VENV)/ready ## Run all tests
	@scripts/install-go.sh
	scripts/test.sh

.PHONY: lint
lint: ## Formatting, clippy, documentation, dependency rules
	cargo fmt --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

.PHONY: test-clients
test-clients: $(RUNTIME) $(CLIENTS)/python/ready $(CLIENTS)/llama-index/ready $(foreach part,javascript agents,tests/clients/$(part)/node_modules/ready) ## Let SDKs, frameworks and agents talk to a gateway (CLIENT_ARGS=--record writes down what they send)
	@cargo build --release --quiet --bin portcullis
	@scripts/test-clients.sh $(CLIENT_ARGS)

.PHONY: conformance
conformance: ## Try known gaps on any gateway: CONFORMANCE_ARGS="--url URL …" (docs/conformance.md)
	@cargo build --release --quiet -p conformance
	@target/release/conformance $(or $(CONFORMANCE_ARGS),--help)

.PHONY: bench
bench: $(RUNTIME) ## Measure what the gateway adds, on the disk and in memory
	cargo build --release --quiet -p gateway -p tests
	target/release/bench $(BENCH_ARGS)

.PHONY: bench-audit
bench-audit: ## Measure the audit log alone: writing, recovery, verification, proofs
	cargo build --release --quiet -p tests --bin bench
	target/release/bench audit $(BENCH_ARGS)

.PHONY: bench-guardrails
bench-guardrails: $(RUNTIME) ## Measure the detectors and the classifier alone, without a gateway
	cargo run --release --quiet -p guardrails --example scan_speed -- - $(abspath $(RUNTIME)) \
	  "$$(sha256sum $(RUNTIME) | cut -d' ' -f1)" models

.PHONY: bench-policy
bench-policy: ## Measure a decision beside casbin's plain `enforce` and Cedar, on the same rules
	cargo run --release --quiet --manifest-path policy/bench/Cargo.toml --target-dir target/policy-bench -- $(BENCH_ARGS)

.PHONY: soak
soak: $(RUNTIME) $(VENV)/ready ## The long versions of the tests: 1,000 kills, 100,000 crash histories
	@scripts/install-go.sh
	PORTCULLIS_SOAK=1 scripts/test.sh

.PHONY: fuzz
fuzz: ## Run every fuzz target for SECONDS_EACH (600)
	scripts/fuzz.sh $(SECONDS_EACH)

# What reads a caller's bytes and decides what leaves: canonical text, the bodies of all endpoints, the release of streams.
.PHONY: fuzz-quick
fuzz-quick: ## Run the fuzz targets of the guardrail engine for 20 seconds each, as every change must pass them
	scripts/fuzz.sh 20 guardrails/canon guardrails/stream gateway/ingest

.PHONY: train
train: ## Train the classifier again from the labelled data in DATA
	train/train.sh $(DATA)

$(RUNTIME): scripts/fetch-onnxruntime.sh
	@scripts/fetch-onnxruntime.sh
	@touch $@

$(VENV)/ready: tests/python/requirements.txt
	@python3 -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r $<
	@touch $@

$(CLIENTS)/python/ready: tests/clients/python/requirements.txt
$(CLIENTS)/llama-index/ready: tests/clients/python/requirements-llama-index.txt
$(CLIENTS)/%/ready:
	@python3 -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r $<
	@touch $@

# Nothing that a package would run at its installation is run.
tests/clients/%/node_modules/ready: tests/clients/%/package-lock.json
	@cd $(<D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
