# Zabline.  `make help` lists the targets.
#
# CC=gcc|clang   SAN=asan,ubsan | SAN=tsan   one variable away; each variant has its own directory
# build/<variant>/.  V=1 shows the commands.

CC := gcc
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
SAN :=
V :=
SECONDS := 60
comma := ,
empty :=
VARIANT := $(CC)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
ROOT_B := build
B := $(ROOT_B)/$(VARIANT)
VERSION := 0.1.0
JOBS := $(shell nproc)
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(2)")

# Debian packages: to build and test; and what CI and `make tidy` use on top.
PACKAGES := make gcc g++ libc6-dev pkg-config python3 libdpdk-dev libbpf-dev libcjson-dev libuv1-dev libgtest-dev uthash-dev zlib1g-dev libssl-dev strace
DEMO_PACKAGES := zookeeper-bin
RACK_PACKAGES := iproute2 nftables
PACKAGE_PACKAGES := dpkg-dev iproute2 systemd procps
FUZZ_PACKAGES := clang libclang-rt-dev
MODEL_PACKAGES := gcc libc6-dev python3 spin
PERF_PACKAGES := valgrind zookeeper libzookeeper-mt-dev openjdk-17-jdk-headless
CI_PACKAGES := $(PACKAGES) $(RACK_PACKAGES) $(PACKAGE_PACKAGES) $(FUZZ_PACKAGES) $(MODEL_PACKAGES) git clang-format $(DEMO_PACKAGES) zookeeper libzookeeper-mt-dev python3-kazoo python3-jsonschema patch e2fsprogs

export TSAN_OPTIONS ?= suppressions=$(CURDIR)/test/tsan.supp
SAN_FLAGS := $(if $(findstring asan,$(SAN)),-fsanitize=address) $(if $(findstring ubsan,$(SAN)),-fsanitize=undefined -fno-sanitize-recover=undefined) $(if $(findstring tsan,$(SAN)),-fsanitize=thread -DRTE_USE_C11_MEM_MODEL) $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer-no-link)
ARCH_FLAGS := $(if $(findstring x86_64,$(shell uname -m)),-msse4.2 -mpclmul,-march=armv8-a+crc)
# gcc would clear and copy what has 64 to 256 bytes, our messages, by "rep", whose start alone costs 10 ns.
MOVES := unrolled_loop:256:noalign,libcall:-1:noalign
ARCH_FLAGS += $(if $(findstring clang,$(CC)),,$(if $(findstring x86_64,$(shell uname -m)),-mmemset-strategy=$(MOVES) -mmemcpy-strategy=$(MOVES)))
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror $(if $(findstring clang,$(CC)),-Wno-string-conversion)# assert(!"text")
COMMON := -O2 -g $(if $(SAN),-fno-omit-frame-pointer) $(ARCH_FLAGS) $(SAN_FLAGS) -I. -MMD -MP -D_GNU_SOURCE -DZABLINE_VERSION='"$(VERSION)"'
# zabd is optimised as a whole: a fifth fewer instructions per commit.  The objects can do without, for the tests.
LTO := $(if $(SAN)$(findstring clang,$(CC)),,-flto=auto -ffat-lto-objects)
CFLAGS := -std=c11 $(WARN) $(COMMON) $(LTO)
CXXFLAGS := -std=c++17 -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers -Wno-dangling-else $(COMMON)
DPDK_CFLAGS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libdpdk 2>/dev/null)) -DALLOW_EXPERIMENTAL_API -Wno-pedantic
DPDK_LIBS = $(shell pkg-config --libs libdpdk) -lbpf
LIBS := -luv -lcjson -lz -lcrypto -lpthread -lm

