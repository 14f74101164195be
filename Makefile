# make help  lists the targets.
CARGO ?= cargo
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup build run test check fmt bench

help: ## This list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs what is needed and absent: a C compiler, Envoy, PostgreSQL and Redis, cargo-deny.
	@scripts/setup.sh

build: ## Builds the programs (debug).
	@scripts/setup.sh toolchain
	$(CARGO) build --locked --workspace --bins

run: ## The demo: a mesh of services and a gateway before it, step by step; stays up until Ctrl-C.
	@scripts/setup.sh toolchain envoy
	$(CARGO) build --locked --profile quick -p kuma-cp -p kuma-dp -p kumactl -p kuma-tcp-echo -p kong -p demo
	@target/quick/demo

test: ## All tests, with real Envoys, PostgreSQL and Redis.
	@scripts/setup.sh toolchain envoy postgres redis
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace

check: ## What a change must pass besides the tests: format, lints, dependency rules, tidiness.
	@scripts/setup.sh toolchain deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/deny.sh
	$(CARGO) run --locked --quiet -p xtask -- tidy

fmt: ## Formats the sources.
	$(CARGO) fmt --all

bench: ## Measures against DESIGN's figures; results go to bench/RESULTS.md.
	@scripts/setup.sh toolchain envoy postgres bench
	$(CARGO) build --locked --release -p kuma-cp -p kuma-dp -p kong -p bench
	target/release/bench gateway --write bench/RESULTS.md
	target/release/bench xds --write bench/RESULTS.md
	target/release/bench store --write bench/RESULTS.md
