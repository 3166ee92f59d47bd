# Each target works as the only command on a machine with Python >= 3.11 (with venv and pip): what it needs
# goes into .venv, once. `make report PYTHON=python3.12` takes another interpreter.
PYTHON ?= python3
RESULTS ?= results
ifeq ($(strip $(RESULTS)),)
$(error RESULTS is empty: name a folder, or leave it out for results)
endif
# A name as the shell takes it, whatever is in it
quoted = '$(subst ','\'',$(1))'
INTO = $(call quoted,$(RESULTS))
# Of a hook: git in pip, in benchmarks or in tests would work on the repository and index that they name
unexport $(shell git rev-parse --local-env-vars 2>/dev/null)
RUN = .venv/bin/python -m benchmarks
SWEPT = --backend torch --rule bptt,eprop_symmetric,eprop_random,eprop_adaptive,readout_only --seeds 3 --steps 300 --threads 1
TUNING = --backend torch --rule bptt --steps 600
.DEFAULT_GOAL := help
.PHONY: peers libraries gpu-check gpu-tune gpu-wheels help report figure tasks ladder test test-slow test-all test-timing lint reference bench bench-quick counts counts-update gate-power clean

help:
	@echo "make report     train and measure for some minutes, then write "$(INTO)/report/index.html
	@echo "make figure     train every rule with 20 seeds on two tasks, and compare how well they learn"
	@echo "make tasks      train every rule with 20 seeds on all tasks, on all cores, and compare them over all"
	@echo "make ladder     train what lies between e-prop and BPTT with 20 seeds on both tasks, and time it"
	@echo "make test       run the tests that prove the numbers"
	@echo "make test-slow  run those that take minutes each"
	@echo "make test-all   run both"
	@echo "make test-timing  the regression gate from end to end, on a machine with nothing else to do"
	@echo "make lint       formatting, lint and types"
	@echo "make bench      run the whole ASV suite on the last commit, and make its site, .asv/html"
	@echo "make bench-quick  its most important part, with what is installed in .venv"
	@echo "make counts     compare what a training step executes with what is committed; make counts-update commits to it"
	@echo "make gate-power  measure which slowdowns are found, and how often the finding is wrong: hours"
	@echo "make reference  repeat the committed reference run, about four hours"
	@echo "make peers      install the libraries that people use, each in an environment of its own (6 GB)"
	@echo "make libraries  compare and measure them beside the backends, about an hour"
	@echo "make gpu-check  on a machine with a card: check and measure every backend there, within 10 minutes"
	@echo "make gpu-tune   on such a machine: time each choice about the kernels beside its default"
	@echo "make gpu-wheels  fill .gpu-wheels with what such a machine lacks, where it has no network"
	@echo "make clean      delete .venv, .venv-peers and what runs here wrote; results/reference stays"

# The quick edition of everything. Whatever was measured before is kept and compared: see results/README.md.
report: .venv/benchmarks
	$(RUN) parity --results $(INTO)
	$(RUN) train --backend numba --rule bptt,eprop_symmetric,eprop_random,eprop_adaptive,readout_only --seeds 3 --steps 300 --results $(INTO)
	$(RUN) measure --rounds 2 --no-lengths --rule bptt,eprop_symmetric --results $(INTO)
	$(RUN) raster --backend numba --rule eprop_symmetric --train-steps 200 --out $(INTO)/report/raster.png
	$(RUN) report --results $(INTO)

# Both tasks; goes on where it was interrupted.
figure: .venv/benchmarks
	$(RUN) figure --results $(INTO)
	$(RUN) figure --task pattern_generation --results $(INTO)

# Every task, by its recipe: three seeds that have the machine alone, which tell what a step takes, and then all on
# all cores. Goes on where it was interrupted.
tasks: .venv/tasks
	$(RUN) figure --all-tasks --seeds 3 --alone --results $(INTO)
	$(RUN) figure --all-tasks --results $(INTO)

# How far credit must travel: the rungs between e-prop and BPTT, their gradients beside BPTT's, the time of a step.
# As many steps as in `figure`, whose runs of e-prop and BPTT it goes on with.
LADDER = readout_only,eprop_symmetric,snap1,hops1,hops2,hops4,bptt
ladder: .venv/benchmarks
	$(RUN) figure --ladder --results $(INTO)
	$(RUN) figure --ladder --task pattern_generation --results $(INTO)
	$(RUN) measure --backend numba,torch --rule $(LADDER) --mode adjoint --no-lengths --results $(INTO)
	$(RUN) report --results $(INTO)

# Libraries beside three backends, in one interleaved run.
LIBRARIES = measure --system all --backend torch,jax,numba --rounds 2
libraries: peers
	$(RUN) parity --system all --results $(INTO)
	$(RUN) $(LIBRARIES) --results $(INTO)
	$(RUN) report --results $(INTO)

