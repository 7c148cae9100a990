"""Which test runs which command of README.md, CONTRIBUTING.md and docs/*.md, and which commands no test runs, with the reason.

A command line that stands in neither table fails tests/unit/test_docs.py: give it a test, or a reason.
"""

from __future__ import annotations

E2E = "tests/e2e/test_docs.py"
OFFLINE = "tests/contract/test_docs.py"
OUTSIDE = "tests/contract/test_outside_package.py"
EXPORTS = "tests/unit/exporters/test_docs.py"
OWN = "tests/contract/test_own_detector.py"

RUN_BY = {
    "README.md": {
        "make demo": "tests/e2e/test_demo.py",
        "dinolabel attach": E2E,
        "dinolabel preannotate": E2E,
        "dinolabel bootstrap": OFFLINE,
        "dinolabel detect": OFFLINE,
        "dinolabel detect new.jpg": "tests/unit/dinolabel/test_detect_inputs.py",
    },
    "CONTRIBUTING.md": {"pre-commit install": "tests/unit/test_contributing.py"},
    "docs/ancestor.md": {"": OFFLINE},
    "docs/exports.md": {"": EXPORTS},
    "docs/faces.md": {"dinolabel weights fetch faces": "tests/unit/dinolabel/test_fetching.py"},
    "docs/how-to.md": {"": E2E},
    "docs/install.md": {"dinolabel detect": OFFLINE},
    "docs/own-detector.md": {"dinolabel distil --from": OWN, "dinolabel students list --project cats": OWN, "dinolabel students onnx": OWN},
    "docs/plugins.md": {"": OUTSIDE},
    "docs/production.md": {"": E2E},
    "docs/troubleshooting.md": {"": E2E},
    "docs/release.md": {"python run.py sbom": "tests/unit/test_shipping.py"},
    "docs/trust.md": {"": E2E},
    "docs/tutorial.md": {"": E2E},
}
"""Page -> how a line begins ("": any) -> the test that runs it. The longest beginning decides."""

SETUP = "installs for minutes; where tests run it has been run"
ACTIVE = "the tests run in that environment"
EXCEPTIONS = {
    "*": {"docker ": "needs a container engine"},
    "README.md": {
        "make test": "it is what runs the tests",
        ". .venv/bin/activate": ACTIVE,
        "dinolabel up": "needs weights of the hub; with the embedded ones in docs/tutorial.md",
        "export DINOLABEL_STUDIO_URL": "address and token are the reader's",
        "dinolabel serve": "runs for ever; tests/e2e/test_init_attach.py starts it beside a real Label Studio",
        "dinolabel hotkeys": "changes keys of the account that tests share; tests/e2e/test_handover_studio.py puts them back",
        "dinolabel app": "started in docs/tutorial.md",
    },
    "CONTRIBUTING.md": {
        "git clone": "the address is the reader's",
        "cd dinolabel": "goes into the clone",
        "make test": "it is what runs the tests",
        "make quick": "it runs tests; what it runs is held by tests/unit/test_run.py",
        "python -m pytest": "it runs tests",
        ". .venv/bin/activate": ACTIVE,
    },
    "docs/faces.md": {
        "dinolabel up": "a real Label Studio with real weights; with the embedded ones in docs/tutorial.md",
        "dinolabel attach": "needs the extra and Label Studio; tests/unit/dinolabel/test_face_commands.py has the roles",
        "dinolabel init": "needs the extra and Label Studio; tests/unit/vision/test_chosen_embedder.py has the label config",
        "dinolabel forget": "run in docs/trust.md",
    },
    "docs/ancestor.md": {
        "make ancestor-bench": "a bench of many minutes; its parts are in tests/unit/bench",
        "dinolabel app": "started in docs/tutorial.md",
        'dinolabel bootstrap videos/ --prompt "human face" --to-project': "needs Label Studio; tests/e2e/test_exports.py has one",
    },
    "docs/exports.md": {"dinolabel export FORMAT": "stands for every format; each is run"},
    "docs/how-to.md": {
        "dinolabel serve": "runs for ever; tests/e2e/test_init_attach.py starts it beside a real Label Studio",
        "dinolabel names wall": "runs for ever; tests/e2e/test_wall.py starts it beside a real Label Studio",
        "dinolabel find": "the task is the reader's; tests/e2e/test_wall.py runs it",
    },
    "docs/install.md": {
        "python run.py setup": SETUP,
        "PIP_INDEX_URL=https://mirror.example.org": "the mirror is the reader's",
        ". .venv/bin/activate": ACTIVE,
        "pip install": SETUP,
        "pip wheel": SETUP,
        "DINOLABEL_TORCH_INDEX=https://download.pytorch.org/whl/cpu python run.py wheels": "downloads 600 MB",
    },
    "docs/own-detector.md": {
        "make distil-bench": "a bench of many minutes; its parts are in tests/unit/training",
        "dinolabel distil --project 1": "minutes; tests/unit/dinolabel/test_distilling_a_project.py does it with fewer steps",
        "dinolabel students list --project 1": "run with another project in tests/contract/test_own_detector.py",
        "dinolabel students rollback": "needs two trainings; tests/unit/dinolabel/test_distilling_a_project.py runs it",
        "dinolabel students unpin": "needs two trainings; tests/unit/dinolabel/test_distilling_a_project.py runs it",
    },
    "docs/release.md": {"git ": "publishes", "python -m pip wheel": "builds from a tag that does not exist yet"},
    "docs/tutorial.md": {"python3 run.py setup": SETUP, ". .venv/bin/activate": ACTIVE},
}
"""Page ("*": any) -> how a line begins -> why no test runs it."""

PYTHON = {
    "README.md": OFFLINE,
    "docs/app.md": "tests/unit/app/test_page.py",
    "docs/exports.md": EXPORTS,
    "docs/own-detector.md": OWN,
    "docs/plugins.md": OUTSIDE,
    "docs/production.md": E2E,
    "docs/python.md": "tests/unit/test_public_use.py",
    "docs/trust.md": "tests/unit/vision/test_reasons.py",
    "docs/tutorial.md": E2E,
}
"""Page -> the test that runs its Python."""


def excepted(page: str, line: str) -> str | None:
    """Why no test runs the line; None when one does or should."""
    reasons = EXCEPTIONS["*"] | EXCEPTIONS.get(page, {})
    return next((why for begin, why in reasons.items() if line.startswith(begin)), None)


def run_by(page: str, line: str) -> str | None:
    """The test that runs the line; None when the table names none."""
    tests = RUN_BY.get(page, {})
    begin = max((each for each in tests if line.startswith(each)), key=len, default=None)
    return None if begin is None or excepted(page, line) else tests[begin]
