# Lifeboat: recovery and A/B updates. `make` builds everything, `make demo` shows it, `make test` proves it.
# Settings of one's own go to config.mak; see config.mak.example.

-include config.mak

DEVELOPMENT ?= 1
LIFEBOAT_CACHE ?= $(HOME)/.cache/lifeboat
export LIFEBOAT_CACHE
# Tools of file systems and partition tables are not on the path of everybody who is not root.
export PATH := $(PATH):/usr/sbin:/sbin

PYTHON = /usr/bin/python3

# --- What Lifeboat consists of: one line for each file, sorted -------------------------------------------------------

# Pure logic: no system calls, no allocation, no printing.
CORE_SRCS = \
	recovery/core/board.c \
	recovery/core/crc32.c \
	recovery/core/detail.c \
	recovery/core/device.c \
	recovery/core/flags.c \
	recovery/core/front.c \
	recovery/core/gpt.c \
	recovery/core/index.c \
	recovery/core/install.c \
	recovery/core/install_recovery.c \
	recovery/core/install_trial.c \
	recovery/core/manifest.c \
	recovery/core/package.c \
	recovery/core/plan.c \
	recovery/core/ring.c \
	recovery/core/run.c \
	recovery/core/state.c \
	recovery/core/text.c \
	recovery/core/tree.c \
	recovery/core/trust.c \
	recovery/core/ubootenv.c \
	recovery/core/wipe.c
# Linux.
PLATFORM_SRCS = \
	recovery/platform/blockdev.c \
	recovery/platform/child.c \
	recovery/platform/disk.c \
	recovery/platform/format.c \
	recovery/platform/health.c \
	recovery/platform/hotplug.c \
	recovery/platform/http_ask.c \
	recovery/platform/http_parse.c \
	recovery/platform/media.c \
	recovery/platform/media_scan.c \
	recovery/platform/net.c \
	recovery/platform/sha256_rounds.c \
	recovery/platform/source_file.c \
	recovery/platform/source_http.c \
	recovery/platform/sysfs.c \
	recovery/platform/system.c \
	recovery/platform/tcp.c \
	recovery/platform/watch.c \
	recovery/platform/watchdog.c

# Screens.
UI_SRCS = \
	recovery/ui/json.c \
	recovery/ui/keys.c \
	recovery/ui/out.c \
	recovery/ui/pace.c \
	recovery/ui/report.c \
	recovery/ui/screen.c \
	recovery/ui/serial.c \
	recovery/ui/strings.c \
	recovery/ui/words.c \
	recovery/ui/words_work.c

# The wiring of the device program.
MAIN_SRCS = \
	recovery/app.c \
	recovery/copy_log.c \
	recovery/erase.c \
	recovery/find.c \
	recovery/main.c \
	recovery/offer.c \
	recovery/recover.c \
	recovery/session.c \
	recovery/verbs_device.c \
	recovery/verbs_install.c \
	recovery/verbs_reject.c \
	recovery/verbs_wipe.c
# lifeboat-pack. It uses core, and OpenSSL, libzstd and libfdt from Debian.
HOST_SRCS = \
	recovery/host/build.c \
	recovery/host/compose.c \
	recovery/host/describe.c \
	recovery/host/describe_check.c \
	recovery/host/dtc.c \
	recovery/host/file.c \
	recovery/host/head.c \
	recovery/host/image.c \
	recovery/host/inspect.c \
	recovery/host/inspect_print.c \
	recovery/host/json.c \
	recovery/host/keygen.c \
	recovery/host/keys.c \
	recovery/host/keys_engine.c \
	recovery/host/keys_sign.c \
	recovery/host/main.c \
	recovery/host/options.c \
	recovery/host/pack.c \
	recovery/host/problem.c \
	recovery/host/progress.c \
	recovery/host/sign.c \
	recovery/host/trust_source.c \
	recovery/host/verify.c

# Unit tests: tests/unit/test_NAME.c is one program. Helpers are linked into each of them.
UNIT_TESTS = \
	test_blockdev \
	test_board \
	test_bytes \
	test_detail \
	test_disk \
	test_fallback \
	test_flags \
	test_format \
	test_front \
	test_gpt \
	test_http \
	test_http_parse \
	test_index \
	test_install \
	test_install_faults \
	test_install_refused \
	test_install_resume \
	test_json \
	test_keys \
	test_manifest \
	test_media \
	test_pace \
	test_older_flags \
	test_package \
	test_plan \
	test_recovery \
	test_ring \
	test_run \
	test_screen \
	test_serial \
	test_state \
	test_system \
	test_target \
	test_trial \
	test_trust \
	test_ubootenv \
	test_wipe \
	test_words
UNIT_HELPER_SRCS = \
	tests/unit/scratch.c \
	tests/unit/support.c \
	tests/unit/support_package.c \
	tests/unit/support_rig.c \
	tests/unit/support_rings.c \
	tests/unit/support_screen.c \
	tests/unit/support_watch.c \
	tests/unit/support_world.c

# --- Goals -----------------------------------------------------------------------------------------------------------

.PHONY: all setup native-libs host aarch64 board unit test test-system replay replay-deep coverage demo size bench lint lint-files format format-check clean fuzz fuzz-corpus fuzz-coverage fuzz-deep fuzz-minimize fuzz-planted FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: host aarch64 board

host: $(if $(MAIN_SRCS),build/host/lifeboat) $(if $(HOST_SRCS),build/host/lifeboat-pack)
aarch64: $(if $(MAIN_SRCS),build/aarch64/lifeboat.stripped)

# --- How things are said ---------------------------------------------------------------------------------------------