# Layers, each one a library; includes go from right to left only (law 2).
LAYERS := config proto fastpath storage slowpath service
src_of = $(if $(filter slowpath_uv,$(1)),$(wildcard slowpath/*_uv.c),$(wildcard $(1)/*.c $(if $(filter service,$(1)),service/doctor/*.c service/tree/*.c service/client/*.c)))
obj_of = $(patsubst %.c,$(B)/%.o,$(call src_of,$(1)))
test_obj_of = $(patsubst %,$(B)/%.o,$(basename $(wildcard test/$(1)/*.c test/$(1)/*.cc)))
lib = $(B)/$(1).a

APP_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard dpdk_app/*.c))
CTL_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard service/zabctl/*.c))

# What each test program links: its layer and those below, in link order; and what it takes of test/harness/.
LINK_config := config
LINK_proto := proto config
LINK_fastpath := fastpath proto config
LINK_storage := storage proto config
LINK_slowpath := slowpath storage proto config
LINK_slowpath_uv := slowpath_uv proto config# the drivers alone, around a fake machine
LINK_service := service storage proto config
HARNESS_storage := $(wildcard test/harness/disk_powercut.c)
HARNESS_service := $(HARNESS_storage)
TEST_LAYERS := $(foreach l,$(LAYERS) slowpath_uv,$(if $(wildcard test/$(l)/*.cc),$(l)))
TEST_BINS := $(foreach l,$(TEST_LAYERS) dpdk_app,$(B)/test_$(l))
TIMED_BINS := $(filter %/test_slowpath_uv %/test_dpdk_app,$(TEST_BINS))# they look at the clock, and run alone
PURE_BINS := $(filter-out $(TIMED_BINS),$(TEST_BINS))

# Scripts that run real processes: those of test/cluster with the tag "quick" in a line "# tags: ...".
TEST_SCRIPTS = $(shell grep -ls '^\# tags:.*quick' test/cluster/*.sh) $(wildcard test/interop/zookeeper.sh test/config/schema.sh)

# What those scripts use beside zabd and zabctl.
TEST_TOOLS := $(B)/memif_mangler $(B)/fault_disk.so $(B)/zk_replay

.DEFAULT_GOAL := all
.PHONY: all help deps deps-ci deps-rack build-tests objects test unit processes abuse rack-test perf demo model fuzz tidy fresh-test clean
.PHONY: install uninstall deb package-test sim sim-twice sim-tree scenarios mutants exhaustive reliability
.DELETE_ON_ERROR:

all: $(B)/zabd $(B)/zabctl ## build zabd and zabctl (build/zabd and build/zabctl, if neither CC nor SAN is given)
ifeq ($(VARIANT),gcc)
	@ln -sf $(VARIANT)/zabd $(VARIANT)/zabctl $(ROOT_B)/
endif

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24
	@echo "  make test-LAYER       build and run the unit tests of one of: $(strip $(TEST_LAYERS))"
	@echo "  variables             CC=gcc|clang  SAN=asan,ubsan|tsan  V=1  INPUT=FILE (demo)  QUICK=1 TESTS=\"NAME...\" (rack-test)"

test: ## install what is missing, build, run all tests
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$(JOBS) all build-tests
	@ZABLINE_BUILD=$(B) /usr/bin/python3 test/run.py --logs $(B)/logs --together $(PURE_BINS) -- $(TIMED_BINS) $(TEST_SCRIPTS)

unit: ## build and run the unit tests only
	@$(MAKE) --no-print-directory -j$(JOBS) build-tests
	@ZABLINE_BUILD=$(B) /usr/bin/python3 test/run.py --logs $(B)/logs --together $(PURE_BINS) -- $(TIMED_BINS)

processes: ## the tests with real processes only
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@ZABLINE_BUILD=$(B) /usr/bin/python3 test/run.py --logs $(B)/logs test/cluster/process.sh

abuse: ## bad input to real processes, the slow part (minutes)
	@$(MAKE) --no-print-directory -j$(JOBS) all $(TEST_TOOLS)
	@ZABLINE_BUILD=$(B) /usr/bin/python3 test/run.py --logs $(B)/logs $$(grep -ls '^# tags:.*slow' test/cluster/abuse*.sh)

rack-test: ## ensembles in network namespaces, hostile networks (as root); QUICK=1: a fixed subset
	@$(MAKE) --no-print-directory deps-rack
	@$(MAKE) --no-print-directory -j$(JOBS) all $(B)/mangler
	@ZABLINE_BUILD=$(B) QUICK=$(QUICK) test/rack/rack.sh $(TESTS)

perf: ## commit latency beside its limits, a client's figures beside ZooKeeper's (needs a quiet machine)
	@$(MAKE) --no-print-directory deps
	@test/deps.sh $(PERF_PACKAGES)
	@$(MAKE) --no-print-directory -j$(JOBS) all perf-programs
	@ZABLINE_BUILD=$(B) perf/commit_instructions
	@ZABLINE_BUILD=$(B) perf/commit_latency
	@ZABLINE_BUILD=$(B) perf/vs_zookeeper

SEED := 1
SEEDS := 1
sim: ## the simulator: SEEDS=N seeds from SEED=K on (test/sim/README.md)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@$(B)/sim --shrink --seed $(SEED) --seeds $(SEEDS)

sim-twice: ## each seed twice: the traces must be the same, byte for byte
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@$(B)/sim --twice --seed $(SEED) --seeds $(SEEDS)

sim-tree: ## the same with the tree and ZooKeeper's clients: SEEDS=N SEED=K
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@$(B)/sim --tree --shrink --seed $(SEED) --seeds $(SEEDS)

SCENARIO :=
RENEW :=
scenarios: ## known bugs of Zab as schedules for the simulator: SCENARIO="A01*" RENEW=1 (test/scenario/README.md)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@/usr/bin/python3 test/scenario/scenarios.py --sim $(B)/sim $(if $(RENEW),--renew) $(foreach s,$(SCENARIO),'$(s)')

SET := all
exhaustive: ## sets of schedules, run to the last: SET="cuts points pairs orders rot" SAMPLE=N (test/exhaustive/README.md)
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/sim
	@mkdir -p $(ROOT_B)/exhaustive
	@$(B)/sim --exhaustive $(SET) $(if $(SAMPLE),--sample $(SAMPLE)) >$(ROOT_B)/exhaustive/last.txt; \
	  status=$$?; cat $(ROOT_B)/exhaustive/last.txt; exit $$status

reliability: ## many seeds, and a table of what they met: SEEDS=N SEED=K; goes on where it was interrupted (build/reliability/)
	@$(MAKE) --no-print-directory -j$(JOBS) CC=gcc SAN= $(ROOT_B)/gcc/sim
	@/usr/bin/python3 test/reliability/reliability.py $(if $(filter-out file,$(origin SEEDS)),--seeds $(SEEDS)) --first $(SEED)

MUTANT :=
SAMPLE :=
mutants: ## known bugs brought back: does the simulator see them? MUTANT=ID SEEDS=N SAMPLE=N (test/mutants/README.md)
	@$(MAKE) --no-print-directory -j$(JOBS) CC=gcc SAN= $(ROOT_B)/gcc/sim
	@/usr/bin/python3 test/mutants/mutants.py $(if $(filter-out file,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(SAMPLE),--sample $(SAMPLE)) $(MUTANT)

demo: ## install what is missing, build, show three replicas surviving kill -9 and SIGSTOP, and ZooKeeper's client on them
	@test/deps.sh $(PACKAGES) $(DEMO_PACKAGES)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@INPUT="$(INPUT)" ./test/demo/demo.sh

deps: ## install the Debian packages that are missing (as root)
	@test/deps.sh $(PACKAGES)

deps-rack:
	@test/deps.sh $(PACKAGES) $(RACK_PACKAGES)

deps-ci: ## the same for CI, make tidy and the tests against ZooKeeper
	@test/deps.sh $(CI_PACKAGES)

model: ## verify the model of the hand-over (spin): holds, and fails without each of its rules
	@test/deps.sh $(MODEL_PACKAGES)
	@/usr/bin/python3 test/model/run.py $(ROOT_B)/model $(MODEL)

fuzz: ## all decoders and step functions under libFuzzer with asan and ubsan, SECONDS=60 in all
	@test/deps.sh $(PACKAGES) $(FUZZ_PACKAGES)
	@$(MAKE) --no-print-directory -j$(JOBS) CC=gcc SAN= $(addprefix $(ROOT_B)/gcc/test_,proto service dpdk_app)
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang SAN=asan,ubsan,fuzzer build-fuzz
	@/usr/bin/python3 test/fuzz/run.py --build $(ROOT_B)/clang-asan-ubsan-fuzzer --tests $(ROOT_B)/gcc --seconds $(SECONDS) $(TARGETS)

tidy: ## check the laws of the source: layers, purity, sizes, format
	@$(MAKE) --no-print-directory -k -j$(JOBS) CC=gcc SAN= objects || true
	@/usr/bin/python3 test/tidy/tidy_test.py 2>&1 | tail -1 | grep -x OK
	@/usr/bin/python3 test/tidy/tidy.py --objects $(ROOT_B)/gcc

fresh-test: ## the README's commands in a fresh Debian 12 (by hand, as root, slow)
	@test/fresh/fresh.sh

# Where things go.  A package or an image is made with DESTDIR; systemd and udev look below /usr/local too.
PREFIX := /usr/local
SYSCONFDIR := /etc
DESTDIR :=
BINDIR := $(PREFIX)/bin
DATADIR := $(PREFIX)/share
STRIP :=
# installed file : its source : mode; @BINDIR@ and @DATADIR@ are put in on the way
INSTALLED := \
  $(PREFIX)/lib/systemd/system/zabd@.service:config/system/zabd@.service \
  $(PREFIX)/lib/sysusers.d/zabline.conf:config/system/zabline.sysusers \
  $(PREFIX)/lib/tmpfiles.d/zabline.conf:config/system/zabline.tmpfiles \
  $(PREFIX)/lib/udev/rules.d/60-zabline.rules:config/system/60-zabline.rules \
  $(DATADIR)/bash-completion/completions/zabd:config/system/completion.bash \
  $(DATADIR)/bash-completion/completions/zabctl:config/system/completion.bash \
  $(DATADIR)/man/man8/zabd.8:config/system/zabd.8 \
  $(DATADIR)/man/man1/zabctl.1:config/system/zabctl.1 \
  $(DATADIR)/man/man5/zabline.json.5:$(ROOT_B)/zabline.json.5 \
  $(DATADIR)/zabline/schema.json:config/schema.json \
  $(foreach f,README.md $(wildcard config/*.md),$(DATADIR)/doc/zabline/$(f):$(f)) \
  $(foreach f,$(wildcard config/*/*.json),$(DATADIR)/doc/zabline/examples/$(f:config/%=%):$(f))

