# What one types here. Everything that lasts longer than a line stands in a script; .ci/run runs the same checks.
.DEFAULT_GOAL := help
.PHONY: help audit image-check alerts alert-rules clients-node samples explore metrics storm demo run test lint types machine races start-large rolling coverage-core chart-readme bench crash crash-sweep crash-mutants faults-pgbouncer faults-strace lock clean

BIN := .venv/bin

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 - \2/p' $(MAKEFILE_LIST) | awk -F ' - ' '{ printf "%-28s%s\n", $$1, $$2 }'

demo: ## two simulated panels, the gateway in front, a user, and a first order; Ctrl-C ends it
	@./setup.sh run
	@exec $(BIN)/gateway demo

run: ## the gateway with your own providers.yaml, and the variables of .env if there is one
	@./setup.sh run
	@set -a; [ ! -f .env ] || . ./.env; set +a; exec $(BIN)/gateway serve

# Most tests wait more than they work, so more processes than cores; WORKERS=0 has them one after another.
test: ## set up what the tests need and pass them, on SQLite and on a real PostgreSQL and Redis
	@./setup.sh dev
	@$(BIN)/python -m pytest -n $(or $(WORKERS),4) --dist worksteal

lint: ## lint, format and house contracts
	@./setup.sh dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: ## mypy, strict, over gateway, tests and bench
	@./setup.sh dev
	@$(BIN)/mypy

machine: ## 5 000 walks of 40 steps through the life of orders, beside a model; DATABASE=postgresql for the other one
	@./setup.sh dev
	@$(BIN)/python -m tests.machine $(or $(DATABASE),sqlite) $(or $(WALKS),5000)

explore: ## twenty thousand requests made up from openapi.json, to a running gateway; REQUESTS=n for as many
	@./setup.sh dev
	@$(BIN)/python -m tests.explore $(or $(REQUESTS),20000)

races: ## ten thousand adds over three processes on both databases, for money that is enough for a third
	@./setup.sh dev
	@$(BIN)/python -m tests.races $(or $(ADDS),10000)

start-large: ## start on books with 100 000 open orders and 5 000 in doubt, on SQLite and PostgreSQL, and tell how long it took
	@./setup.sh dev
	@CROWD=$(or $(CROWD),100000) $(BIN)/python -m pytest -q tests/matrix/test_start.py

rolling: ## row G6 with the code of the schema before, out of this repository's history
	@./setup.sh dev
	@$(BIN)/python -m pytest tests/matrix/with_previous.py

coverage-core: ## every branch of gateway/core, taken by that file's own tests
	@./setup.sh dev
	@$(BIN)/python -m tests.coverage_of_core

faults-strace: ## rows D4 to D6 of the fault matrix with errors and delays from the kernel (Debian: apt-get install strace)
	@command -v strace >/dev/null || { echo 'strace is not installed; on Debian: apt-get install strace' >&2; exit 1; }
	@./setup.sh dev
	@$(BIN)/python -m pytest tests/matrix/with_strace.py

faults-pgbouncer: ## row D12 of the fault matrix with PgBouncer itself (Debian: apt-get install pgbouncer)
	@command -v pgbouncer >/dev/null || { echo 'pgbouncer is not installed; on Debian: apt-get install pgbouncer' >&2; exit 1; }
	@./setup.sh dev
	@$(BIN)/python -m pytest tests/matrix/with_pgbouncer.py

image-check: ## build the Dockerfile for real and serve an order from it; as root, with Debian's buildah and debootstrap
	@./setup.sh dev
	@$(BIN)/python -m tools.image_check

# pip-audit says "no known vulnerabilities found" also of packages nobody could be asked about; --strict has it fail then.
audit: ## ask for known vulnerabilities of what the locks name (needs pip-audit, and PyPI's or OSV's service: SERVICE=osv)
	@command -v pip-audit >/dev/null || { echo 'pip-audit is not installed: pipx install pip-audit' >&2; exit 1; }
	@for lock in run.lock tracing.lock dev.lock; do pip-audit --strict --require-hashes --disable-pip --vulnerability-service $(or $(SERVICE),pypi) -r $$lock || exit 1; done

metrics: ## write the dashboards anew from tools/boards, and docs/metrics.md from what is declared and looked at
	@./setup.sh dev
	@$(BIN)/python -m tools.dashboards
	@$(BIN)/python -m tools.metrics_document

# Debian's package is unpacked into .tools when promtool is not on the PATH; no root is needed for that.
alert-rules: ## promtool checks and tests the rules
	@./setup.sh dev
	@found=$$(tools/prometheus.sh) && PATH="$$found:$$PATH" $(BIN)/python -m pytest tests/alerts/with_promtool.py

alerts: ## promtool checks and tests the rules, and a real Prometheus scrapes the gateway under load and sees it alarm
	@./setup.sh dev
	@found=$$(tools/prometheus.sh) && PATH="$$found:$$PATH" $(BIN)/python -m pytest tests/alerts/with_promtool.py tests/alerts/with_prometheus.py

bench: ## measure services, status and add, and print the table of docs/performance.md
	@./setup.sh dev
	@$(BIN)/python -m bench

# make crash N=10000 DB=postgresql; SEED=7 has a run again, WORLD=3 one of its worlds, STATE=file lets it go on later.
crash: ## kill the gateway N times by chance and judge the books by the panels' truth
	@./setup.sh dev
	@$(BIN)/python -m tests.crash run --kills $(or $(N),1000) --database $(or $(DB),sqlite) $(if $(SEED),--seed $(SEED)) $(if $(WORLD),--world $(WORLD)) $(if $(STATE),--state $(STATE))

# JOBS=4 STATE=file: in four parts side by side.
crash-sweep: ## end the gateway at each point with each fault of a panel, once
	@./setup.sh dev
	@$(BIN)/python -m tests.crash sweep --database $(or $(DB),sqlite) $(if $(STATE),--state $(STATE)) $(if $(JOBS),--jobs $(JOBS))

crash-mutants: ## sow seven bugs and see each of them found
	@./setup.sh dev
	@$(BIN)/python -m tests.crash mutants $(if $(DB),--database $(DB))

samples: ## run the API page's samples in each language this machine has (Debian: curl php-cli php-curl nodejs golang-go)
	@./setup.sh dev
	@$(BIN)/python -m pytest -rs tests/test_samples.py

clients-node: ## clients of others in JavaScript against a whole gateway (needs Node 18 or newer, npm and its registry)
	@command -v npm >/dev/null || { echo 'node and npm are not installed; on Debian: apt-get install nodejs npm' >&2; exit 1; }
	@./setup.sh dev
	@npm ci --prefix tests/node --silent
	@$(BIN)/python -m pytest tests/with_node.py

storm: ## ten thousand calls to a slow panel, cancelled and timed out: no slot, task or socket may be lost
	@./setup.sh dev
	@$(BIN)/python -m tests.storm

chart-readme: ## write the table of values in helm/README.md anew from helm/values.yaml
	@./setup.sh dev
	@$(BIN)/python -m tests.chart_readme

# uv is asked for by name: it is needed only here, by whoever changes the dependencies.
lock: ## write run.lock, tracing.lock and dev.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o run.lock
	uv pip compile pyproject.toml --group build --extra tracing -c run.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o tracing.lock
	uv pip compile pyproject.toml --group build --extra tracing --group dev -c tracing.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o dev.lock

clean: ## remove what the tools made, but never your data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov dist .coverage .coverage.*
	find gateway tests bench tools -type d -name __pycache__ -prune -exec rm -rf {} +
