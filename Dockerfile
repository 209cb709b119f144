# syntax=docker/dockerfile:1
# Debian 13 with Python 3.13.14, for each architecture. docs/infrastructure.md says where this digest comes from and how
# to give a newer one: --build-arg BASE_IMAGE=python:3.13-slim-trixie@sha256:...
# checkov:skip=CKV_DOCKER_7:The argument has a version and a digest, which the check doesn't look into.
ARG BASE_IMAGE=python:3.13-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

FROM ${BASE_IMAGE} AS build
WORKDIR /srv/groundwork
COPY requirements/run.txt requirements/run.txt
# All are wheels, so nothing is compiled; the service needs no pip.
RUN python -m venv --without-pip .venv \
 && python -m pip --python .venv/bin/python install --no-cache-dir --only-binary :all: --no-deps --require-hashes \
    -r requirements/run.txt

FROM ${BASE_IMAGE} AS runtime
# Tesseract reads images and scanned pages.
# hadolint ignore=DL3008 # Debian keeps one version, the one with its security fixes; a pin would end the build
RUN apt-get update \
 && apt-get install -y --no-install-recommends tesseract-ocr \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 groundwork \
 && useradd --system --uid 10001 --gid groundwork --home-dir /var/lib/groundwork --create-home groundwork \
 && install --directory --owner groundwork --group groundwork --mode 0700 /var/lib/groundwork/data
WORKDIR /srv/groundwork
COPY --from=build /srv/groundwork/.venv .venv
COPY app app
COPY graph graph
COPY rag rag
COPY eval eval
COPY feedback feedback
COPY observability observability
COPY db db
COPY scripts scripts
COPY docs/sample docs/sample
COPY infra/healthcheck.py infra/healthcheck.py
# Readers of files are started often, and can write no byte code of their own.
RUN .venv/bin/python -m compileall -q app db eval feedback graph observability rag scripts
ENV PATH=/srv/groundwork/.venv/bin:$PATH \
    PYTHONPATH=/srv/groundwork \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOST=0.0.0.0 \
    DATA_DIR=/var/lib/groundwork/data
# The rest may be mounted read-only.
VOLUME ["/tmp", "/var/lib/groundwork/data"]
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "infra/healthcheck.py"]
# HOST is every address of the container: say AUTH_MODE=none to accept that nobody logs in.
CMD ["python", "-m", "app"]

FROM runtime AS worker
ENV ROLE=worker

# The last one is what a build without --target makes. ROLE=all does the worker's part as well.
FROM runtime AS api
ENV ROLE=api
