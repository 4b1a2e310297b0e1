# The doors of the project. CI calls the same recipes.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT    ?= build/demo
WORKERS ?= 3

.PHONY: install demo test lint fix dist smoke pictures bench mutants regret corpus claims docs clean
install: $(VENV)/.dev  ## everything for development, in .venv

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once; PyTorch is the large part)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable ".[examples]"
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable ".[all]" --group dev
	@touch $@

demo: $(VENV)/.run  ## plan and train a real model; ends with a report to open
	$(BIN)/python examples/demo.py --out $(OUT)

# Some tests wait for processes that they start, so one worker more than cores pays. Bytecode is kept
# whatever the shell says, since all workers and the processes that they start load the same files.
test: $(VENV)/.dev  ## the whole suite, a file at a time on three workers (WORKERS=N)
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: $(VENV)/.dev  ## let the formatter and the linter repair what they can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

dist: $(VENV)/.dev  ## wheel and source distribution, in dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist

smoke: dist  ## the wheel in fresh environments: no extra, then each extra alone; EXTRAS="none torch"
	$(BIN)/python tests/smoke/environments.py dist/*.whl $(if $(EXTRAS),--extras $(EXTRAS))

mutants: $(VENV)/.bench  ## do the tests notice 200 random mutations of the source; an hour
	$(BIN)/python benchmarks/mutants.py

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) --group bench
	$(PIP) --no-deps --group syne-tune
	@touch $@

bench: $(VENV)/.bench  ## measurements, each against its peer in the same run
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/throughput.py --page docs/speed.md
	$(BIN)/python benchmarks/tuners.py --page docs/speed.md
	$(BIN)/python benchmarks/plan_engines.py --page docs/speed.md
	$(BIN)/python benchmarks/usual_rates.py --page docs/why/usual-rate.md
	$(BIN)/python benchmarks/meta_throughput.py
	$(BIN)/python benchmarks/dashboard.py
	$(BIN)/python benchmarks/diagnose_rows.py
	$(BIN)/python benchmarks/what_if.py --page docs/how-to/probes.md
	$(BIN)/python benchmarks/edge_of_stability.py --page docs/how-to/probes.md

regret: $(VENV)/.bench  ## every finder against exhaustive sweeps; what is stored is not measured again
	PYTHONPATH=benchmarks $(BIN)/python -m regret truth
	PYTHONPATH=benchmarks $(BIN)/python -m regret rows
	PYTHONPATH=benchmarks $(BIN)/python -m regret table --page docs/regret.md

corpus: $(VENV)/.bench  ## runs with faults and without, and what the findings say of them
	$(BIN)/python benchmarks/watch_corpus.py --page docs/findings/measured.md
	PYTHONPATH=benchmarks $(BIN)/python -m watch_families train
	PYTHONPATH=benchmarks $(BIN)/python -m watch_families table --defaults --page docs/findings/measured.md

claims: $(VENV)/.dev  ## what is said about learning rates, tested again; minutes
	$(BIN)/learnrate claims run all --out src/learnrate/claims/results

pictures: $(VENV)/.dev  ## the screenshots on the site's first page; needs chromium
	$(BIN)/python docs/hooks/screenshots.py

docs: $(VENV)/.dev  ## the site, in build/site
	$(BIN)/mkdocs build --strict --site-dir build/site

clean:
	rm -rf build $(VENV)
