# Flypack. `make` or `make help` lists the targets; CONTRIBUTING.md says more.

.DEFAULT_GOAL := help
.PHONY: help build test loom aarch64 test-unprivileged lint demo bench bench-ring bench-local bench-rows build-rows build-bench soak fuzz clean

CARGO ?= cargo
# Where cargo puts what it builds; the same setting that cargo itself reads.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 10
# Seconds over which the soak test spreads its thousand cycles.
SOAK_SECONDS ?= 3600
# How the demo's packets go: dpdk or udp (make demo IO=udp).
IO ?= dpdk
# More arguments for the bench: make bench-ring BENCH="--rounds 21 --json"
BENCH ?=
# The rows' own arguments: make bench-rows ROWS="--only tx,rx --hurry 10"
ROWS ?=
# The demo's own arguments: make demo DEMO="--seconds 20"
DEMO ?=
# The gateway as it is shipped: with DPDK.
WITH_DPDK := --features flypack-gateway/dpdk,flypack-bench/dpdk

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## every program and test, for development
	scripts/install build dpdk
	$(CARGO) build --locked --workspace --all-targets $(WITH_DPDK)

test: ## every test: plain, then namespaces and peers (as root), then models and brief fuzzing
	scripts/install build dpdk peers fuzz
	$(CARGO) test --locked
	$(CARGO) build --locked --workspace --bins $(WITH_DPDK)
	$(CARGO) test --locked -p flypack-dpdk-sys -p flypack-dpdk
	$(CARGO) build --locked --release -p flypack-benches --examples
	$(CARGO) test --locked --release -p flypack-benches --test instructions -- --nocapture
	$(CARGO) test --locked -p flypack-hwtests -- --test-threads=1
	$(MAKE) loom
	scripts/fuzz $(FUZZ_SECONDS)

loom: ## the ring's models, with 2 or 3 preemptions (or LOOM_MAX_PREEMPTIONS), and the bugs that they must catch
	scripts/install build
	RUSTFLAGS="--cfg loom" RUST_BACKTRACE=0 CARGO_TARGET_DIR=$(TARGET)/loom \
		$(CARGO) test --locked -p flypack-shm --lib models:: -- --show-output

aarch64: ## the ring's tests on aarch64, under qemu
	scripts/install build aarch64
	scripts/aarch64

test-unprivileged: ## the plain tests once more, as the user nobody (needs root)
	scripts/test-unprivileged

lint: ## format, clippy, licences and bans, documentation, architecture, shell scripts
	scripts/install build dpdk lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets $(WITH_DPDK) -- -D warnings
	scripts/deny
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace $(WITH_DPDK) --no-deps --quiet
	$(CARGO) xtask tidy
	scripts/shellcheck

demo: ## cameras through the gateway to receivers, every frame compared (IO=udp for sockets instead of DPDK)
	scripts/install build dpdk peers
	$(CARGO) build --locked --workspace --bins $(WITH_DPDK)
	$(TARGET)/debug/flypack-demo --io $(IO) $(DEMO)

bench: ## all benchmarks (criterion)
	scripts/install build dpdk
	$(CARGO) bench --locked --workspace --benches

bench-ring: ## the frame ring between processes, beside iceoryx2, a socket and memcpy (about 3 minutes)
	scripts/install build dpdk
	$(CARGO) build --locked --release -p flypack-cli -p flypack-bench --features flypack-bench/iceoryx2
	$(TARGET)/release/flypack bench shm --peers $(BENCH)

build-bench: ## flypack and flypack-bench with DPDK, for release
	scripts/install build dpdk
	$(CARGO) build --locked --release -p flypack-cli -p flypack-bench --features flypack-bench/dpdk

bench-local: build-bench ## the data plane without a network, beside dpdk-testpmd and bare packets (about 6 minutes, alone)
	scripts/install testpmd
	$(TARGET)/release/flypack bench local tx --unpaced --seconds 3 --rounds 10 --quiet --against testpmd $(BENCH)
	$(TARGET)/release/flypack bench local loop --format 2160p59.94 --unpaced --seconds 3 --rounds 10 --quiet --against bare $(BENCH)
	$(TARGET)/release/flypack bench local loop --format 2160p59.94 --lateness-ms 100 --seconds 60 --quiet $(BENCH)
	$(TARGET)/release/flypack bench local relay --unpaced --seconds 3 --rounds 10 --quiet $(BENCH)

build-rows: ## everything that bench-rows runs, for release
	scripts/install build dpdk
	$(CARGO) build --locked --release -p flypack-cli -p flypack-bench -p flypack-gateway -p flypack-hwtests -p flypack-benches --bins --examples $(WITH_DPDK)

bench-rows: build-rows ## every row of what the data plane promises, into out/rows/rows.json (about 13 minutes, alone, as root)
	scripts/install testpmd
	$(TARGET)/release/flypack-rows $(ROWS)

soak: ## the long runs: an hour of receivers and pods, many more random cases, a long demo, fuzzing (about 95 minutes)
	scripts/install build dpdk peers fuzz
	$(CARGO) build --locked --workspace --bins $(WITH_DPDK)
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --locked -p flypack-hwtests --test ring_soak -- --ignored --nocapture
	FLYPACK_TORTURE_SECONDS=600 $(CARGO) test --locked -p flypack-hwtests --test ring_torture -- --nocapture
	PROPTEST_CASES=20000 $(CARGO) test --locked
	$(MAKE) demo DEMO="--seconds 60"
	scripts/fuzz 60

fuzz: ## every fuzz target for FUZZ_SECONDS=10 (needs a nightly toolchain)
	scripts/install build fuzz
	scripts/fuzz $(FUZZ_SECONDS)

sdk: ## libflypack.so, libflypack.a, flypack.h, flypack.pc and the Python package, in target/sdk
	scripts/install build
	$(CARGO) build --locked --release -p flypack-sdk-c
	scripts/sdk $(TARGET)/release $(TARGET)/sdk

clean: ## what was built
	$(CARGO) clean
	rm -rf out fuzz/target