comma = ,
# One line for each step; V=1 shows the commands too.
Q = $(if $(V),,@)
say = @printf '  %-9s %s\n' '$(1)' '$(2)'
# A long step writes to build/log/NAME.log, whose end is shown when it fails: $(call logged,NAME,COMMAND)
# What it writes to descriptor 3 is seen at once.
logged = @mkdir -p build/log; { $(2); } 3>&1 >build/log/$(1).log 2>&1 || \
	{ echo "$@ was not made. The end of build/log/$(1).log:" >&2; tail -n 30 build/log/$(1).log >&2; exit 1; }

# --- Packages, sources, components (recovery/components/README.md)

# These goals may install packages; the others only say which are missing.
INSTALLS := $(filter setup test demo,$(MAKECMDGOALS))
SETUP = build/setup.done

setup: $(SETUP)
$(SETUP): recovery/components/packages recovery/components/setup $(if $(INSTALLS),FORCE)
	@recovery/components/setup $(if $(INSTALLS),install,check)
	@mkdir -p build && { [ $@ -nt recovery/components/packages ] && [ $@ -nt recovery/components/setup ] || touch $@; }

build/sources/%.version: recovery/components/fetch recovery/components/apt-sources | $(SETUP)
	$(call say,FETCH,$*)
	$(call logged,fetch-$*,recovery/components/fetch $*)

# build/components/NAME-TARGET is a link into the cache, NAME-TARGET.done says that it is there.
component-target = $(lastword $(subst -, ,$(1)))
component-name = $(patsubst %-$(call component-target,$(1)),%,$(1))
build/components/%.done: recovery/components/build | $(SETUP)
	$(Q)recovery/components/build $(call component-name,$*) $(call component-target,$*)
	@touch $@

component = build/components/$(1).done
components = $(foreach c,$(1),$(call component,$(c)))

$(call components,bearssl-native bearssl-aarch64): recovery/components/bearssl.recipe build/sources/bearssl.version
$(call components,zstd-native zstd-aarch64): recovery/components/zstd.recipe build/sources/zstd.version
$(call components,libfdt-native libfdt-aarch64): recovery/components/libfdt.recipe build/sources/linux.version
$(call components,linux-headers-aarch64): recovery/components/linux-headers.recipe build/sources/linux.version
$(call components,musl-aarch64): recovery/components/musl.recipe build/sources/musl.version
$(call components,kernel-aarch64): recovery/components/kernel.recipe build/sources/linux.version \
	$(wildcard kernel-config/*.config)
$(call components,u-boot-aarch64): recovery/components/u-boot.recipe recovery/components/u-boot.common \
	build/sources/u-boot.version qemu/u-boot.config qemu/u-boot.env qemu/u-boot.patch
$(call components,u-boot-sandbox-native): recovery/components/u-boot-sandbox.recipe recovery/components/u-boot.common \
	build/sources/u-boot.version qemu/u-boot.config qemu/u-boot.env qemu/u-boot.patch tests/boot/u-boot-sandbox.config \
	tests/boot/u-boot-sandbox.patch
$(call components,busybox-aarch64): recovery/components/busybox.recipe build/sources/busybox.version initramfs/busybox.config
$(call components,busybox-system-aarch64): recovery/components/busybox-system.recipe recovery/components/busybox.recipe \
	build/sources/busybox.version qemu/system/busybox.config
$(call components,musl-aarch64): $(call components,linux-headers-aarch64)
$(call components,bearssl-aarch64 zstd-aarch64 libfdt-aarch64 busybox-aarch64 busybox-system-aarch64): \
	$(call components,musl-aarch64)

# The libraries of the device program, each as build/TARGET/{include,lib}.
LIBS = bearssl libfdt zstd
native-libs: build/native/done
build/native/done build/aarch64/done: build/%/done: \
		$(foreach l,$(LIBS),build/components/$(l)-%.done)
	@mkdir -p build/$*/include build/$*/lib
	@for l in $(LIBS); do ln -sf "$$PWD/build/components/$$l-$*"/include/* build/$*/include/; done
	@for l in $(LIBS); do ln -sf "$$PWD/build/components/$$l-$*"/lib/* build/$*/lib/; done
	@touch $@

build/aarch64/bin/cc: $(call component,musl-aarch64)
	@mkdir -p $(@D)
	@ln -sf "$$PWD/build/components/musl-aarch64/bin/musl-gcc" $@

# --- Compiling -------------------------------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CORE_WARNINGS = -Wconversion -Wno-sign-conversion
COMMON_FLAGS = -std=c11 -Irecovery -Irecovery/core -MMD -MP $(WARNINGS)
# Core gets no feature macro: what it may use is ISO C.
layer-flags = $(if $(filter recovery/core/%,$(1)),$(CORE_WARNINGS),-D_GNU_SOURCE)

NATIVE_LIBS = build/native/lib/libbearssl.a build/native/lib/libzstd.a build/native/lib/libfdt.a
AARCH64_LIBS = build/aarch64/lib/libbearssl.a build/aarch64/lib/libzstd.a build/aarch64/lib/libfdt.a

AARCH64_FLAGS = -Os -g -ffunction-sections -fdata-sections -fno-pie -mno-outline-atomics \
	-fno-unwind-tables -fno-asynchronous-unwind-tables -fstack-protector-strong -flto=auto
# Pages of 4 KiB, and no RELRO (nothing in a static program is relocated): both only cost padding here.
AARCH64_LINK = $(AARCH64_FLAGS) -static -no-pie -Wl,--gc-sections -Wl,-z,noexecstack -Wl,-z,norelro \
	-Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined

DEVICE_SRCS = $(CORE_SRCS) $(PLATFORM_SRCS) $(UI_SRCS)
objects = $(patsubst %.c,build/$(1)/obj/%.o,$(2))

# A file that is rewritten when its text changes: $(call changed,TEXT)
changed = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@
# Other options compile everything anew.
build/host/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS))
build/test/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS) $(SANITIZERS))
build/aarch64/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS) $(AARCH64_FLAGS) $(AARCH64_LINK))

