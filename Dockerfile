# syntax=docker/dockerfile:1
# The one program of the platform. Build: docker build --tag slipway:0.1.0 .   (linux/amd64)

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libsqlite3-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build --configuration release --static-swift-stdlib --product slipway \
    && install -D "$(swift build --configuration release --show-bin-path)/slipway" /out/usr/local/bin/slipway

# ONNX Runtime's library, out of the wheel that `make setup` installs too, checked by its digest.
FROM python:3.11-slim-bookworm AS onnxruntime
COPY ops/images/onnxruntime.txt /tmp/onnxruntime.txt
RUN pip download --no-cache-dir --no-deps --only-binary :all: --require-hashes --requirement /tmp/onnxruntime.txt --dest /tmp/wheel \
    && python -m zipfile -e /tmp/wheel/onnxruntime-*.whl /tmp/unpacked \
    && install -D --mode 0644 /tmp/unpacked/onnxruntime/capi/libonnxruntime.so.* --target-directory /out/opt/onnxruntime/lib \
    && ln -s "$(basename /out/opt/onnxruntime/lib/libonnxruntime.so.*)" /out/opt/onnxruntime/lib/libonnxruntime.so

FROM debian:bookworm-slim
# git reads the releases; ssh is for repositories that need a key.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git libsqlite3-0 libstdc++6 openssh-client tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 slipway \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/slipway --shell /usr/sbin/nologin slipway \
    && install -d --owner slipway --group slipway --mode 0700 /var/lib/slipway
COPY --from=build /out/ /
COPY --from=onnxruntime /out/ /
# A library that is missing is found here, not in the cluster.
RUN ! ldd /usr/local/bin/slipway /opt/onnxruntime/lib/libonnxruntime.so | grep 'not found' && slipway --version
ENV SLIPWAY_ONNXRUNTIME=/opt/onnxruntime/lib/libonnxruntime.so \
    HOME=/tmp
LABEL org.opencontainers.image.title=slipway \
      org.opencontainers.image.licenses=Apache-2.0
# By number, so that Kubernetes can tell that it is not root. Only /var/lib/slipway and /tmp are written.
USER 10001:10001
WORKDIR /var/lib/slipway
VOLUME ["/var/lib/slipway", "/tmp"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["slipway"]
CMD ["--help"]