install: all $(ROOT_B)/zabline.json.5 ## install below PREFIX (/usr/local); DESTDIR for packages
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SYSCONFDIR)/zabline
	install -m 755 $(B)/zabd $(B)/zabctl $(DESTDIR)$(BINDIR)
	$(if $(STRIP),$(STRIP) $(DESTDIR)$(BINDIR)/zabd $(DESTDIR)$(BINDIR)/zabctl)
	@set -e; for pair in $(INSTALLED); do \
	  to="$(DESTDIR)$${pair%:*}"; echo "install $$to"; install -d "$${to%/*}"; \
	  sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@DATADIR@|$(DATADIR)|g' "$${pair##*:}" >"$$to"; chmod 644 "$$to"; done

uninstall: ## remove what install has installed; configs and data stay
	rm -f $(DESTDIR)$(BINDIR)/zabd $(DESTDIR)$(BINDIR)/zabctl
	rm -f $(foreach pair,$(INSTALLED),$(DESTDIR)$(firstword $(subst :, ,$(pair))))
	rm -rf $(DESTDIR)$(DATADIR)/doc/zabline $(DESTDIR)$(DATADIR)/zabline

$(ROOT_B)/zabline.json.5: config/README.md config/system/man5.py
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 config/system/man5.py $< >$@