build/host/obj/%.o: %.c build/host/flags | build/native/done
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g $(COMMON_FLAGS) $(call layer-flags,$<) -isystem build/native/include -c $< -o $@

# The packer's own files see Debian's libraries first.
build/host/obj/recovery/host/%.o: recovery/host/%.c build/host/flags | build/native/done
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g $(COMMON_FLAGS) -D_GNU_SOURCE -idirafter build/native/include -c $< -o $@

build/test/obj/%.o: %.c build/test/flags | build/native/done
	$(call say,CC,$< (sanitized))
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -g $(SANITIZERS) $(COMMON_FLAGS) $(call layer-flags,$<) -isystem build/native/include \
		-Itests/unit -c $< -o $@

build/aarch64/obj/%.o: %.c build/aarch64/flags | build/aarch64/done build/aarch64/bin/cc
	$(call say,CC,$< (aarch64))
	@mkdir -p $(@D)
	$(Q)build/aarch64/bin/cc $(AARCH64_FLAGS) $(COMMON_FLAGS) $(call layer-flags,$<) \
		-isystem build/aarch64/include -c $< -o $@

# Generated files are compiled from build/.
build/host/obj/keys.o: build/keys.c build/host/flags | build/native/done
	$(Q)$(CC) -O2 -g $(COMMON_FLAGS) -isystem build/native/include -c $< -o $@
build/aarch64/obj/keys.o: build/keys.c build/aarch64/flags | build/aarch64/done build/aarch64/bin/cc
	$(Q)build/aarch64/bin/cc $(AARCH64_FLAGS) $(COMMON_FLAGS) -isystem build/aarch64/include -c $< -o $@

# A program takes from these what it uses.
build/host/libdevice.a: $(call objects,host,$(DEVICE_SRCS))
build/test/libdevice.a: $(call objects,test,$(DEVICE_SRCS))
build/host/libdevice.a build/test/libdevice.a: Makefile
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

build/host/lifeboat: $(call objects,host,$(MAIN_SRCS)) build/host/obj/keys.o build/host/libdevice.a build/native/done
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(filter %.o,$^) -Wl,--start-group build/host/libdevice.a $(NATIVE_LIBS) -Wl,--end-group

build/host/lifeboat-pack: $(call objects,host,$(HOST_SRCS)) build/host/libdevice.a build/native/done
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(filter %.o,$^) -Wl,--start-group build/host/libdevice.a build/native/lib/libbearssl.a \
		-Wl,--end-group -lcrypto -lzstd -lfdt

build/aarch64/lifeboat: $(call objects,aarch64,$(DEVICE_SRCS) $(MAIN_SRCS)) build/aarch64/obj/keys.o build/aarch64/done
	$(call say,LINK,$@)
	$(Q)build/aarch64/bin/cc $(AARCH64_LINK) -o $@ $(filter %.o,$^) $(AARCH64_LIBS)

build/aarch64/lifeboat.stripped: build/aarch64/lifeboat
	$(Q)aarch64-linux-gnu-strip -o $@ $<

# --- Keys (keys/README.md) -------------------------------------------------------------------------------------------