reference: .venv/tasks peers
	$(RUN) parity --system all --results results/reference
	$(RUN) $(LIBRARIES) --results results/reference
	$(RUN) measure --rounds 4 --no-lengths --rule $(LADDER),eprop_random --results results/reference
	$(RUN) measure --no-steps --scaling --rounds 1 --rule bptt,eprop_symmetric --results results/reference
	$(RUN) figure --all-tasks --seeds 3 --alone --results results/reference
	$(RUN) figure --all-tasks --results results/reference
	$(RUN) figure --ladder --seeds 10 --results results/reference
	$(RUN) figure --ladder --seeds 10 --task pattern_generation --results results/reference
	$(RUN) sweep --preset knobs $(SWEPT) --results results/reference
	$(RUN) sweep --preset difficulty $(SWEPT) --results results/reference
	$(RUN) figure --steps 600 --tuned --seeds 5 --results results/reference
	$(RUN) sweep $(TUNING) --seeds 3 --learning-rate 0.001,0.0025,0.01 --clip-norm 0.3,1,3 --results results/reference
	$(RUN) sweep $(TUNING) --seeds 20 --first-seed 100 --learning-rate 0.001 --results results/reference
	$(RUN) sweep $(TUNING) --seeds 3 --batch 128 --grid --learning-rate 0.001,0.0025 --results results/reference
	$(RUN) sweep $(TUNING) --seeds 20 --first-seed 100 --batch 128 --grid --learning-rate 0.001 --results results/reference
	$(RUN) sweep $(TUNING:bptt=eprop_symmetric) --seeds 3 --batch 128 --grid --learning-rate 0.0025,0.005 --results results/reference
	$(RUN) sweep $(TUNING:bptt=eprop_symmetric) --seeds 19 --first-seed 1 --batch 128 --grid --learning-rate 0.005 --results results/reference
	$(RUN) devices --rounds 2 --results results/reference
	$(RUN) train --system notebook --seeds 2 --steps 400 --results results/reference
	$(RUN) gate-power --busy 0 --busy 1 --pairs 12 --results results/reference
	$(RUN) raster --backend numba --rule eprop_symmetric --train-steps 400 --out results/reference/report/raster.png
	$(RUN) report --results results/reference --readme README.md

# Performance over commits: ASV installs the last commit in an environment of its own, .asv/env.
bench: .venv/benchmarks
	$(RUN) bench

bench-quick: .venv/benchmarks
	$(RUN) bench --quick --installed

# What a training step executes, under valgrind: the same on a busy machine. Expected: results/counts.json.
counts counts-update: .venv/dev
	$(RUN) counts $(if $(filter counts-update,$@),--update)

# Which slowdowns the gates find, and how often they are wrong: hours, with nothing else running.
gate-power: .venv/dev
	$(RUN) gate-power --results $(INTO)

# As many processes as cores, up to four: each needs 2 GB with all frameworks loaded.
TESTS = .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test: .venv/dev .venv/card
	$(TESTS) -m "not slow"

# Some of these have deadlines for processes that they start, or compare times: after the others, one at a time.
test-slow: .venv/dev .venv/card
	$(TESTS) -m "slow and not timing and not alone"
	.venv/bin/python -m pytest -m "slow and not timing and alone"

test-all: test test-slow

# With nothing else running: a busy machine hides what these tests have to find.
test-timing: .venv/dev
	.venv/bin/python -m pytest -m timing

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright --project pyproject.toml

# With every backend: the comparison is of all of them. One stamp per set of packages: a second run finds it
# newer than what names the packages, and installs nothing.
.venv/benchmarks .venv/dev: .venv/%: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*,all]'
	touch $@

# What runs on a cluster, and the handwriting.
.venv/tasks: .venv/benchmarks
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[sweeps,digits]'
	touch $@

# The libraries of peers.toml, each in .venv-peers/NAME: `make peer-nest` one of them, `make peers` all that can be
# built. `python -m benchmarks measure --system all` then has them beside the backends.
PEERS = .venv/bin/python -m benchmarks.run.peer_environments
peers: .venv/benchmarks
	$(PEERS) all

peer-%: .venv/benchmarks
	$(PEERS) $(call quoted,$*)

# What compiles for a card without one: numba-cuda with NVIDIA's compiler, and JAX's plugin. In a folder of its own
# that some tests put on their path: among the others numba-cuda would take the place of Numba's simulator in all of
# them. There are no wheels but for Linux and Windows.
CARD = numba-cuda cuda-bindings cuda-core cuda-pathfinder nvidia-nvvm nvidia-cuda-nvrtc jax-cuda13-plugin
.venv/card: constraints.txt | .venv/dev
	test "$$(uname)" != Linux || .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade --no-deps --target $@ $(CARD)
	mkdir -p $@ && touch $@

# On a machine with a card: with the Python that is given, and all that is in it. What that lacks is installed aside,
# in .gpu-site, and replaces nothing: from the folder WHEELS where there is one, else from an index. `make gpu-wheels`
# fills the folder, on a machine with a network, for one that has what gpu-image.txt names. THERE=file names
# another list, such as `pip freeze` writes there.
WHEELS ?= .gpu-wheels
THERE ?= gpu-image.txt
MINUTES ?= 9
ASIDE = $(PYTHON) -m benchmarks.run.aside
gpu-check gpu-tune:
	$(ASIDE) install $(call quoted,$(WHEELS)) .gpu-site
	PYTHONPATH=$(call quoted,$(CURDIR)/.gpu-site)$${PYTHONPATH:+:$$PYTHONPATH} $(PYTHON) -m benchmarks gpu-check $(if $(filter gpu-tune,$@),--tune) --minutes $(call quoted,$(MINUTES)) --results $(INTO)

gpu-wheels:
	$(ASIDE) wheels $(call quoted,$(WHEELS)) --there $(call quoted,$(THERE))

# Refused while make reads the recipe, before any of it runs. -ef: the same folder, by whatever name.
WRITTEN = asv checks choices conformance curves data_parallel fallback gpu-check ladder libraries parity power power_pairs report tables timings
KEPT = $(shell for kept in / results/reference; do test $(INTO) -ef $$kept && echo $$kept; done)
clean:
	$(if $(KEPT),$(error RESULTS is $(KEPT), which stays: name another folder, or leave it out for results))
	rm -rf -- .venv .venv-peers .gpu-site .gpu-wheels .asv $(foreach folder,$(WRITTEN),$(INTO)/$(folder))
