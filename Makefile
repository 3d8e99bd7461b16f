# make            the module and its program for HDF5, into build/
# make deps       what they need, from the system's packages; MPI=1: and what several machines need
# make demo       a network pretrained on drawn images and grafted onto others; DATA=dir WEIGHTS=file: the Inception V3 recipe
# make repl       Lua's prompt with scion in it
# make install    into PREFIX, /usr/local unless told; DESTDIR stands before it
# make env        prints what a shell sets to run this tree from anywhere: eval "$(make -s env)"
# make test       everything under spec/; SANITIZE=1: under AddressSanitizer and UndefinedBehaviorSanitizer; SANITIZE=thread: the thread pool
# make test-peers the zoo at full size, exported to PyTorch and Keras: what it predicts there; where they are installed
# make test-peers-load   files of torchvision, timm and Keras, in all containers: what they predict here, or how they are refused; NAMES="resnet18 .."
# make test-peers-train  models trained in Keras and PyTorch with heads of their own: what they predict here, and there again; NAMES="LoRA .."
# make test-peers-safetensors   verdicts on 100,000 mutated files beside the reference library's; PYTHON=venv/bin/python
# make fuzz       calls of all public functions with nasty arguments; CALLS=100000 SEED=n, SANITIZE=1 for what they do to memory
# make fuzz-images    decodes damaged images under AddressSanitizer; RUNS=1000000 SEED=n
# make fuzz-guided    the same by clang's libFuzzer, which keeps what reaches new code, in build/fuzz/found; SECONDS=600
# make bench      what it reaches; PART=layers,steps,.. ROUNDS=3 THREADS=n CLOCK=wall|cpu; PEER=torch,openvino,..: beside those that PYTHON has
# make lint       luacheck and cppcheck
# make docs       the reference of the Lua modules, into build/reference/
# make clean      removes what the others made
# make help       this list

LUA      ?= lua5.4
CC       ?= cc
PKG       = $(shell pkg-config --$(1) $(2) 2>/dev/null)
LUA_PC    = $(shell for name in lua5.4 lua-5.4 lua54 lua; do pkg-config --exists $$name 2>/dev/null && echo $$name && break; done)
INCLUDES  = -Icsrc -D_GNU_SOURCE $(call PKG,cflags,$(LUA_PC))
# LuaRocks and packagers override CFLAGS: what the code needs stands apart from what they may choose
CFLAGS   ?= -g
OPTIMIZE ?= -O3
WERROR   ?= -Werror
STANDARD  = -std=gnu11 -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -pthread
WARNINGS  = -Wall -Wextra $(WERROR) -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wwrite-strings -Wcast-align -Wvla -Wundef -Wformat=2 -Wnull-dereference -Wno-psabi
LDFLAGS_MODULE = $(if $(filter Darwin,$(shell uname)),-bundle -undefined dynamic_lookup,-shared -pthread -Wl$(comma)-z$(comma)nodelete)
comma = ,
LIBRARIES = -ljpeg -lpng -ljansson -lxxhash -lzip -ldl -lm # and OpenBLAS, when the first matrix product wants it

# SANITIZE=1: address and undefined behaviour; SANITIZE=thread: the thread pool
ifeq ($(SANITIZE),1)
VARIANT   = sanitize
SANITIZER = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPTIMIZE  = -O1 # -O2 takes more than twice as long to compile, longer than it saves
else ifeq ($(SANITIZE),thread)
VARIANT   = thread
SANITIZER = -fsanitize=thread
OPTIMIZE  = -O1
else
VARIANT   = release
endif
BUILD = build/$(VARIANT)
# V=1 shows whole commands
SAY = $(if $(V),,@echo '  $(1) $@' && )
COMPILE = $(CC) $(INCLUDES) $(CPPFLAGS) $(STANDARD) $(WARNINGS) $(CFLAGS) $(OPTIMIZE) $(SANITIZER) -MMD -MP