PUBLIC_KEYS := $(wildcard keys/*.pub)
ifeq ($(DEVELOPMENT),1)
PUBLIC_KEYS := $(or $(PUBLIC_KEYS),keys/development.pub)
else ifeq ($(PUBLIC_KEYS),)
KEYS_WRONG = keys/ holds no public key (*.pub), so no package could ever be trusted: make one with \
	build/host/lifeboat-pack keygen, or copy yours there (keys/README.md)
else ifneq ($(filter keys/development.pub,$(PUBLIC_KEYS)),)
KEYS_WRONG = keys/development.pub does not belong into a product: remove it (keys/README.md)
endif

keys/development.pub: | build/host/lifeboat-pack
	$(call say,KEY,keys/development.key)
	$(Q)build/host/lifeboat-pack keygen keys/development

# A key that was taken away is a change too.
build/keys.list: FORCE
	$(call changed,DEVELOPMENT=$(DEVELOPMENT) $(PUBLIC_KEYS))

# Not anew with each change of the packer: only what writes this file counts.
build/keys.c: $(PUBLIC_KEYS) build/keys.list recovery/host/trust_source.c | build/host/lifeboat-pack
	@$(if $(KEYS_WRONG),echo "$(KEYS_WRONG)" >&2; exit 1,:)
	$(call say,TRUST,$(PUBLIC_KEYS))
	$(Q)build/host/lifeboat-pack trust $(PUBLIC_KEYS) >$@

# The key that signs boot images. U-Boot 2023.01 verifies RSA signatures; its public half goes into the control tree.
keys/fit.key: | $(SETUP)
ifeq ($(DEVELOPMENT),1)
	$(call say,KEY,$@)
	$(Q)umask 077 && openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $@
else
	@echo "keys/fit.key and keys/fit.crt, which sign boot images, are missing (keys/README.md)" >&2; exit 1
endif
keys/fit.crt: | keys/fit.key
ifeq ($(DEVELOPMENT),1)
	$(Q)openssl req -batch -new -x509 -key keys/fit.key -days 36500 -subj '/CN=Lifeboat development key' -out $@
else
	@echo "keys/fit.crt, the certificate of keys/fit.key, is missing (keys/README.md)" >&2; exit 1
endif

# --- Recovery image --------------------------------------------------------------------------------------------------

KERNEL = build/components/kernel-aarch64
BUSYBOX = build/components/busybox-aarch64
UBOOT = build/components/u-boot-aarch64
LIFEBOAT_AARCH64 = build/aarch64/lifeboat.stripped

# Rewritten when a setting that ends up in an image changes.
build/settings: FORCE
	$(call changed,DEVELOPMENT=$(DEVELOPMENT))

build/board/initramfs.cpio: initramfs/files initramfs/inittab initramfs/udhcpc.script build/settings \
		$(LIFEBOAT_AARCH64) $(call components,kernel-aarch64 busybox-aarch64)
	$(call say,CPIO,$@)
	@mkdir -p $(@D)
	$(Q)rm -rf $@.tree && mkdir $@.tree
	$(Q)cp $(BUSYBOX)/busybox initramfs/inittab initramfs/udhcpc.script $@.tree/
	$(Q)cp $(LIFEBOAT_AARCH64) $@.tree/lifeboat
	$(Q): >$@.tree/development && touch -d @0 $@.tree/*
	$(Q)cp initramfs/files $@.files
	$(Q)sed 's,.*,slink & /bin/busybox 0777 0 0,' $(BUSYBOX)/busybox.links >>$@.files
ifeq ($(DEVELOPMENT),1)
	$(Q)echo 'file /etc/lifeboat/development $${FROM}/development 0644 0 0' >>$@.files
endif
	$(Q)FROM=$@.tree $(KERNEL)/gen_init_cpio -t 0 $@.files >$@

build/board/initramfs.cpio.gz: build/board/initramfs.cpio
	$(Q)gzip -n -9 -c $< >$@

build/board/Image.gz: $(call component,kernel-aarch64)
	@mkdir -p $(@D)
	$(Q)cp $(KERNEL)/Image.gz $@

# --- Reference boards ------------------------------------------------------------------------------------------------

BOARDS = ab single
# The key that signs the reference system's packages. A product's key is not on the machine that builds, so without
# one there are no packages, and no disks as they leave the factory.
PACKAGE_KEY ?= $(if $(filter 1,$(DEVELOPMENT)),keys/development.key)
SYSTEMS = $(if $(PACKAGE_KEY),release-1 release-2 panics no-init hangs unhealthy no-root)

board: build/board/u-boot.bin build/board/recovery.itb \
	$(foreach b,$(BOARDS),build/board/$(b).dtb build/board/blank-$(b).img) \
	$(if $(PACKAGE_KEY),$(foreach b,$(BOARDS),build/board/disk-$(b).img)) \
	$(foreach s,$(SYSTEMS),build/board/$(s).boat)

build/board/u-boot.bin: $(call component,u-boot-aarch64)
	@mkdir -p $(@D)
	$(Q)cp $(UBOOT)/u-boot.bin $@

# QEMU describes the machine that it emulates. With a firmware, that is: without one it has another GPIO chip. Without
# seeds: in a file they would be the same at every start.
build/board/machine.dtb: build/board/u-boot.bin qemu/machine
	$(Q)qemu-system-aarch64 $$(sed 's/#.*//' qemu/machine) -bios $< -machine dumpdtb=$@,dtb-randomness=off 2>/dev/null

# Signing puts the public key into the machine's tree on the way.
build/board/recovery.itb build/board/machine-with-key.dtb &: qemu/recovery.its build/board/Image.gz \
		build/board/initramfs.cpio.gz build/board/machine.dtb keys/fit.crt $(call component,u-boot-aarch64)
ifneq ($(DEVELOPMENT),1)
	@! openssl x509 -noout -subject -in keys/fit.crt | grep -q 'Lifeboat development key' || { echo \
		"keys/fit.crt is a development key; a product needs its own (keys/README.md)" >&2; exit 1; }
endif
	$(call say,SIGN,build/board/recovery.itb)
	$(Q)cp build/board/machine.dtb build/board/machine-with-key.dtb
	$(call logged,sign-recovery,SOURCE_DATE_EPOCH=0 $(UBOOT)/mkimage -D '-q -I dts -O dtb -i build/board' \
		-f qemu/recovery.its -k keys -K build/board/machine-with-key.dtb -r build/board/recovery.itb)

$(foreach b,$(BOARDS),build/board/$(b).dtb): build/board/%.dtb: qemu/board-%.dts qemu/boot.cmd qemu/make-control-tree \
		build/board/machine-with-key.dtb
	$(call say,TREE,$@)
	$(Q)qemu/make-control-tree build/board/machine-with-key.dtb $< $@

# A blank board: recovery and nothing else.
$(foreach b,$(BOARDS),build/board/blank-$(b).img): build/board/blank-%.img: qemu/make-disk build/board/recovery.itb
	$(call say,DISK,$@)
	$(Q)$(PYTHON) qemu/make-disk --board $* --recovery build/board/recovery.itb $@

# What leaves the factory: release 1 is installed, by the same engine that updates it.
$(foreach b,$(BOARDS),build/board/disk-$(b).img): build/board/disk-%.img: build/board/blank-%.img build/board/%.dtb \
		build/board/release-1.boat build/host/lifeboat
	$(call say,FACTORY,$@)
	$(Q)cp --sparse=always $< $@.new
	$(call logged,factory-$*,build/host/lifeboat install --disk $@.new --board build/board/$*.dtb \
		build/board/release-1.boat)
	$(Q)mv $@.new $@

# --- Reference system: two good releases, and release 3 in editions that fail (qemu/make-system) ---------------------

system-release = $(if $(filter release-%,$(1)),$(patsubst release-%,%,$(1)),3)
system-edition = $(if $(filter release-%,$(1)),normal,$(1))
system-version = $(call system-release,$(1))$(if $(filter release-%,$(1)),,-$(1))

build/board/%.system.img: qemu/make-system $(wildcard qemu/system/*) initramfs/udhcpc.script $(LIFEBOAT_AARCH64) \
		$(call component,busybox-system-aarch64)
	$(call say,SYSTEM,$@)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) qemu/make-system --release $(call system-release,$*) --edition $(call system-edition,$*) \
		--lifeboat $(LIFEBOAT_AARCH64) --busybox build/components/busybox-system-aarch64 $@

build/board/%.boot.itb: qemu/system.its build/board/Image.gz keys/fit.crt $(call component,u-boot-aarch64)
	$(call say,SIGN,$@)
	$(Q)sed 's/@RELEASE@/$(call system-version,$*)/' $< >build/board/$*.its
	$(call logged,sign-$*,SOURCE_DATE_EPOCH=0 $(UBOOT)/mkimage -D '-q -I dts -O dtb -i build/board' \
		-f build/board/$*.its -k keys -r $@)

build/board/%.boat: build/board/%.boot.itb build/board/%.system.img $(PUBLIC_KEYS) build/host/lifeboat-pack
	$(call say,PACK,$@)
	$(call logged,pack-$*,build/host/lifeboat-pack build -q -o $@ --key $(PACKAGE_KEY) \
		--product lifeboat$(comma)reference-ab --product lifeboat$(comma)reference-single \
		--release $(call system-release,$*) --version '$(call system-version,$*)' \
		--image boot=build/board/$*.boot.itb --image system=build/board/$*.system.img)

# --- Tests -----------------------------------------------------------------------------------------------------------

UNIT_PROGRAMS = $(patsubst %,build/test/%,$(UNIT_TESTS))

# Functions that a test takes the place of.
unit-wraps-test_run = front_fetch
unit-wraps = $(foreach w,$(unit-wraps-$(1)),-Wl$(comma)--wrap=$(w))

$(UNIT_PROGRAMS): build/test/%: build/test/obj/tests/unit/%.o $(call objects,test,$(UNIT_HELPER_SRCS)) \
		build/test/libdevice.a build/native/done
	$(Q)$(CC) $(SANITIZERS) $(call unit-wraps,$*) -o $@ $(filter %.o,$^) -Wl,--start-group build/test/libdevice.a $(NATIVE_LIBS) -Wl,--end-group -lcmocka

unit: $(UNIT_PROGRAMS)
	@mkdir -p build/log; for t in $(UNIT_PROGRAMS); do log=build/log/$${t##*/}.log; \
		if $$t >$$log 2>&1; then printf '  %-9s %-18s %s\n' TEST $${t##*/} "$$(grep -ao '\[  \(PASSED \|SKIPPED\) \] [0-9]* test' $$log | tr '\n' ' ')"; \
		else tail -n 40 $$log; echo "$$t failed (all of it: $$log)" >&2; exit 1; fi; done

# What of core the unit tests run: in a build of its own, since a sanitizer's checks would count as branches.
COVERAGE_PROGRAMS = $(patsubst %,build/coverage/%,$(UNIT_TESTS))
build/coverage/obj/%.o: %.c build/coverage/flags | build/native/done
	$(call say,CC,$< (counting))
	@mkdir -p $(@D)
	$(Q)$(CC) -O0 -g $(if $(filter recovery/core/%,$<),--coverage) $(COMMON_FLAGS) $(call layer-flags,$<) \
		-isystem build/native/include -Itests/unit -c $< -o $@
build/coverage/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS))
build/coverage/libdevice.a: $(call objects,coverage,$(DEVICE_SRCS)) Makefile
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
$(COVERAGE_PROGRAMS): build/coverage/%: build/coverage/obj/tests/unit/%.o \
		$(call objects,coverage,$(UNIT_HELPER_SRCS)) build/coverage/libdevice.a build/native/done
	$(Q)$(CC) --coverage $(call unit-wraps,$*) -o $@ $(filter %.o,$^) -Wl,--start-group build/coverage/libdevice.a $(NATIVE_LIBS) \
		-Wl,--end-group -lcmocka