deb: ## a Debian package, build/zabline_VERSION_ARCH.deb
	@test/deps.sh $(PACKAGES) dpkg-dev
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@config/debian/deb.sh $(VERSION) $(ROOT_B)

package-test: deb ## install the package, run ensembles under systemd, purge (as root)
	@test/deps.sh $(PACKAGE_PACKAGES)
	@test/package/package.sh

clean: ## remove what was built (all variants)
	rm -rf $(ROOT_B)

build-tests: $(TEST_BINS) $(TEST_TOOLS)

objects: $(foreach l,$(LAYERS),$(call obj_of,$(l))) $(APP_OBJ) $(CTL_OBJ)

# Objects, not archives: an archive would hide two functions of one name.
$(B)/zabd: $(APP_OBJ) $(foreach l,$(LAYERS),$(call obj_of,$(l)))
	$(call say,LD,$@)
	$(Q)$(CC) -O2 $(LTO) $(SAN_FLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS)

$(B)/zabctl: $(CTL_OBJ) $(foreach l,service storage proto config,$(call lib,$(l)))
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^ $(LIBS)

define layer_rules
$(call lib,$(1)): $(call obj_of,$(1))
	@mkdir -p $$(@D) && rm -f $$@
	$(call say,AR,$$@)
	$(Q)ar rcs $$@ $$^
