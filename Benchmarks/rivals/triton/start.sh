#!/usr/bin/env bash
# Becomes tritonserver on a repository of models for its Python backend.
# Usage: start.sh VENV WORK REPOSITORY HTTP_PORT GRPC_PORT METRICS_PORT
# VENV holds nvidia-pytriton, whose wheel carries the server; WORK is a folder to put its backend in.
set -euo pipefail
venv=$1 work=$2 repository=$3
packages=$(echo "$venv"/lib/python3.*/site-packages)
server=$packages/pytriton/tritonserver
version=$("$venv/bin/python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
# The backend's stub must find the library of the very Python that the environment was made from.
library=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
mkdir -p "$work/backends/python"
cp -r "$server/backends/python/." "$packages/pytriton/tritonserver/python_backend_stubs/$version/triton_python_backend_stub" "$work/backends/python/"
export PATH=$venv/bin:$PATH LD_LIBRARY_PATH=$packages/nvidia_pytriton.libs:$library
exec "$server/bin/tritonserver" --model-repository="$repository" --model-control-mode=explicit --load-model='*' \
  --backend-directory="$work/backends" --http-address=127.0.0.1 --grpc-address=127.0.0.1 \
  --http-port="$4" --grpc-port="$5" --metrics-port="$6" --allow-gpu-metrics=false --exit-timeout-secs=5