# Four at a time: most of the time of the slow ones is waiting.
coverage: $(COVERAGE_PROGRAMS)
	@mkdir -p build/log; find build/coverage/obj -name '*.gcda' -delete
	$(call logged,coverage-tests,printf '%s\n' $(COVERAGE_PROGRAMS) | xargs -P 4 -I PROGRAM sh -c \
		'PROGRAM 2>&1 || { echo "PROGRAM failed"; exit 255; }')
	$(Q)$(PYTHON) tests/coverage/coverage.py build/coverage/obj build/log/coverage.log 95 90

# The board's processor is emulated on this machine's, so two boards run at a time at most.
test-system: all
	$(Q)$(PYTHON) -m pytest -n 2 tests/system tests/qemu $(PYTEST_FLAGS)

# Power cuts, replayed: SEED=N chooses other disks, CASE=NAME starts one disk of the last recording again.
replay: all
	$(Q)$(PYTHON) tests/replay/replay $(if $(SEED),--seed $(SEED)) $(if $(CASE),--case '$(CASE)')
replay-deep: all
	$(Q)$(PYTHON) tests/replay/replay --deep $(if $(SEED),--seed $(SEED))


# --- Simulator (tests/sim) --------------------------------------------------------------------------------------------

# Power cuts and failing media, at every operation: sanitized in CI, optimised where everything is tried.
SIM_SRCS = \
	tests/sim/bench.c \
	tests/sim/boot_model.c \
	tests/sim/disk.c \
	tests/sim/driver.c \
	tests/sim/errors.c \
	tests/sim/explore.c \
	tests/sim/fast.c \
	tests/sim/look.c \
	tests/sim/main.c \
	tests/sim/oracle.c \
	tests/sim/oracle_end.c \
	tests/sim/oracle_stores.c \
	tests/sim/outcome.c \
	tests/sim/outcome_text.c \
	tests/sim/replay.c \
	tests/sim/scenarios.c \
	tests/sim/world.c
SIM_HELPER_SRCS = tests/unit/support.c tests/unit/support_package.c tests/unit/support_world.c
# Pure functions whose answers are kept (tests/sim/fast.c).
SIM_WRAPS = br_ecdsa_i31_vrfy_asn1 crc32 crc32_of
SIM_JOBS ?= 2

