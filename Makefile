# The front door. `make` alone teaches.
SHELL := /bin/bash
BIN := .build/release

.DEFAULT_GOAL := help
.PHONY: help setup build test test-engines demo soak crash bench bench-tracking lint clean

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install Debian packages and the Python environment (once)
	@bash ops/timed.sh setup bash ops/setup.sh

build: setup ## Release build of slipway and shakedown
	@bash ops/timed.sh "release build of slipway" swift build -c release --product slipway
	@bash ops/timed.sh "release build of shakedown" swift build -c release --product shakedown

test: setup ## Build and run all tests
	@bash ops/timed.sh "debug build" swift build --build-tests
	@bash ops/timed.sh tests swift test --skip-build

test-engines: setup ## The suites that need a real MLflow server, started for them
	@bash ops/timed.sh "debug build" swift build --build-tests
	@bash ops/timed.sh "tests with real engines" bash ops/test-engines.sh

demo: build ## A model's whole road on real data, checked at every turn
	@$(BIN)/shakedown demo

soak: build ## 200 promotions in a row under load
	@$(BIN)/shakedown soak

crash: build ## 200 rounds of kill -9 under writing tracking clients
	@$(BIN)/shakedown crash

bench-tracking: build ## The tracking server beside MLflow's, in one run
	@$(BIN)/shakedown bench-tracking

bench: build ## Speed beside the usual arrangements, in one run
	@$(BIN)/shakedown bench

lint: ## Formatting, as .swift-format says
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

clean: ## Remove what was built (not .venv, not .slipway)
	rm -rf .build .build-*
