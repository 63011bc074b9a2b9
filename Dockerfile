# syntax=docker/dockerfile:1
# The gateway in an image: nothing in it but Python and what run.lock names, each package by its hash; no compiler, no
# pip, nobody's root, and nothing that is written outside /data and /tmp.
#
#   docker build -t panel-gateway:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# --build-arg LOCK=tracing.lock has OpenTelemetry in it as well.
# PYTHON can be pinned further, to a digest: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:…

ARG PYTHON=python:3.13-slim-bookworm

# ------------------------------------------------------------------------------------------------ what is only needed here
FROM ${PYTHON} AS build
WORKDIR /src
# tracing.lock: what run.lock names and OpenTelemetry besides (docs/tracing.md).
ARG LOCK=run.lock
COPY run.lock tracing.lock ./
# The environment has no pip of its own: the one of this stage installs into it, wheels only, and stays behind.
RUN python -m venv --without-pip /opt/gateway \
    && python -m pip --python /opt/gateway/bin/python install --no-cache-dir --disable-pip-version-check --no-compile \
        --require-hashes --only-binary :all: -r "${LOCK}"
COPY pyproject.toml README.md LICENSE ./
COPY gateway/ gateway/
RUN python -m pip --python /opt/gateway/bin/python install --no-cache-dir --disable-pip-version-check --no-compile \
        --no-deps --no-index --no-build-isolation . \
    && python -m pip --python /opt/gateway/bin/python uninstall --yes --quiet flit_core \
    && /opt/gateway/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/gateway/lib

# ------------------------------------------------------------------------------------------------------------ what is served
FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="panel-gateway" \
      org.opencontainers.image.description="A gateway between panels: one endpoint, one key, one prepaid balance in front of many upstream panels." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The image's own pip is the last thing in it that could install anything; /data is where a volume is hung in.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
    && groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin gateway \
    && install -d -o 10001 -g 10001 -m 0700 /data

COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_CONFIG=/etc/gateway/providers.yaml \
    GATEWAY_DATA_DIR=/data \
    GATEWAY_HOST=0.0.0.0 \
    GATEWAY_METRICS_HOST=0.0.0.0

# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=4 CMD ["gateway", "healthcheck"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