.PHONY: sim sim-deep
build/test/sim build/host/sim: build/%/sim: build/%/libdevice.a build/native/done
	$(call say,LINK,$@)
	$(Q)$(CC) $(if $(filter test,$*),$(SANITIZERS)) -o $@ $(filter %.o,$^) $(foreach w,$(SIM_WRAPS),-Wl$(comma)--wrap=$(w)) \
		-Wl,--start-group build/$*/libdevice.a $(NATIVE_LIBS) -Wl,--end-group -lcmocka
build/test/sim: $(call objects,test,$(SIM_SRCS) $(SIM_HELPER_SRCS))
build/host/sim: $(call objects,host,$(SIM_SRCS) $(SIM_HELPER_SRCS))

sim: build/test/sim
	$(Q)build/test/sim -j $(SIM_JOBS)
sim-deep: build/host/sim
	$(Q)build/host/sim --deep -j $(SIM_JOBS)

# The shipping code broken on purpose, one patch at a time: the simulator finds it, or else a unit test, or, in the
# program's own code, a test of tests/system/device.
.PHONY: mutants
# In the order in which they are asked, quick ones first.
MUTANT_TESTS = test_flags test_run test_target test_ubootenv test_ring test_state test_plan test_front test_trial \
	test_recovery test_fallback test_older_flags test_wipe test_install test_install_refused test_install_faults \
	test_install_resume
mutants: export HOST_LIBRARY = build/host/libdevice.a
mutants: export HOST_COMPILE = $(CC) -O2 -g -w $(filter-out -MMD -MP -Werror,$(COMMON_FLAGS)) -isystem build/native/include
mutants: export SIM_LINK = $(CC) $(call objects,host,$(SIM_SRCS) $(SIM_HELPER_SRCS)) \
	$(foreach w,$(SIM_WRAPS),-Wl$(comma)--wrap=$(w))
mutants: export PROGRAM_LINK = $(CC)
mutants: export PROGRAM = $(call objects,host,$(MAIN_SRCS)) build/host/obj/keys.o
mutants: export UNIT_LIBRARY = build/test/libdevice.a
mutants: export UNIT_COMPILE = $(CC) -O1 -g -w $(SANITIZERS) $(filter-out -MMD -MP -Werror,$(COMMON_FLAGS)) -isystem build/native/include
mutants: export UNIT_LINK = $(CC) $(SANITIZERS) $(call objects,test,$(UNIT_HELPER_SRCS))
mutants: export UNIT = $(MUTANT_TESTS)
mutants: export UNIT_WRAPS = $(foreach t,$(MUTANT_TESTS),$(foreach w,$(unit-wraps-$(t)),$(t)=$(w)))
mutants: export LIBS = $(NATIVE_LIBS)
mutants: build/host/sim build/host/lifeboat build/host/lifeboat-pack $(patsubst %,build/test/%,$(MUTANT_TESTS))
	$(Q)$(PYTHON) tests/mutants/run.py $(MUTANTS)

# The boot script, run by the real U-Boot on this machine, against the model that the simulator uses (tests/boot).
.PHONY: boot-matrix boot-matrix-deep boot-mutants
BOOT_JUDGE_SRCS = tests/boot/judge.c tests/sim/boot_model.c \
	$(addprefix recovery/core/,board.c crc32.c detail.c flags.c text.c ubootenv.c)
