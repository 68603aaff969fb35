# Everything that users and developers run. `make setup` makes .venv; the other targets do that first.
# To use another interpreter: make PYTHON=python3.12 demo
# Without the libraries for GPUs, which are three quarters of the disk space: make setup CPU=1
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo demo-real test test-quick test-matrix fuzz check bench docs test-tools vendor clean

# Where PyTorch without these libraries comes from on Linux; elsewhere PyPI's has none. For a mirror:
# make setup CPU=1 CPU_TORCH=https://...
CPU_TORCH ?= https://download.pytorch.org/whl/cpu
WITHOUT_GPU := $(and $(CPU),$(filter Linux,$(shell uname -s)))

setup: $(READY)
ifneq ($(WITHOUT_GPU),)
	@! ls -d $(VENV)/lib/python3*/site-packages/nvidia 2>/dev/null \
		|| { echo "$(VENV) was made with the libraries for GPUs. To make it again without them: make clean setup CPU=1"; exit 1; }
endif

# uv installs in one minute, pip in six; pip is used if uv cannot be installed.
# Both compile to bytecode. If Python cannot write it later, each start of a command would take twice as long.
install = echo "installing the packages of constraints.txt: a minute or more, without further lines" \
	&& $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt $(1) \
	|| $(BIN)/python -m pip install --constraint constraints.txt $(1)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11 to 3.13 is needed, e.g.: make PYTHON=python3.12 demo"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet uv || echo "uv could not be installed; using pip instead"
ifneq ($(WITHOUT_GPU),)
	@$(call install,--no-deps --index-url $(CPU_TORCH) torch torchvision)
endif
	@$(call install,--editable '.[dev]')
	@touch $@

demo: setup
	$(BIN)/wsi-haloae demo -o demo

# On real tissue. Without internet: make demo-real WEIGHTS=vgg19_features.safetensors
demo-real: setup
	$(BIN)/python pipelines/demo_real.py -o demo-real $(WEIGHTS:%=--weights %)

# Several tests at once, with one thread each: with models this small, torch's threads only wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST)

# Under two minutes on 2 cores: leaves out whole commands, many slides, the browser and long searches for bad input.
SLOW_FOLDERS = integration cohort hostile viewer

test-quick: setup
	$(PYTEST) -m "not slow" $(SLOW_FOLDERS:%=--ignore=tests/%)

# The same with each Python that is supported, in build/python3.X; uv downloads those that this machine lacks.
PYTHONS ?= 3.11 3.12 3.13

test-matrix: setup
	for version in $(PYTHONS); do \
		found=$$($(BIN)/uv python find --system $$version || { $(BIN)/uv python install $$version \
			&& $(BIN)/uv python find --system $$version; }) \
		&& $(MAKE) VENV=build/python$$version PYTHON="$$found" test-quick || exit 1; \
	done

# Damaged files for every reader, or for one: make fuzz READER=geojson INPUTS=200000. Inputs that fail are kept in build/fuzz/failed.
INPUTS ?= 20000

fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.hostile.fuzz --inputs $(INPUTS) $(READER:%=--reader %)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/lint-imports

# Every benchmark that needs no argument. Rows go to build/bench.jsonl, ratios to benchmarks/history.md; those that got worse are named.
BENCHMARKS = $(filter-out %/bench_stores.py %/bench_versions.py, $(wildcard benchmarks/bench_*.py)) benchmarks/train_step.py

bench: setup
	mkdir -p build
	for benchmark in $(BENCHMARKS); do $(BIN)/python $$benchmark || exit 1; done > build/bench.jsonl
	cat build/bench.jsonl
	$(BIN)/python benchmarks/history.py build/bench.jsonl

# Warnings are errors, such as a broken link, an unknown name, or a page that is missing from all tables of contents.
docs: setup
	rm -rf build/docs
	$(BIN)/python -m sphinx --conf-dir docs --fail-on-warning --keep-going --quiet --jobs auto . build/docs
	@echo "open build/docs/index.html"

# Programs without which some tests skip: Chromium for the viewer's page, Groovy and JavaFX for QuPath's scripts.
test-tools:
	@packages=; \
	command -v chromium || command -v chromium-browser || command -v google-chrome || packages="chromium fonts-dejavu-core"; \
	command -v groovyc && ls /usr/share/java/javafx-controls.jar || packages="$$packages groovy libopenjfx-java"; \
	if [ -z "$$packages" ]; then exit 0; fi; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends $$packages; } \
	|| { echo "These programs are missing. On Debian and Ubuntu: sudo apt-get install" $$packages; exit 1; }

# The viewer's third-party code, at the versions of its lock file; the copies are under version control.
vendor:
	cd wsi_haloae/viewer/web && npm ci --ignore-scripts && node vendor.mjs

clean:
	rm -rf $(VENV) demo demo-real build dist docs/api