$(B)/test_$(1): $(call test_obj_of,$(1)) $(patsubst %.c,$(B)/%.o,$(HARNESS_$(1))) $(foreach l,$(LINK_$(1)),$(call lib,$(l)))
	$(call say,LD,$$@)
	$(Q)$(CXX) $(SAN_FLAGS) -o $$@ $$^ $(LIBS) -lgtest -lgtest_main
endef
$(foreach l,$(LAYERS) slowpath_uv,$(eval $(call layer_rules,$(l))))

# Ports and EAL without the rest of the application: the other end of a port in tests.
PORT_OBJ := $(patsubst %,$(B)/dpdk_app/%.o,arp dev_args eal eal_args flow guard icmp mem open_error port port_kernel port_link port_memif port_open port_pci port_serve reach wire xdp xdp_object xdp_program)
TURN_OBJ := $(patsubst %,$(B)/dpdk_app/%.o,arena node tcp_frames topo topo_table turn_disk turn_fast wake wake_fd)
$(B)/port_peer $(B)/memif_mangler: $(B)/%: $(B)/test/dpdk_app/%.o $(B)/test/dpdk_app/pair_config.o $(PORT_OBJ) $(call lib,proto) $(call lib,config)
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS)
# LD_PRELOAD: a failing or slow disk, a jumping clock.
$(B)/fault_disk.so: test/cluster/fault_disk.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -fPIC -o $@ $(filter-out -MMD -MP,$(CFLAGS)) $< -ldl
# ZooKeeper's own log on our tree.
$(B)/zk_replay: $(B)/test/cluster/zk_replay.o $(foreach l,$(LINK_service),$(call lib,$(l)))
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^ $(LIBS)
$(B)/test_dpdk_app: $(addprefix $(B)/test/dpdk_app/,arp_test.o eal_args_test.o flow_test.o reach_test.o pci_test.o port_test.o memif_test.o turn_test.o ring_pair.o pair_config.o) $(PORT_OBJ) $(TURN_OBJ) $(foreach l,slowpath service storage fastpath proto,$(call lib,$(l))) $(call lib,config) | $(B)/port_peer
	$(call say,LD,$@)
	$(Q)$(CXX) $(SAN_FLAGS) -o $@ $^ -lrte_net_ring -lrte_bus_vdev $(DPDK_LIBS) $(LIBS) -lgtest -lgtest_main

# The broadcast machines alone, one commit after the other: what perf/commit_instructions counts.
$(B)/commit_loop: $(B)/perf/commit_loop.o $(B)/test/fastpath/ring_map.o $(foreach l,$(LINK_fastpath),$(call obj_of,$(l)))
	$(call say,LD,$@)
	$(Q)$(CC) -O2 $(LTO) $(SAN_FLAGS) -o $@ $^ $(LIBS)

