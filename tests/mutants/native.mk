# Builds the extension of the tree it is called in, object by object, so that one changed file costs one compilation:
#     make -f tests/mutants/native.mk PY=python
PY ?= python3
OUT ?= build/native
CC ?= cc
PACKAGES = hiredis libcjson openssl
INCLUDES := $(foreach p,$(PACKAGES),-I$(shell pkg-config --variable=includedir $(p)))
PYTHON_INCLUDE := $(shell $(PY) -c 'import sysconfig; print(sysconfig.get_path("include"))')
MODULE := nano_graphrag_redis/_native$(shell $(PY) -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
FLAGS = -std=c11 -O1 -fPIC -fvisibility=hidden -w -Isrc/core -Isrc/ext -I$(PYTHON_INCLUDE) $(INCLUDES) \
    $(shell pkg-config --cflags $(PACKAGES))
OBJECTS = $(patsubst src/%.c,$(OUT)/%.o,$(wildcard src/core/*.c src/ext/*.c))

$(MODULE): $(OBJECTS)
	@$(CC) -shared $(OBJECTS) $(shell pkg-config --libs $(PACKAGES)) -o $@

$(OUT)/%.o: src/%.c $(wildcard src/core/*.h src/ext/*.h)
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -c $< -o $@