# ---- objects: *_simd.c once for each instruction set, everything else once
PLAIN   = $(filter-out %_simd.c,$(wildcard csrc/tensor/*.c csrc/kernels/*.c csrc/linalg/*.c csrc/program/*.c csrc/image/*.c csrc/image/ops/*.c csrc/files/*.c))
SIMD    = $(wildcard csrc/*/*_simd.c csrc/image/ops/*_simd.c)
BINDING = $(wildcard csrc/binding/*.c)
ISAS    = portable $(if $(filter x86_64 amd64,$(shell uname -m)),avx2 avx512)
FLAGS_portable =
FLAGS_avx2     = -mavx2 -mfma -mf16c -DSCION_SIMD_AVX2
FLAGS_avx512   = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512 -DSCION_SIMD_AVX512

CORE    = $(PLAIN:%.c=$(BUILD)/%.o) $(foreach isa,$(ISAS),$(SIMD:%.c=$(BUILD)/%.$(isa).o))
ALL     = $(CORE) $(BINDING:%.c=$(BUILD)/%.o)
MODULES = $(BUILD)/scion/core.so
# modules for image formats, each where its library's header is
HAS = $(shell echo '\#include <$(1)>' | $(CC) $(CPPFLAGS) -include stdio.h -E -x c - >/dev/null 2>&1 && echo $(2))
FORMATS = $(call HAS,webp/demux.h,webp) $(call HAS,gif_lib.h,gif)
FORMAT_MODULES = $(FORMATS:%=$(BUILD)/scion/image_%.so)
# the program that calls the HDF5 library for the module, which starts it from its own folder
HDF5_PROCESS = $(BUILD)/scion/hdf5_process

# the module for several machines, where MPI's compiler is
MPICC ?= mpicc
MPI_MODULE = $(and $(shell command -v $(MPICC) 2>/dev/null),$(BUILD)/scion/mpi.so)

all: $(MODULES) $(HDF5_PROCESS) $(FORMAT_MODULES) $(MPI_MODULE)

$(BUILD)/scion/core.so: $(ALL)
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(SANITIZER) $(LDFLAGS_MODULE) -o $@ $(ALL) $(LDFLAGS) $(LIBRARIES)

HDF5 = $(shell pkg-config --exists hdf5 2>/dev/null && echo hdf5 || echo hdf5-serial)
HDF5_SOURCES = $(wildcard csrc/files/hdf5/*.c)
$(HDF5_PROCESS): $(HDF5_SOURCES) $(wildcard csrc/files/hdf5/*.h) csrc/files/read_file.h csrc/files/system_error.h csrc/scion.h
	@mkdir -p $(@D)
	$(call SAY,LINK)$(COMPILE) $(call PKG,cflags,$(HDF5)) -o $@ $(HDF5_SOURCES) $(LDFLAGS) $(or $(call PKG,libs,$(HDF5)),-lhdf5) -ldl

LIBRARIES_webp = -lwebpdemux -lwebp
LIBRARIES_gif  = -lgif
$(BUILD)/scion/image_%.so: csrc/image/modules/%.c csrc/image/modules/module.h
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(CPPFLAGS) $(STANDARD) $(WARNINGS) $(CFLAGS) $(OPTIMIZE) $(SANITIZER) $(LDFLAGS_MODULE) -o $@ $< $(LDFLAGS) $(LIBRARIES_$*)

MPI_SOURCES = $(wildcard csrc/mpi/*.c csrc/binding/mpi/*.c)
$(BUILD)/scion/mpi.so: $(MPI_SOURCES) $(wildcard csrc/mpi/*.h) csrc/binding/binding.h csrc/scion.h
	@mkdir -p $(@D)
	$(call SAY,LINK)OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(INCLUDES) $(CPPFLAGS) $(STANDARD) $(WARNINGS) $(CFLAGS) $(OPTIMIZE) $(SANITIZER) \
	  $(LDFLAGS_MODULE) -o $@ $(MPI_SOURCES) $(LDFLAGS)

define simd_rule
$(BUILD)/%.$(1).o: %.c
	@mkdir -p $$(@D)
	$$(call SAY,CC)$$(COMPILE) $$(FLAGS_$(1)) -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call simd_rule,$(isa))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC)$(COMPILE) -c -o $@ $<

# where bytes are cut off from floats, as Pillow does, a product and a sum in one rounding would give others
$(BUILD)/csrc/image/ops/%.o: COMPILE += -ffp-contract=off

# and codes would not be the same on every machine
$(BUILD)/csrc/kernels/conv2d_narrow_simd.%.o $(BUILD)/csrc/kernels/depthwise_int8_simd.%.o: COMPILE += -ffp-contract=off
$(BUILD)/csrc/kernels/reference/int8.o: COMPILE += -ffp-contract=off

# ---- tests of the core alone: one program a file of spec/csrc, and the plain reference kernels in double precision
SPEC_PROGRAMS = $(patsubst %.c,$(BUILD)/%,$(wildcard spec/csrc/*_test.c))
REFERENCE     = $(patsubst %.c,$(BUILD)/%.o,$(wildcard csrc/kernels/reference/*.c))
$(REFERENCE): COMPILE += -Dreal=double
$(BUILD)/spec/csrc/%_test: spec/csrc/%_test.c $(CORE) $(REFERENCE) $(wildcard spec/csrc/*.h)
	@mkdir -p $(@D)
	$(call SAY,LINK)$(COMPILE) -Dreal=double -Ispec/csrc -o $@ $< $(REFERENCE) $(CORE) $(LDFLAGS) $(LIBRARIES)
# beside the modules for image formats, which it opens
FUZZ_IMAGES = $(BUILD)/scion/fuzz_images
$(FUZZ_IMAGES): spec/fuzz/images.c $(CORE) $(FORMAT_MODULES)
	@mkdir -p $(@D)
	$(call SAY,LINK)$(COMPILE) -o $@ $< $(CORE) $(LDFLAGS) $(LIBRARIES)
# decoding and its headers by clang, the rest as ever
GUIDED = build/guided/fuzz_images
CLANG ?= clang
GUIDED_SOURCES = $(filter-out %_simd.c,$(wildcard csrc/image/*.c))
$(GUIDED): spec/fuzz/guided.c spec/fuzz/decode.h $(GUIDED_SOURCES) $(CORE) $(FORMAT_MODULES)
	@mkdir -p $(@D) && cp $(FORMAT_MODULES) $(@D)
	$(call SAY,LINK)$(CLANG) $(INCLUDES) $(CPPFLAGS) -std=gnu11 -g -O1 -pthread -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ \
	  spec/fuzz/guided.c $(GUIDED_SOURCES) $(filter-out $(GUIDED_SOURCES:%.c=$(BUILD)/%.o),$(CORE)) $(LDFLAGS) $(LIBRARIES)
# stands in for the C library where a spec makes calls fail; what it wants of Lua is there when Lua loads it, and not before
FAULTS = $(BUILD)/spec/faults.so
$(FAULTS): spec/faults/faults.c
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(INCLUDES) $(CPPFLAGS) $(STANDARD) $(WARNINGS) $(CFLAGS) -O2 -fno-omit-frame-pointer -fno-builtin -shared -Wl,-z,lazy -o $@ $< $(LDFLAGS) -ldl
programs: $(SPEC_PROGRAMS) $(FUZZ_IMAGES) $(if $(filter Linux,$(shell uname)),$(FAULTS))

# ---- tests; deps comes first and alone, since the rest asks pkg-config for what it installs
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell getconf _NPROCESSORS_ONLN))
DEPS = test
deps:
	@LUA="$(LUA)" sh .make/deps $(DEPS) $(if $(MPI),mpi)

test: deps
	@$(MAKE) --no-print-directory $(JOBS) all programs $(if $(filter 1,$(SANITIZE)),thread-programs)
	@$(MAKE) --no-print-directory run-tests

# What finds errors in memory has to be loaded before all else; a collector at its most eager brings more of them out.
# intercept_tls_get_addr=0: the runtime of GCC up to 13 takes the words before a thread's variables of a library that was opened late, such
# as libjpeg's, for their address and length where they lie 16 bytes into a page, and ends with "Tracer caught signal 11" when it looks for
# leaks there. Without, it finds them as it finds other memory.
ifeq ($(SANITIZE),1)
LIBRARY_OF   = $(realpath $(shell $(CC) -print-file-name=$(1)))
RUN_TESTS    = SCION_TEST_GC=104 SCION_PRELOAD="$(call LIBRARY_OF,libasan.so) $(call LIBRARY_OF,libubsan.so)" \
               ASAN_OPTIONS=abort_on_error=1:allocator_may_return_null=1:detect_stack_use_after_return=1:intercept_tls_get_addr=0 \
               UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
THREAD_TESTS = build/thread/spec/csrc/threads_test
else ifeq ($(SANITIZE),thread)
RUN_TESTS    = SCION_TEST_PROGRAMS_ONLY=1
endif
thread-programs:
	@$(MAKE) --no-print-directory SANITIZE=thread build/thread/spec/csrc/threads_test
run-tests:
	@eval "$$($(MAKE) -s env)"; $(RUN_TESTS) LUA="$(LUA)" $(LUA) spec/run.lua $(BUILD) $(SPEC_PROGRAMS) $(THREAD_TESTS)

CALLS ?= 100000
fuzz: all
	@eval "$$($(MAKE) -s env)"; $(if $(filter 1,$(SANITIZE)),LD_PRELOAD="$(call LIBRARY_OF,libasan.so) $(call LIBRARY_OF,libubsan.so)" \
	  ASAN_OPTIONS=abort_on_error=1:allocator_may_return_null=1:detect_leaks=0:max_allocation_size_mb=2000 UBSAN_OPTIONS=print_stacktrace=1) \
	  SCION_CACHE_DISK=0 $(LUA) spec/fuzz/calls.lua $(CALLS) $(SEED)

RUNS ?= 1000000
FUZZ_SEEDS = build/fuzz/seeds
fuzz-images:
	@$(MAKE) --no-print-directory SANITIZE=1 build/sanitize/scion/fuzz_images
	@mkdir -p $(FUZZ_SEEDS) && $(LUA) spec/fuzz/image_seeds.lua $(FUZZ_SEEDS)
	ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 build/sanitize/scion/fuzz_images $(RUNS) $(or $(SEED),$(shell date +%s)) $(FUZZ_SEEDS)/*

SECONDS ?= 600
fuzz-guided: $(GUIDED)
	@mkdir -p $(FUZZ_SEEDS) build/fuzz/found && $(LUA) spec/fuzz/image_seeds.lua $(FUZZ_SEEDS)
	ASAN_OPTIONS=allocator_may_return_null=1 $(GUIDED) -max_total_time=$(SECONDS) -timeout=2 -rss_limit_mb=1024 -max_len=65536 -artifact_prefix=build/fuzz/ \
	  build/fuzz/found $(FUZZ_SEEDS)

test-peers: all
	@eval "$$($(MAKE) -s env)"; exec $(LUA) spec/peers/zoo.lua $(NAMES)
test-peers-load: all
	@eval "$$($(MAKE) -s env)"; SCION_CACHE_DISK=0 exec $(LUA) spec/peers/load.lua $(NAMES)
test-peers-train: all
	@eval "$$($(MAKE) -s env)"; SCION_CACHE_DISK=0 exec $(LUA) spec/peers/train.lua $(NAMES)
PYTHON ?= python3
test-peers-safetensors: all
	@eval "$$($(MAKE) -s env)"; $(PYTHON) spec/peers/safetensors_fuzz.py

lint: all programs
	luacheck -q lua spec $(wildcard examples)
	cppcheck -q --std=c11 --enable=warning --error-exitcode=1 --suppressions-list=.make/cppcheck -Icsrc csrc

docs:
	@mkdir -p build/reference
	@eval "$$($(MAKE) -s env)"; $(LUA) .make/docs.lua build/reference

demo: DEPS =
demo: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@eval "$$($(MAKE) -s env)"; exec $(LUA) $(if $(DATA)$(WEIGHTS),examples/two_pronged.lua "$(DATA)" "$(WEIGHTS)",examples/demo.lua)

PEAK = $(BUILD)/spec/bench/peak
PEAK_OBJECTS = $(foreach isa,$(ISAS),$(BUILD)/spec/bench/peak_simd.$(isa).o) $(BUILD)/spec/bench/peak_amx.o $(BUILD)/spec/bench/peak.o
$(PEAK): $(PEAK_OBJECTS) $(CORE)
	$(call SAY,LINK)$(CC) $(SANITIZER) -o $@ $^ $(LDFLAGS) $(LIBRARIES)
bench: all $(PEAK)
	@eval "$$($(MAKE) -s env)"; export LUA_PATH="$(HERE)/spec/bench/?.lua;$$LUA_PATH" LUA="$(LUA)"; \
	exec $(LUA) spec/bench/run.lua $(PEAK) PART="$(PART)" ROUNDS="$(ROUNDS)" THREADS="$(THREADS)" CLOCK="$(CLOCK)" PEER="$(PEER)" PYTHON="$(PYTHON)"

# ---- where Lua finds it; LuaRocks gives LUADIR and LIBDIR
PREFIX ?= /usr/local
LUADIR ?= $(PREFIX)/share/lua/5.4
LIBDIR ?= $(PREFIX)/lib/lua/5.4
install: all
	cd lua && find scion -name '*.lua' | while read -r file; do \
	  mkdir -p "$(DESTDIR)$(LUADIR)/$${file%/*}" && cp "$$file" "$(DESTDIR)$(LUADIR)/$$file" || exit 1; done
	mkdir -p "$(DESTDIR)$(LIBDIR)/scion"
	cp $(MODULES) $(HDF5_PROCESS) $(FORMAT_MODULES) $(MPI_MODULE) "$(DESTDIR)$(LIBDIR)/scion/"

# ---- running this tree from anywhere
HERE = $(CURDIR)
env:
	@echo "export LUA_PATH='$(HERE)/lua/?.lua;$(HERE)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(HERE)/$(BUILD)/?.so;;'"

repl: all
	@eval "$$($(MAKE) -s env)"; exec $(LUA) -i -e 'require "scion.report.repl" ()'

clean:
	rm -rf build

help: # the comments that this file begins with
	@sed -n 's/^# make/make/p' Makefile

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all deps demo test fuzz fuzz-images fuzz-guided test-peers test-peers-load test-peers-train test-peers-safetensors lint bench docs install clean env repl help programs run-tests thread-programs
