# Zabline.  `make help` lists the targets.
#
# CC=gcc|clang   SAN=asan,ubsan | SAN=tsan   one variable away; each variant has its own directory.

CC := gcc
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
SAN :=
comma := ,
empty :=
VARIANT := $(CC)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
ROOT_B := build
B := $(ROOT_B)/$(VARIANT)
VERSION := 0.1.0

SAN_FLAGS := $(if $(findstring asan,$(SAN)),-fsanitize=address) $(if $(findstring ubsan,$(SAN)),-fsanitize=undefined -fno-sanitize-recover=undefined) $(if $(findstring tsan,$(SAN)),-fsanitize=thread -DRTE_USE_C11_MEM_MODEL)
ARCH_FLAGS := $(if $(findstring x86_64,$(shell uname -m)),-msse4.2,-march=armv8-a+crc)
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
COMMON := -O2 -g -fno-omit-frame-pointer $(ARCH_FLAGS) $(SAN_FLAGS) -I. -MMD -MP -D_GNU_SOURCE -DZABLINE_VERSION='"$(VERSION)"'
CFLAGS := -std=c11 $(WARN) $(COMMON)
CXXFLAGS := -std=c++17 -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers $(COMMON)
DPDK_CFLAGS = $(shell pkg-config --cflags libdpdk) -DALLOW_EXPERIMENTAL_API -Wno-pedantic
DPDK_LIBS = $(shell pkg-config --libs libdpdk)
LIBS := -luv -lcjson -lz -lpthread

# Layers, each one a library; includes go from right to left only (law 2).
LAYERS := config proto fastpath storage slowpath service
src_of = $(if $(filter slowpath_uv,$(1)),$(wildcard slowpath/*_uv.c),$(wildcard $(1)/*.c))
obj_of = $(patsubst %.c,$(B)/%.o,$(call src_of,$(1)))
lib = $(B)/$(1).a

APP_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard dpdk_app/*.c))
HARNESS_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard test/harness/*.c)) $(patsubst %.cc,$(B)/%.o,$(wildcard test/harness/*.cc))

# What each test program links: its layer and those below; libraries in link order.
LINK_config := config
LINK_proto := proto config
LINK_fastpath := fastpath proto config
LINK_storage := storage proto config
LINK_slowpath := slowpath storage proto config
LINK_slowpath_uv := slowpath_uv proto config # the drivers alone, around a fake machine
LINK_service := service storage proto config
TEST_LAYERS := $(foreach l,$(LAYERS) slowpath_uv,$(if $(wildcard test/$(l)/*.cc),$(l)))

.DEFAULT_GOAL := all

define layer_rules
$(call lib,$(1)): $(call obj_of,$(1))
	@rm -f $$@
	ar rcs $$@ $$^
$(B)/test_$(1): $(patsubst %.cc,$(B)/%.o,$(wildcard test/$(1)/*.cc)) $(patsubst %.c,$(B)/%.o,$(wildcard test/$(1)/*.c)) $(foreach l,$(LINK_$(1)),$(call lib,$(l)))
	$(CXX) $(SAN_FLAGS) -o $$@ $$^ $(LIBS) -lgtest -lgtest_main
endef
$(foreach l,$(LAYERS) slowpath_uv,$(eval $(call layer_rules,$(l))))

$(B)/dpdk_app/%.o: CFLAGS += $(DPDK_CFLAGS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -c -o $@ $<

# `make test-storage` builds and runs one layer's tests.
test-%: $(B)/test_%
	$(B)/test_$*

-include $(shell find $(B) -name '*.d' 2>/dev/null)
