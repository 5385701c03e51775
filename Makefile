# kface. `make help` lists the targets; arguments like backbone=resnet50 or optimizer.lr=0.01 are passed to Hydra.
SHELL := bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PY := .venv/bin/python
EXTRAS ?= train,export,kisa,deploy,app,openvino,dev
NANO ?= .venv-nano
export TF_CPP_MIN_LOG_LEVEL ?= 2

# What also runs on a board, under Python 3.6; the rest of kface runs only on workstations.
FLOOR := $(filter-out src/kface/conf src/kface/data src/kface/evaluation src/kface/kisa,$(wildcard src/kface/*)) src/kface/data/layout src/kface/data/protocols src/kface/data/sample src/deploy

TARGETS := help setup sample dataset train evaluate table5 notebooks kisa export verify-engines check deploy app screenshots deploy-jetson test test-slow test-nano \
    library library-test kisa-windows lint format floor bench bench-networks bench-realtime bench-app bench-identity soak attack lock clean
.PHONY: $(TARGETS)
$(foreach goal,$(filter-out $(TARGETS),$(MAKECMDGOALS)),$(error $(goal): is not a target; write $(goal)=VALUE, or see make help))

# Every other key=value given to make is an override for Hydra. Values are never expanded, as they may contain what make or the shell
# would run; and none is exported, as make expands what it exports.
OWN := SHELL EXTRAS PYTHON NANO PYTEST_ARGS BUNDLE IMAGES OPENCV JOBS HOST SSH_PORT SOAK_SECONDS JUPYTER_ARGS ATTACK_SEED ATTACK_SCALE
GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $(v))),$(v)))
$(foreach v,$(GIVEN),$(eval unexport $(v)))
quote = '$(subst ','\'',$(1))'
OVERRIDES = $(foreach v,$(filter-out $(OWN),$(GIVEN)),$(call quote,$(v)=$(value $(v))))
# $(call option,--host,HOST): the option with the variable's value, if given to make and not by the environment.
option = $(if $(filter $(2),$(GIVEN)),$(1) $(call quote,$(value $(2))))

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Overrides: make train backbone=mobilenetv2 loss=softmax corpus=kface corpus.root=DIR any.key=value"
	@echo "  The same without make, from any directory: . .venv/bin/activate; kface --help; kface train --help"

setup: ## make .venv and install the pinned packages (EXTRAS=train-gpu,dev for an NVIDIA GPU)
	@$(if $(filter PYTHON,$(GIVEN)),PYTHON=$(call quote,$(value PYTHON))) scripts/setup $(call quote,$(value EXTRAS))

sample: setup ## write the synthetic K-Face-shaped sample to data/sample
	@$(PY) -m kface sample $(OVERRIDES)

dataset: setup ## detect, align and shard a corpus into 112x112 faces
	@$(PY) -m kface dataset $(OVERRIDES)

train: setup ## the main job: corpus, data set, training, a row of Table 5
	@$(PY) -m kface train $(OVERRIDES)

evaluate: setup ## verify a run (run=DIR, by default the newest), bundle=DIR or embedder=FILE.onnx; evaluate.lfw=DIR
	@$(PY) -m kface evaluate $(OVERRIDES)

table5: setup ## train Table 5's grid (finished cells are kept) and write its table to outputs/table5; backbone=A,B loss=C,D, corpus=kface corpus.root=DIR, evaluate.lfw=DIR
	@$(PY) -m kface table5 run $(OVERRIDES)

notebooks: setup ## open the reports in notebooks/ with JupyterLab, which it installs (JUPYTER_ARGS="--no-browser --port 8889")
	@[ -x .venv/bin/jupyter-lab ] || scripts/setup $(call quote,$(value EXTRAS)),notebooks
	@.venv/bin/jupyter lab --ServerApp.root_dir=. $(value JUPYTER_ARGS) notebooks/table5.ipynb

kisa: setup ## KISA's certification test of a bundle (bundle=DIR, engine=library, database=folder database.root=DIR), with a report
	@$(PY) -m kface kisa $(OVERRIDES)

export: setup ## make a bundle of the newest run (run=DIR, embedder=FILE.onnx or pretrained): .pb, ONNX, UFF, INT8, detector, thresholds, model card
	@$(PY) -m kface export $(OVERRIDES)

verify-engines: ## on a board with TensorRT: build the engines of BUNDLE=DIR, compare them with the ONNX files and time both
	@PYTHONPATH=src $(if $(wildcard $(PY)),$(PY),python3) -m kface engines verify $(call option,--bundle,BUNDLE)

check: setup ## check every runtime that is installed here against a bundle's golden pictures and embeddings (bundle=DIR)
	@$(PY) -m kface check $(call option,,bundle)

deploy: setup ## recognise people in a stream: make deploy source=rtsp://HOST/PATH (by default a clip of the synthetic sample)
	@$(PY) -m kface deploy $(OVERRIDES)

app: setup ## the same in a window: see, register, rename, choose streams and models: make app source=rtsp://HOST/PATH
	@$(PY) -m kface app $(OVERRIDES)

screenshots: setup ## write pictures of every window and dialog, in both languages, light and dark, to outputs/screenshots (bundle=DIR scale=2)
	@$(PY) -m benchmarks.screenshots $(OVERRIDES)

deploy-jetson: setup ## make the archive for a Jetson; with HOST=user@board send, install and start it there
	@$(PY) -m kface pack $(call option,--host,HOST) $(call option,--port,SSH_PORT) $(OVERRIDES)

library: ## the C++ library, into build/library (JOBS=N compilers at a time): cmake, a compiler and OpenCV, see scripts/system-packages
	@scripts/build-library $(call option,--jobs,JOBS)

library-test: ## the same with its programs and tests, which it runs (BUNDLE=DIR for those that need a bundle)
	@scripts/build-library --test $(call option,--bundle,BUNDLE) $(call option,--jobs,JOBS)

kisa-windows: setup ## the C++ library as a Windows DLL, tried under wine and compared with Linux (BUNDLE=DIR IMAGES=DIR; an hour, once)
	@$(PY) -m export.windows $(call option,--bundle,BUNDLE) $(call option,--images,IMAGES) $(call option,--opencv,OPENCV) $(call option,--jobs,JOBS)

# A process that has crashed is not begun anew: with loadfile the others would wait for it for ever.
test: setup ## run the default test suite, in two processes (PYTEST_ARGS="-n 0" for one, "-k WORD" for a part)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0 $(value PYTEST_ARGS)

test-slow: setup ## run the slow tests (detector on 120 images, complete training runs)
	@$(PY) -m pytest -m slow $(value PYTEST_ARGS)

test-nano: ## run the tests of kface and deploy under Python 3.6, as on a Jetson Nano (skipped without Python 3.6)
	@scripts/test-nano $(call quote,$(value NANO))

lint: setup floor ## run ruff, mypy, the check of the Python 3.6 floor, and of what must not be committed
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@scripts/check-tree

format: setup ## format the code with ruff and fix what it can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

floor: setup
	@.venv/bin/vermin -t=3.6- --eval-annotations --no-tips --violations --quiet $(FLOOR)

bench: setup ## measure detector, data set, training, KISA test and 1:N search, beside mtcnn, facenet-pytorch, Keras, PyTorch, numpy and faiss
	@$(PY) -m benchmarks.detector
	@$(PY) -m benchmarks.dataset
	@$(PY) -m benchmarks.pipeline
	@$(PY) -m benchmarks.training
	@$(PY) -m benchmarks.kisa
	@$(PY) -m benchmarks.gallery

bench-networks: setup ## compare the runtimes on the newest bundle's embedder and on the detector
	@$(PY) -m benchmarks.networks

bench-realtime: setup ## measure Tables 8 and 9 and complete streams on this machine, beside a straightforward implementation
	@$(PY) -m benchmarks.realtime

bench-app: setup ## measure how long the window's event loop is held up, with 6 faces at 30 fps on two cores
	@$(PY) -m benchmarks.app $(OVERRIDES)

bench-identity: setup ## check the names given to real people (by default of ../shared/data), composed into clips (bundle=DIR cfp=DIR lfw=DIR quick=true)
	@$(PY) -m benchmarks.identity $(OVERRIDES)

soak: setup ## run an hour of looped video with stream losses: memory, threads, old pictures (SOAK_SECONDS=3600)
	@$(PY) -m benchmarks.soak $(call option,--seconds,SOAK_SECONDS)

attack: setup ## run the attack campaigns: HTTP, JSON, gallery, bundles, images, videos, kills; seeded, bounded, counted (ATTACK_SCALE=10)
	@$(PY) tests/attack $(call option,--seed,ATTACK_SEED) $(call option,--scale,ATTACK_SCALE)

lock: setup ## update constraints.txt: the newest versions that resolve together on Python 3.10-3.13
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.10 pyproject.toml --extra train --extra train-gpu --extra export --extra kisa --extra deploy --extra app --extra openvino \
	    --extra launchers --extra cluster --extra notebooks --extra mlflow --extra hosts --extra hosts-gpu --extra dev \
	    --no-annotate --no-header --upgrade --output-file constraints.txt

clean: ## remove caches; data/, outputs/ and .venv stay
	@rm -rf .pytest_cache .ruff_cache .mypy_cache build src/*.egg-info
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