build/boot/judge.so: $(BOOT_JUDGE_SRCS) $(wildcard recovery/core/*.h) tests/sim/boot_model.h | build/native/done
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -O2 -g -ffunction-sections -fvisibility=hidden -Wl,--gc-sections,-z,defs \
		$(filter-out -MMD -MP,$(COMMON_FLAGS)) -Itests/sim -isystem build/native/include -o $@ $(BOOT_JUDGE_SRCS)

BOOT_NEEDS = build/boot/judge.so keys/fit.crt $(call components,u-boot-sandbox-native u-boot-aarch64)
boot-matrix: $(BOOT_NEEDS)
	$(Q)$(PYTHON) tests/boot/boot_matrix.py
boot-matrix-deep: $(BOOT_NEEDS)
	$(Q)$(PYTHON) tests/boot/boot_matrix.py --deep
# One mistake in the script at a time.
boot-mutants: $(BOOT_NEEDS)
	$(Q)$(PYTHON) tests/boot/boot_mutants.py

demo: all
	$(Q)$(PYTHON) qemu/demo

# --- Model of the commit protocol (tests/model/commit.pml) -----------------------------------------------------------

.PHONY: model model-deep
model: | $(SETUP)
	$(Q)$(PYTHON) tests/model/run build/model
model-deep: | $(SETUP)
	$(Q)$(PYTHON) tests/model/run build/model --deep

# --- The build is reproducible; the host programs are clean under valgrind ------------------------------------------

.PHONY: reproducible reproducible-deep reproducible-planted valgrind
# The first build fetches the components that both take from the cache.
reproducible reproducible-deep reproducible-planted: | $(SETUP)
	$(Q)$(PYTHON) tests/reproducible/run build/$@ $(patsubst reproducible%,-%,$(filter-out reproducible,$@))
valgrind: host $(PUBLIC_KEYS)
	$(Q)$(PYTHON) tests/valgrind/run build/valgrind

# --- Fuzzing (tests/fuzz/fuzz.h) --------------------------------------------------------------------------------------

# tests/fuzz/target_NAME.c is one fuzzer, with its kept inputs in tests/fuzz/corpus/NAME.
FUZZ_TARGETS = \
	board \
	chunk \
	describe \
	environment \
	gpt \
	header \
	http \
	http_chunks \
	http_head \
	index \
	inspect \
	kernel \
	keys \
	manifest \
	medium \
	package \
	show \
	signatures \
	state \
	trust \
	url
# What a target links besides: a file of tests/fuzz, functions that a file of tests/fuzz takes the place of, libraries.
fuzz-with-describe = $(filter-out recovery/host/main.c,$(HOST_SRCS))
fuzz-libs-describe = -lcrypto -lzstd -lfdt
fuzz-with-inspect = signature_cheap $(fuzz-with-describe)
fuzz-wrap-inspect = br_ecdsa_i31_vrfy_asn1
fuzz-libs-inspect = $(fuzz-libs-describe)
fuzz-wrap-http = tcp_resolve tcp_connect tcp_close tcp_send tcp_receive system_now_ms watch_sleep
fuzz-with-package = signature_cheap
fuzz-wrap-package = br_ecdsa_i31_vrfy_asn1
fuzz-with-signatures = signature_cheap
fuzz-wrap-signatures = br_ecdsa_i31_vrfy_asn1
fuzz-with-trust = signature_real
fuzz-libs-trust = -lcrypto

# Shared by the targets.
FUZZ_HELPER_SRCS = \
	tests/fuzz/fuzz.c \
	tests/fuzz/manifests.c \
	tests/fuzz/packages.c \
	tests/fuzz/signature.c \
	tests/fuzz/texts.c \
	tests/fuzz/trees.c \
	$(UNIT_HELPER_SRCS)

FUZZ_CC = clang-14
FUZZ_SECONDS ?= 900
# clang wants every member named where gcc knows that the rest is zero.
FUZZ_FLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link -Wno-missing-field-initializers
# Whoever wrote libfdt and zstd does without the second sanitizer.
FUZZ_SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
fuzz-program = $(foreach t,$(FUZZ_TARGETS),build/$(1)/fuzz-$(t))
# build tree, target
fuzz-objects = $(call objects,$(1),tests/fuzz/target_$(2).c \
	$(foreach w,$(fuzz-with-$(2)),$(if $(findstring /,$(w)),$(w),tests/fuzz/$(w).c)))

build/fuzz/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS) $(FUZZ_FLAGS) $(FUZZ_SANITIZERS))
build/fuzz-cover/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CORE_WARNINGS))

build/fuzz/obj/%.o: %.c build/fuzz/flags | build/native/done
	$(call say,CC,$< (for the fuzzer))
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(COMMON_FLAGS) $(FUZZ_FLAGS) $(FUZZ_SANITIZERS) $(call layer-flags,$<) \
		-isystem build/native/include -Itests/unit -c $< -o $@

build/fuzz-cover/obj/%.o: %.c build/fuzz-cover/flags | build/native/done
	$(call say,CC,$< (for coverage))
	@mkdir -p $(@D)
	$(Q)$(CC) -O0 -g --coverage $(COMMON_FLAGS) $(call layer-flags,$<) -isystem build/native/include \
		-Itests/unit -c $< -o $@

# The decoders of others, so that the sanitizer watches them and the fuzzer sees where it gets.
build/fuzz/%/done: recovery/components/%.recipe build/fuzz/flags build/native/done
	$(call say,BUILD,$* (for the fuzzer))
	$(Q)rm -rf build/fuzz/$* && mkdir -p build/fuzz/$*/work
	$(call logged,fuzz-$*,set -e; CC=$(FUZZ_CC) AR=$(AR) target=native dest="$$PWD/build/fuzz/$*"; \
		lib_flags="$(FUZZ_FLAGS) -fsanitize=address"; . recovery/components/$*.recipe; \
		src=$$(readlink -f "build/sources/$$source"); cd "$$dest/work"; recipe)
	@touch $@

$(foreach b,fuzz test fuzz-cover,build/$(b)/libfuzz.a): build/%/libfuzz.a: Makefile
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
$(foreach b,fuzz test fuzz-cover,$(eval build/$(b)/libfuzz.a: $(call objects,$(b),$(FUZZ_HELPER_SRCS))))
build/fuzz/libdevice.a build/fuzz-cover/libdevice.a: Makefile
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
build/fuzz/libdevice.a: $(call objects,fuzz,$(DEVICE_SRCS))
build/fuzz-cover/libdevice.a: $(call objects,fuzz-cover,$(DEVICE_SRCS))

# build tree, target, compiler and its options, zstd and libfdt, more objects
define fuzz-rule
build/$(1)/fuzz-$(2): $(call fuzz-objects,$(1),$(2)) $(5) build/$(1)/libfuzz.a build/$(1)/libdevice.a build/native/done
	$$(Q)$(3) -o $$@ $(call fuzz-objects,$(1),$(2)) $(5) $(foreach w,$(fuzz-wrap-$(2)),-Wl$(comma)--wrap=$(w)) \
		-Wl,--start-group build/$(1)/libfuzz.a build/$(1)/libdevice.a build/native/lib/libbearssl.a $(4) \
		-Wl,--end-group $(fuzz-libs-$(2)) -lcmocka
endef
FUZZ_LIBS = build/fuzz/zstd/lib/libzstd.a build/fuzz/libfdt/lib/libfdt.a
$(FUZZ_LIBS): build/fuzz/zstd/done build/fuzz/libfdt/done
$(call fuzz-program,fuzz): $(FUZZ_LIBS)
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz-rule,fuzz,$(t),\
	$(FUZZ_CC) $(FUZZ_SANITIZERS) -fsanitize=fuzzer,$(FUZZ_LIBS),)))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz-rule,test,$(t),$(CC) $(SANITIZERS),$(NATIVE_LIBS),\
	build/test/obj/tests/fuzz/fuzz_main.o)))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz-rule,fuzz-cover,$(t),$(CC) --coverage,$(NATIVE_LIBS),\
	build/fuzz-cover/obj/tests/fuzz/fuzz_main.o)))

# Every seed and kept input, without libFuzzer: quick.
fuzz-corpus: $(call fuzz-program,test)
	$(Q)$(PYTHON) tests/fuzz/run.py corpus $(FUZZ_TARGETS)
# 20 seconds of each fuzzer, from the kept inputs on.
fuzz: $(call fuzz-program,fuzz) $(call fuzz-program,test)
	$(Q)$(PYTHON) tests/fuzz/run.py short $(FUZZ_TARGETS)
