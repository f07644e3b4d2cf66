# The front door. `make` alone teaches.
SHELL := /bin/bash
BIN := .build/release

.DEFAULT_GOAL := help
.PHONY: help setup build test demo soak bench lint clean

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install Debian packages and the Python environment (once)
	@bash ops/timed.sh setup bash ops/setup.sh

build: setup ## Release build of slipway and shakedown
	@bash ops/timed.sh "release build of slipway" swift build -c release --product slipway
	@bash ops/timed.sh "release build of shakedown" swift build -c release --product shakedown

test: setup ## Build and run all tests
	@bash ops/timed.sh "debug build" swift build --build-tests
	@bash ops/timed.sh tests swift test --skip-build

demo: build ## A model's whole road on real data, checked at every turn
	@$(BIN)/shakedown demo

soak: build ## 200 promotions in a row under load
	@$(BIN)/shakedown soak

bench: build ## Speed beside the usual arrangements, in one run
	@$(BIN)/shakedown bench

lint: ## Formatting, as .swift-format says
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

lint-baseline: ## Alerts and their cases, runbooks, dashboards, log pipeline, values, secrets
	@bash ops/timed.sh "baseline checks" bash ops/lint-baseline.sh

.PHONY: lint-baseline

clean: ## Remove what was built (not .venv, not .slipway)
	rm -rf .build .build-*
