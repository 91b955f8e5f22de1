# Everything one does with this repository. `make help` lists it; `make verify` is exactly what CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

# Where cargo builds. One profile for the product, its tests and its lints, so that nothing is compiled twice.
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
CARGO   := cargo
FLAGS   := --release --workspace --locked
# Arguments for the tests: `make test TESTS='-p reelmill-graph'`.
TESTS   ?=

say = printf '\033[1m== %s\033[0m\n'

.PHONY: help setup build demo test verify bench bench-render bench-quality bench-peers bench-scaling bench-chunks schemas chaos fmt lint generated

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Debian packages that are missing (needs root only then)
	@.ci/setup

build: setup ## Build reelmill, reelmill-runner and the plugins into target/release
	@$(say) 'build: reelmill, reelmill-runner and the plugins'
	$(CARGO) build $(FLAGS)

demo: build ## Render the demo pipeline into out/demo
	@$(say) 'demo: pipelines/demo.yaml to out/demo'
	$(RELEASE)/reelmill run pipelines/demo.yaml --out out/demo

test: build ## Install, build and pass every test; TESTS='-p CRATE' for a part
	@.ci/valkey $(TARGET)
	@$(say) 'test: the whole workspace, release profile'
	$(CARGO) test $(if $(TESTS),--release --locked $(TESTS),$(FLAGS))

verify: fmt lint generated test ## What CI runs: formatting, lints, generated files, every test
	@$(say) 'verify: all passed'

bench: build ## Measure: boundary, queue and render, each beside what it is compared with
	@$(say) 'bench: each table says what it measured'
	$(CARGO) bench --locked --workspace --bench boundary --bench queue --bench fleet --bench scaling --bench render

# `RENDER='--quick'` for small pictures, `--rounds N` for more rounds.
RENDER ?=
bench-render: build ## Measure: rendering beside one ffmpeg command, ten videos at once, five variants of one
	@$(say) 'bench-render: each figure stands beside its goal'
	$(CARGO) bench --locked --workspace --bench render -- $(RENDER)

# `SEEDS=7000..7003` and `FOOTAGE=folder` in the environment: other clips, and videos of one's own.
bench-quality: build ## Measure: quality by content beside x264 veryfast CRF 23, on clips that no rule was tuned on
	@$(say) 'bench-quality: each figure stands beside its goal'
	BENCH_FOLDER=$(abspath $(TARGET))/bench-quality $(CARGO) bench --locked --workspace --bench quality

# More sides: `make bench-peers SIDES='--side NAME=COMMAND'`; benches/peers/bench.py says what a side is asked.
SIDES ?=
bench-peers: build ## Measure: queue throughput beside BullMQ and Celery, under five minutes; installs them into target/
	@$(say) 'bench-peers: a Redis server of its own, each side in turn, round after round'
	/usr/bin/env python3 benches/peers/bench.py $(SIDES)

# `SCALING=--quick` for a part of it.
SCALING ?=
bench-scaling: build ## Measure: throughput by workers and by length of the queue, memory of Redis while runs finish
	@$(say) 'bench-scaling: sizes take turns; memory once the log of events is full'
	$(CARGO) bench --locked --workspace --bench scaling -- $(SCALING)

CHUNKS ?=
bench-chunks: build ## Measure: a 10-minute video in chunks over one worker and over two; CHUNKS='--minutes 2'
	@$(say) 'bench-chunks: a worker has one core and one encoder thread'
	REELMILL_RELEASE=$(abspath $(RELEASE)) /usr/bin/env python3 benches/chunks/bench.py $(CHUNKS)

chaos: build ## Blows at random on a fleet, longer than in `make test`; CHAOS_SEED=n replays one
	@$(say) 'chaos: 5,000 runs, 4 workers; then five minutes without Redis'
	CHAOS_RUNS=$${CHAOS_RUNS:-5000} $(CARGO) test $(FLAGS) --test chaos -- --nocapture
	CHAOS_OUTAGE_S=$${CHAOS_OUTAGE_S:-300} $(CARGO) test $(FLAGS) --test e2e_trouble away -- --nocapture

schemas: build ## Write the generated files into schemas/ again
	@$(say) 'schemas: writing the generated files'
	$(RELEASE)/reelmill schema --write schemas
	# Schemas of plugins are written by their own tests: the command line is not linked with them.
	REELMILL_WRITE_SCHEMAS=1 $(CARGO) test $(FLAGS) --quiet --test schema

fmt: ## Check the formatting
	@$(say) 'fmt: rustfmt has nothing to change'
	$(CARGO) fmt --all --check

lint: setup ## Clippy, warnings are errors
	@$(say) 'lint: clippy, warnings are errors'
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings

generated: schemas ## Check that the generated files are those in the repository
	@$(say) 'generated: schemas/ is up to date'
	changed=$$(git status --porcelain -- schemas)
	if [ -n "$$changed" ]; then
		git --no-pager diff -- schemas
		printf '%s\n' "$$changed" 'schemas/ is not what the code generates: run "make schemas" and commit it' >&2
		exit 1
	fi
