# Static analysis, file by file and in parallel; `make analyze` calls it. A file that passed leaves a stamp in $(OUT),
# so that a second run looks only at what has changed.
#   gcc         -fanalyzer, and warnings too strict for every compiler that a user may have (src only)
#   clang-tidy  the checks of .clang-tidy (src, tests/c)
#   cppcheck    all files in one run, which knows where functions are called from; see UNASKED for what it may keep
# Not asked for: -Wcast-qual (iovec wants its constness cast away), -Wswitch-enum (`default` is how a switch says "all
# others"), -Wwrite-strings (Python's tables of keywords are char *), -Wlogical-op (EAGAIN may be EWOULDBLOCK), and
# clang's -Weverything, which finds only these, padding and C99.
PY ?= .venv/bin/python
CLANG_TIDY ?= .venv/bin/clang-tidy
OUT ?= build/analyze
PACKAGES = hiredis libcjson openssl
STRICT = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla -Wno-unused-parameter -Wconversion -Wsign-conversion \
    -Wdouble-promotion -Wduplicated-branches -Wduplicated-cond -Wformat=2 -Wpointer-arith \
    -Wundef
INCLUDES := -Isrc/core -Isrc/ext -Itests/c $(foreach p,$(PACKAGES),-I$(shell pkg-config --variable=includedir $(p)))
SYSTEM := -isystem $(shell $(PY) -c 'import sysconfig; print(sysconfig.get_path("include"))')
FLAGS := -std=c11 -D_GNU_SOURCE $(INCLUDES) $(SYSTEM) $(shell pkg-config --cflags $(PACKAGES))
# constParameter         a PyObject * is const nowhere, and state that a function hands on is not const to its readers
# redundantContinue      `continue;` is how an empty loop shows that it is meant
# variableScope          variables stand at the top of their function, or of the block that has more than one use for them
# knownConditionTrueFalse, in tests/fuzz: cppcheck forgets there what a loop has moved
UNASKED = --suppress=constParameter --suppress=redundantContinue --suppress=variableScope \
    --suppress=knownConditionTrueFalse:tests/fuzz/*
SOURCES := $(wildcard src/*/*.c)
TESTS := $(wildcard tests/c/*.c)
OTHERS := $(wildcard tests/fuzz/*.[ch] bench/limits/*.[ch])
HEADERS := $(wildcard src/*/*.h tests/c/*.h)

.PHONY: all
all: $(SOURCES:%=$(OUT)/gcc/%.ok) $(SOURCES:%=$(OUT)/tidy/%.ok) $(TESTS:%=$(OUT)/tidy/%.ok) $(OUT)/cppcheck.ok

$(OUT)/gcc/%.ok: % $(HEADERS) tools/analyze.mk
	@mkdir -p $(@D)
	@gcc -fanalyzer -O1 $(STRICT) -Werror $(FLAGS) -c $< -o /dev/null
	@touch $@

$(OUT)/tidy/%.ok: % $(HEADERS) .clang-tidy tests/c/.clang-tidy
	@mkdir -p $(@D)
	@$(CLANG_TIDY) --quiet $< -- $(FLAGS) 2>$@.log || { cat $@.log >&2; exit 1; }
	@touch $@

$(OUT)/cppcheck.ok: $(SOURCES) $(TESTS) $(OTHERS) $(HEADERS) tools/analyze.mk
	@mkdir -p $(OUT)/cppcheck
	@cppcheck --quiet --error-exitcode=1 --std=c11 --library=python --enable=warning,performance,portability,style \
	    $(UNASKED) --inline-suppr --cppcheck-build-dir=$(OUT)/cppcheck -Isrc/core -Isrc/ext src tests/c tests/fuzz bench/limits
	@touch $@
