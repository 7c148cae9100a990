# Thin over run.py, which needs nothing but Python 3.11 to 3.13.
PYTHON ?= python3
MODELS ?= nano

.PHONY: demo test quick setup wheel-check lock sbom licences nano eval-nano studio-bench bench-large effort names-bench video-bench bench engine-bench faces-bench distil-bench ancestor-bench study parity interop faults fuzz soak

demo: ## the whole loop on the embedded models (MODELS=hub: on the real weights)
	$(PYTHON) run.py demo --models $(MODELS)

test: ## lint, types and every test
	$(PYTHON) run.py test

quick: ## lint, types and the unit tests without the slow ones (TESTS=tests/unit/exporters: only these)
	$(PYTHON) run.py quick $(TESTS)

setup: ## .venv with everything in it
	$(PYTHON) run.py setup

wheel-check: ## the demo from a wheel, in an environment and a folder with nothing else (some minutes)
	$(PYTHON) run.py wheel-check

lock: ## docker/locks/ anew from requirements.txt, with hashes (a minute)
	$(PYTHON) run.py lock

sbom: ## what is installed, as a CycloneDX document: sbom.json
	$(PYTHON) run.py sbom

licences: ## docs/licences.md anew
	$(PYTHON) run.py licences

nano: ## remake the embedded models from openly licensed art
	$(PYTHON) run.py nano

eval-nano: ## measure the embedded models
	$(PYTHON) run.py eval-nano

studio-bench: ## the dialogue with a real Label Studio, measured into studio.json
	$(PYTHON) run.py studio-bench

bench-large: ## what a person at work feels of us in a project of 20,000 tasks, into studio.json (hours)
	$(PYTHON) run.py bench-large

effort: ## keys a box costs a person, pressed in a real browser (about 15 minutes)
	$(PYTHON) run.py effort

names-bench: ## keys a name costs on the wall, pressed in a real browser, into names.json (some minutes)
	$(PYTHON) run.py names-bench

video-bench: ## a film our way and the ancestor's way, measured into video.json
	$(PYTHON) run.py video-bench

bench: ## what we cost beside groundingdino-py, transformers, the ancestor and ourselves of before, into bench.json (an hour)
	$(PYTHON) run.py bench

engine-bench: ## GroundingDINO's forward against transformers': equal boxes, and what they cost, into bench.json (half an hour)
	$(PYTHON) run.py engine-bench

faces-bench: ## faces found and told apart on real portraits from the package registry, into faces.json
	$(PYTHON) run.py faces-bench
distil-bench: ## students against the detector that taught them, measured into distil.json (18 trainings: a quarter of an hour)
	$(PYTHON) run.py distil-bench

ancestor-bench: ## the ancestor's steps beside ours, measured into ancestor.json
	$(PYTHON) run.py ancestor-bench

WEIGHTS ?= nano
study: ## how far the head can be trusted: docs/study.md and study.json (WEIGHTS=facebook/dinov2-small: on real weights)
	$(PYTHON) run.py study --weights $(WEIGHTS)

SIZE ?= swin_t
parity: ## our network against groundingdino-py's own, at equal weights (SIZE=swin_b: the larger one)
	$(PYTHON) run.py parity $(SIZE)

interop: ## our exports read by pycocotools, ultralytics, datumaro, FiftyOne and others: interop.json (2 GB, some minutes at first)
	$(PYTHON) run.py interop

KILLS ?= 100
faults: ## kill -9, full disks, a broken Label Studio, damaged files: the table of docs/trust.md and faults.json (KILLS=20: sooner)
	$(PYTHON) run.py faults --kills $(KILLS)

fuzz: ## odd input for every reader and route, into fuzz.json (20 minutes)
	$(PYTHON) run.py fuzz

MINUTES ?= 10
soak: ## 16 annotators at once, into soak.json (MINUTES=2: sooner)
	$(PYTHON) run.py soak --minutes $(MINUTES)
