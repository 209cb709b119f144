# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /srv/groundwork
COPY requirements/run.txt requirements/run.txt
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/run.txt

FROM python:3.12-slim
# Reads images and scanned pages.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tesseract-ocr \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home --home-dir /var/lib/groundwork groundwork
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
# Readers of files are started often, and write no byte code of their own.
RUN .venv/bin/python -m compileall -q app db eval feedback graph observability rag scripts
ENV PATH=/srv/groundwork/.venv/bin:$PATH \
    PYTHONPATH=/srv/groundwork \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOST=0.0.0.0 \
    DATA_DIR=/var/lib/groundwork/data
USER groundwork
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "infra/healthcheck.py"]
# HOST is every address of the container: say AUTH_MODE=none to accept that nobody logs in.
CMD ["python", "-m", "app"]
