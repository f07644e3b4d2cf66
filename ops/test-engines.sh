#!/usr/bin/env bash
# What is shown against the real engines; the same suites run against the embedded ones in 'make test'.
set -euo pipefail
export SLIPWAY_ENGINES=1
bash ops/with-mlflow.sh swift test --skip-build --filter 'ModelRegistryContractTests'
bash ops/with-mlflow.sh swift test --skip-build --filter 'ImportFromMLflowTests'
bash ops/with-triton.sh .venv/bin/python Tests/Conformance/inference/run_triton.py
bash ops/with-triton.sh swift test --skip-build --filter 'TritonModelServerTests'
bash ops/with-mlflow.sh .venv/bin/python Tests/Conformance/triton/trial.py
bash ops/features.sh
SLIPWAY_FEAST=${SLIPWAY_FEAST:-$PWD/.venv-feast/bin/feast} swift test --skip-build --filter 'FeatureStoreProcessTests'
bash ops/s3.sh swift test --skip-build --filter 'S3ServerTests|BucketArtifactServerTests|BucketModelServerTests'
bash ops/s3.sh bash ops/bucket.sh
bash ops/with-prometheus.sh swift test --skip-build --filter 'RealPrometheusTests'
bash ops/with-prometheus.sh .venv/bin/python Tests/Conformance/prometheus/trial.py