# FUZZ_SECONDS of each, one after the other; what they find of new ground is kept in build/fuzz/found.
fuzz-deep: $(call fuzz-program,fuzz) $(call fuzz-program,test)
	$(Q)$(PYTHON) tests/fuzz/run.py deep --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)
# How much of each parser its kept inputs reach.
fuzz-coverage: $(call fuzz-program,fuzz-cover)
	$(Q)$(PYTHON) tests/fuzz/coverage.py $(FUZZ_TARGETS)
# Mistakes that the fuzzers have to find.
fuzz-planted: | $(SETUP)
	$(Q)$(PYTHON) tests/fuzz/planted.py $(FUZZ_TARGETS)
# The kept inputs anew, from seeds, what there is, and what a deep run found: as few as reach the same.
fuzz-minimize: $(call fuzz-program,fuzz) $(call fuzz-program,test)
	$(Q)$(PYTHON) tests/fuzz/run.py minimize $(FUZZ_TARGETS)

# --- All tests -------------------------------------------------------------------------------------------------------

# What `make test` consists of, longest first: two run at a time.
TEST_GOALS = \
	test-system \
	unit \
	lint \
	sim \
	mutants \
	fuzz \
	fuzz-coverage \
	replay \
	boot-matrix \
	reproducible \
	valgrind \
	coverage \
	fuzz-corpus \
	model \
	size
# All that they need is built before, so that none of them builds beside another one.
TEST_NEEDS = all $(UNIT_PROGRAMS) $(COVERAGE_PROGRAMS) build/test/sim build/host/sim \
	$(call fuzz-program,fuzz) $(call fuzz-program,test) $(call fuzz-program,fuzz-cover) $(BOOT_NEEDS)
.PHONY: test-needs
test-needs: $(TEST_NEEDS)
test: all
	@$(MAKE) --no-print-directory -j$$(nproc) test-needs
	@$(PYTHON) tests/run.py $(TEST_GOALS)

# --- Figures ---------------------------------------------------------------------------------------------------------

# name, file, limit in bytes
define figure
@size=$$(stat -c %s $(2)); echo "figure: $(1) = $$size bytes"; \
	[ $$size -le $(3) ] || { echo "$(2) is larger than the limit of $(3) bytes" >&2; exit 1; }
endef

# On an idle machine.
bench: all
	$(Q)$(PYTHON) tests/bench/bench.py
	$(Q)$(PYTHON) qemu/boot-time

size: $(LIFEBOAT_AARCH64) build/board/initramfs.cpio.gz build/board/recovery.itb
	$(call figure,lifeboat_aarch64,$(LIFEBOAT_AARCH64),262144)
	$(call figure,initramfs,build/board/initramfs.cpio.gz,1048576)
	$(call figure,recovery_image,build/board/recovery.itb,4194304)
	$(Q)mkdir -p build/log && $(PYTHON) tests/stack/stack.py build/aarch64/lifeboat 24576 build/log/stack.log

# --- Order -----------------------------------------------------------------------------------------------------------

# Three programs look for mistakes in each file: gcc's analyser, clang-tidy (.clang-tidy says what it asks) and cppcheck.
# An exception stands beside what it excepts, with its reason. A file that is clean is not looked at again until it or
# what it includes changes. Tests give the same rule files with mistakes in them.
LINT_SRCS = $(DEVICE_SRCS) $(MAIN_SRCS) $(HOST_SRCS)
LINT_STAMPS = $(patsubst %.c,build/lint/%.ok,$(LINT_SRCS))
# variableScope is off: what a function works with is declared at its beginning, as in the kernel.
CPPCHECK = cppcheck --quiet --error-exitcode=1 --std=c11 --platform=unix64 --inline-suppr \
	--enable=warning,performance,portability,style --suppress=variableScope -Irecovery -Irecovery/core
# How far clang's analyser follows each function: a third of its own limit, for a third of the time.
CLANG_NODES = --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=75000
# The packer's own files see Debian's libraries first, as when they are compiled.
lint-flags = -std=c11 -Irecovery -Irecovery/core $(call layer-flags,$(1)) \
	$(if $(filter recovery/host/%,$(1)),-idirafter,-isystem) build/native/include
build/lint/flags: FORCE
	$(call changed,$(COMMON_FLAGS) $(CPPCHECK))
build/lint/%.ok: %.c .clang-tidy build/lint/flags | build/native/done
	$(call say,LINT,$<)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(CC) -O2 -fanalyzer $(WARNINGS) $(call lint-flags,$<) -MMD -MP -MT $@ -MF build/lint/$*.d -c $< -o /dev/null
	$(Q)clang-tidy --quiet $(CLANG_NODES) $< -- $(call lint-flags,$<) 2>build/lint/$*.log || { cat build/lint/$*.log >&2; exit 1; }
	$(Q)$(CPPCHECK) $<
	@touch $@

lint-files: $(LINT_STAMPS)
# On all processors, unless make was told how many; all findings, not only the first.
lint:
	@$(MAKE) --no-print-directory -k $(if $(filter -j%,$(MAKEFLAGS)),,-j $$(nproc)) lint-files; status=$$?; \
		clean=$$(ls $(LINT_STAMPS) 2>/dev/null | wc -l); \
		echo "$$clean files clean, $$(($(words $(LINT_SRCS)) - clean)) with findings"; exit $$status

format:
	$(Q)clang-format -i $$(find recovery tests -name '*.[ch]')
format-check: | $(SETUP)
	$(Q)clang-format --dry-run --Werror $$(find recovery tests -name '*.[ch]')

clean:
	$(Q)rm -rf build

-include $(shell find build/host build/lint build/test build/coverage build/aarch64 build/fuzz build/fuzz-cover -name '*.d' 2>/dev/null)
