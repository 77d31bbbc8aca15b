# The front door. Each target installs what it lacks, builds, and runs; a second call is fast.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

lyceum := build/release/bin/lyceum
# Real stories stand beside the project where it is developed; without them it takes its own.
shared_stories := $(wildcard ../shared/data/stories.jsonl)
inputs := $(if $(shared_stories),--stories $(shared_stories))
# What comes after `lyceum demo`, `lyceum bench` or ctest: make test ARGS='-R uuid'
ARGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: build ## the main job on a private PostgreSQL, with its report (LYCEUM_DEMO_SCALE enlarges it)
	@$(lyceum) demo $(inputs) $(ARGS)

.PHONY: serve
serve: build ## the same, and serves it over HTTP until Ctrl-C
	@$(lyceum) demo --stay $(inputs) $(ARGS)

.PHONY: package
package: dependencies-package build ## the Debian package: build/lyceum_VERSION_ARCHITECTURE.deb
	@scripts/package.sh

.PHONY: build
build: dependencies ## the program, the library, the tests: build/release
	@scripts/build.sh release

.PHONY: test
test: dependencies-test build ## every test, on real PostgreSQL; ends with ctest's summary
	@scripts/run-tests.sh release $(ARGS)

.PHONY: test-asan
test-asan: dependencies-sanitize ## the same under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/build.sh asan
	@scripts/run-tests.sh asan $(ARGS)

.PHONY: test-tsan
test-tsan: dependencies-sanitize ## the same under ThreadSanitizer
	@scripts/build.sh tsan
	@scripts/run-tests.sh tsan $(ARGS)

.PHONY: fuzz
fuzz: dependencies-sanitize ## libFuzzer on what reads foreign bytes, FUZZ_SECONDS=60 each; ARGS: names
	@scripts/build.sh asan fuzz
	@scripts/fuzz.sh $(ARGS)

.PHONY: test-fresh
test-fresh: ## make demo and make test of HEAD in a new Debian 12 (chroot; as root)
	@scripts/install-dependencies.sh fresh
	@scripts/test-fresh.sh $(ARGS)

.PHONY: test-package
test-package: dependencies-package build ## installs, runs, upgrades and purges the package in a new Debian 12 (chroot; as root)
	@scripts/install-dependencies.sh fresh
	@scripts/test-package.sh $(ARGS)

.PHONY: bench
bench: dependencies-bench build ## measures the budgets against the other ways: a table, and build/bench.json
	@$(lyceum) bench --out build/bench.json $(inputs) $(ARGS)

.PHONY: lint
lint: dependencies-lint ## format, clang-tidy, shellcheck, and the house's own rules
	@scripts/lint.sh

.PHONY: format
format: dependencies-lint ## puts every C++ file into the project's format
	@scripts/format.sh

.PHONY: clean
clean: ## removes build/
	@rm -rf build

.PHONY: dependencies dependencies-bench dependencies-test dependencies-package dependencies-sanitize dependencies-lint
dependencies:
	@scripts/install-dependencies.sh build
dependencies-bench:
	@scripts/install-dependencies.sh build bench
dependencies-test:
	@scripts/install-dependencies.sh build package test
dependencies-package:
	@scripts/install-dependencies.sh build package
dependencies-sanitize:
	@scripts/install-dependencies.sh build test sanitize
dependencies-lint:
	@scripts/install-dependencies.sh build lint
