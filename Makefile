# The front door. `make` alone teaches.
SHELL := /bin/bash
BIN := .build/release

.DEFAULT_GOAL := help
.PHONY: help setup build test test-engines demo soak crash artifacts cycles pressure recipes bench bench-tracking lint clean charts lint-cluster test-cluster lint-baseline features proof-core proof-optional proof-e2e optional-on optional-off fuzz import

help: ## What there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install Debian packages and the Python environment (once)
	@bash ops/timed.sh setup bash ops/setup.sh

build: setup ## Release build of slipway and shakedown
	@bash ops/timed.sh "release build of slipway" swift build -c release --product slipway
	@bash ops/timed.sh "release build of shakedown" swift build -c release --product shakedown

test: setup ## Build and run all tests
	@bash ops/timed.sh "debug build" swift build --build-tests
	@bash ops/timed.sh tests bash ops/test.sh

test-engines: setup ## The suites that need real engines, started for them, with clients of both generations
	@bash ops/timed.sh "debug build" swift build --build-tests
	@bash ops/timed.sh "tracking suite on both servers" bash ops/engines.sh
	@bash ops/timed.sh "tests with real engines" bash ops/test-engines.sh
	@bash ops/timed.sh "the example under Airflow, on a real Triton" bash ops/with-triton.sh bash ops/airflow.sh

demo: build ## A model's whole road on real data, checked at every turn
	@$(BIN)/shakedown demo

features: setup ## Real Feast and Redis, for Optional on this machine
	@bash ops/timed.sh features bash ops/features.sh

proof-core: build ## Prove that Core serves alone; CLUSTER=1 for the cluster of the kubectl context
	@bash ops/proof/core.sh

proof-optional: build features ## Prove that Optional comes, goes and comes back with its data
	@bash ops/proof/optional.sh

proof-e2e: build ## Prove one model's whole road, under traffic
	@bash ops/proof/e2e.sh

optional-on: build features ## Attach Feast and Redis in ENV (dev), by a commit
	@bash ops/toggle/on.sh

optional-off: build ## Detach them, by a commit; their data stays
	@bash ops/toggle/off.sh

soak: build ## 200 promotions in a row under load
	@$(BIN)/shakedown soak

crash: build ## 200 rounds of kill -9 under writing tracking clients
	@$(BIN)/shakedown crash

bench-tracking: build ## The tracking server beside MLflow's, in one run
	@$(BIN)/shakedown bench-tracking

import: build ## 1 GB copied from another tracking server, killed on the way, with flat memory
	@$(BIN)/shakedown import

fuzz: ## libFuzzer on every parser of outside bytes (FUZZ_SECONDS=3600, FUZZ_TARGETS=…)
	@bash ops/fuzz.sh

cycles: build ## 10,000 loads and unloads of a model, with flat memory
	@$(BIN)/shakedown cycles

recipes: setup ## Models of scikit-learn, XGBoost, LightGBM and PyTorch on the whole road (installs 6 GB)
	@bash ops/timed.sh "debug build" swift build --product slipway
	@bash ops/timed.sh recipes bash ops/recipes.sh

pressure: build ## 1,000 swaps under full load; 10,000 idle connections
	@SLIPWAY_BIN=$(BIN)/slipway .venv/bin/python Tests/Conformance/inference/pressure.py

artifacts: build ## 2 GB up and down through the tracking server, with flat memory
	@$(BIN)/shakedown artifacts

bench: build ## Speed beside the usual servers, in one run
	@bash ops/timed.sh rivals bash ops/rivals.sh
	@$(BIN)/shakedown bench

lint: ## Formatting, as .swift-format says
	@swift format lint --strict --recursive --parallel Sources Tests Package.swift

lint-cluster: ## The GitOps tree, rendered and checked as a cluster would see it
	@bash ops/tools.sh
	@bash ops/timed.sh "cluster checks" .tools/venv/bin/python Tests/Cluster/check.py

charts: ## The charts of others that ours depend on, so that lint-cluster checks them too
	@bash ops/timed.sh charts bash ops/charts.sh

test-cluster: ## Breaks copies of the GitOps tree, each rule once; the probes
	@bash ops/tools.sh
	@bash ops/timed.sh "probes" .tools/venv/bin/python Tests/Cluster/test_probe.py
	@bash ops/timed.sh "rules for charts of others" .tools/venv/bin/python Tests/Cluster/test_charts_of_others.py
	@bash ops/timed.sh "broken trees" .tools/venv/bin/python Tests/Cluster/breakages.py

lint-baseline: ## Alerts and their cases, runbooks, dashboards, log pipeline, values, secrets
	@bash ops/timed.sh "baseline checks" bash ops/lint-baseline.sh

clean: ## Remove what was built (not .venv, not .slipway)
	rm -rf .build .build-*