# The simulator: the product without its loops' clocks, libuv, DPDK and the kernel's disk (test/sim/README.md).
SIM_PRODUCT := $(addprefix $(B)/dpdk_app/,arena.o node.o open_error.o rings_app.o rings_slow.o tcp_frames.o topo_table.o turn_disk.o turn_fast.o wake.o) \
  $(filter-out $(B)/slowpath/slow_uv.o,$(call obj_of,slowpath)) \
  $(foreach l,proto fastpath,$(call obj_of,$(l))) $(filter-out $(B)/storage/disk_real.o,$(call obj_of,storage)) \
  $(filter-out $(B)/config/log.o,$(call obj_of,config)) \
  $(addprefix $(B)/service/app_,apply.o catchup.o log.o log_snapshot.o propose.o role.o snapshot.o thread.o) $(addprefix $(B)/service/,buffer.o clients.o kept.o) \
  $(patsubst %.c,$(B)/%.o,$(wildcard service/tree/*.c service/client/*.c))
$(B)/sim: $(patsubst %.c,$(B)/%.o,$(wildcard test/sim/*.c test/exhaustive/*.c)) $(B)/test/harness/disk_powercut.o $(SIM_PRODUCT)
	$(call say,LD,$@)
	$(Q)$(CC) -O2 $(LTO) $(SAN_FLAGS) -o $@ $^ -lcjson -lz -lcrypto -lm

# The fuzzers (clang only; `make fuzz` sets CC and SAN): one program for each file of test/fuzz/.
FUZZERS := $(patsubst test/fuzz/%.cc,$(B)/fuzz_%,$(wildcard test/fuzz/*.cc))
FUZZ_LIBS := $(foreach l,fastpath slowpath service storage proto config,$(call lib,$(l)))
FUZZ_bcast := $(B)/test/fastpath/ring_map.o
FUZZ_control := $(B)/test/service/fake_node.o
FUZZ_store := $(B)/test/storage/store_env.o $(B)/test/harness/disk_powercut.o
FUZZ_wire := $(addprefix $(B)/dpdk_app/,wire.o arp.o icmp.o)
.SECONDEXPANSION:
$(FUZZERS): $(B)/fuzz_%: $(B)/test/fuzz/%.o $$(FUZZ_$$*) $(FUZZ_LIBS)
	$(call say,LD,$@)
	$(Q)$(CXX) -fsanitize=fuzzer $(SAN_FLAGS) -o $@ $^ $(LIBS) $(if $(filter wire,$*),$(DPDK_LIBS)) -lgtest
build-fuzz: $(FUZZERS)
.PHONY: build-fuzz
$(B)/test/fuzz/wire.o: CXXFLAGS += $(DPDK_CFLAGS)

$(B)/mangler: $(B)/test/rack/mangler.o # a bad cable, for make rack-test
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^

# What no replica can beat, measured by programs that link nothing of Zabline.
perf-programs: $(B)/raw_rtt $(B)/raw_write $(B)/raw_line $(B)/commit_loop $(B)/zookeeper_client ## build the programs that measure the limits
.PHONY: perf-programs
$(B)/raw_rtt $(B)/raw_write $(B)/raw_line: $(B)/%: $(B)/perf/raw/%.o
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^ $(DPDK_LIBS)
$(B)/perf/raw/%.o: CFLAGS += $(DPDK_CFLAGS)

# A client of ZooKeeper, on its own C library.
$(B)/zookeeper_client: $(B)/perf/zookeeper_client.o
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN_FLAGS) -o $@ $^ -lzookeeper_mt
$(B)/perf/zookeeper_client.o: CFLAGS += -DTHREADED

$(B)/dpdk_app/%.o $(B)/test/dpdk_app/%.o: CFLAGS += $(DPDK_CFLAGS)
$(B)/test/dpdk_app/flow_test.o: CXXFLAGS += $(DPDK_CFLAGS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(CXXFLAGS) -c -o $@ $<

# `make test-storage` builds and runs one layer's tests.
test-%: $(B)/test_%
	$(B)/test_$*

-include $(shell find $(B) -name '*.d' 2>/dev/null)
