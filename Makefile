# The front door. Everything is built by meson in $(BUILD); this file only says the short words.
#
#   make            build/tenon, libtenon.so, libtenon.a
#   make install    with prefix=/usr and DESTDIR=/tmp/x as usual
#   make check      everything that a change has to pass      make demo     a Linux guest on a disk of ours
#   make fuzz       the fuzzers, for long                     make soak     the crash tests, for long
#   make bench      measures us beside QEMU's daemon, fio, testpmd BENCH_FLAGS=--quick: some minutes
#   make fresh      demo and check on a bare Debian (root)
#   make peers      drivers and links of others: DPDK, iperf3, passt; each is skipped where it is not
#   make limits     how exact limits are, as the tables of docs/limits.md
#   make faults     puts old faults in, one by one, and sees that a test goes red for each
#   make format     clang-format over all C                   make clean

BUILD ?= build

# Tests need cmocka; the program and the libraries need nothing.
TESTS := $(shell pkg-config --exists cmocka 2>/dev/null && echo true || echo false)

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) -Dtests=$(TESTS) $(if $(prefix),--prefix=$(prefix)) $(MESON_FLAGS)

# A prefix that differs from the configured one is set first: unit files and tenon.pc contain it.
install: $(BUILD)/build.ninja
	$(if $(prefix),meson configure $(BUILD) -Dprefix=$(prefix))
	@ninja -C $(BUILD)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

check:
	scripts/check

demo:
	scripts/demo

# Each fuzzer for FUZZ_SECONDS; new inputs are kept in fuzz/corpus.
FUZZ_SECONDS ?= 600
fuzz:
	test -e build-fuzz/build.ninja || CC=clang meson setup build-fuzz -Dfuzz=true -Dtests=false \
	    -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C build-fuzz
	set -e; for target in build-fuzz/fuzz/fuzz_*; do \
	    test -f $$target || continue; \
	    corpus=fuzz/corpus/$$(basename $$target | sed s/^fuzz_//); \
	    mkdir -p $$corpus; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 $$corpus; \
	done

soak:
	scripts/soak

faults:
	tests/faults/plant.py $(if $(ONLY),--only $(ONLY))

bench:
	scripts/install-deps check bench
	scripts/bench $(BENCH_FLAGS)

limits: $(BUILD)/build.ninja
	@ninja -C $(BUILD) tests/device/limits_accuracy >/dev/null
	@$(BUILD)/tests/device/limits_accuracy

# Both run to their end; what is not installed says so.
peers: $(BUILD)/build.ninja
	@ninja -C $(BUILD) tenon
	tests/linux/test_dpdk.sh; dpdk=$$?; tests/linux/test_peers.sh && exit $$dpdk

fresh:
	scripts/fresh

format:
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

clean:
	rm -rf $(BUILD)

.PHONY: all install check demo fuzz soak faults bench limits peers fresh format clean
