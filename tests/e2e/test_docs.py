"""docs/tutorial.md word by word from an empty folder, with a real Label Studio; then docs/how-to.md, trust.md and production.md in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinolabel.demo.review import ReviewerEffort, review
from dinolabel.demo.world import World
from dinolabel.local import up_state
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig, build
from tests import docs, docs_table
from tests.docs import Block
from tests.drawn_world import part, pictures, shots
from tests.e2e.started import ROOT, SCENES, until
from tests.e2e.typed import Shell
from tests.films import film

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
NAMED = 26  # more than a training waits for
LAST = "dinolabel models export"


def lines(page: str) -> list[str]:
    """Those of the page that this file runs."""
    return [line for line in docs.commands(ROOT / page) if docs_table.run_by(page, line) == docs_table.E2E]


def parts(page: str) -> tuple[list[Block], list[Block]]:
    """The page's blocks up to the one that packs the model into a folder, and those after it."""
    found = docs.blocks(ROOT / page)
    cut = 1 + next(i for i, block in enumerate(found) if any(line.startswith(LAST) for line in block.commands))
    return found[:cut], found[cut:]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A person who has the source and stands in its folder, which lies in an empty one."""
    home = tmp_path_factory.mktemp("home")
    (home / "dinolabel").symlink_to(ROOT, target_is_directory=True)
    made = Shell(home, {"DINOLABEL_POLL_SECONDS": "2"})
    made.type("cd dinolabel")
    yield made
    made.close()


class Person:
    """Who labels: knows whose face is whose. made: the folder of the tutorial."""

    def __init__(self, made: Path) -> None:
        self.made = made
        self.world = World.load(SCENES)

    def put_a_film(self) -> None:
        film(self.made / "film.mp4", list(pictures(shots("tom", part(1, 8)), rate=4)), rate=4)

    @property
    def studio(self) -> LabelStudio:
        found = up_state.find(self.made / "data")
        assert found is not None
        return LabelStudio(found.url, found.token)

    def name(self) -> None:
        """Correct and name picture after picture, as Label Studio stores it."""
        until(self._filled, seconds=300)
        self.label(NAMED)
        until(lambda: ".dinov2" in (self.studio.projects.get(1).model_version or ""), seconds=300)  # what names with a head is called

    def _filled(self) -> str | None:
        shown, rows = self.studio.projects.get(1).model_version, list(self.studio.tasks.list(1))
        return shown if shown and all(shown in row.versions for row in rows if not row.annotated) else None

    def label(self, enough: int) -> None:
        """Correct and submit pictures nobody has finished, until so many boxes have a name."""
        studio, named = self.studio, 0
        config = LabelConfig.parse(studio.projects.get(1).label_config)
        scenes = {scene.file: scene for scene in self.world.scenes}
        for row in studio.tasks.list(1):
            if row.annotated or named >= enough:
                continue
            scene = scenes[str(row.data["image"]).rsplit("/", 1)[-1]]
            newest = max(studio.predictions.list(row.id), key=lambda each: each["id"])
            result = review(newest["result"], scene, self.world.prompted_things(scene), config=config, effort=ReviewerEffort())
            studio.annotations.create(row.id, result, lead_time=4.0, parent_prediction=newest["id"])
            named += sum(each["value"]["rectanglelabels"][0] in self.world.names for each in result)
        assert named >= enough

    def other_project(self) -> int:
        """Somebody else's, on the same Label Studio."""
        number = self.studio.projects.create("others", build({"cat face": "cat face"}, ["tom"])).id
        self.studio.tasks.upload_images(number, sorted(SCENES.glob("*.jpg"))[:2])
        return number


@pytest.fixture(scope="module")
def person(shell: Shell) -> Person:
    return Person(shell.folder / "first-detector")


@pytest.fixture(scope="module")
def labelled(shell: Shell, person: Person) -> Shell:
    """The tutorial up to the folder that is carried elsewhere; `up` and `app` run on."""
    shell.play(parts("docs/tutorial.md")[0], {"cd first-detector": person.put_a_film, "dinolabel names list": person.name})
    print(json.dumps(shell.took, indent=1))
    return shell


def test_the_tutorial_ends_in_names_on_what_nobody_labelled(labelled: Shell, person: Person) -> None:
    (picture,) = json.loads((person.made / "found" / "detections.json").read_text())["images"]
    assert {each["label"] for each in picture["found"]} & {"tom", "felix"}
    tracks = json.loads(next((person.made / "found-in-film").glob("*.json")).read_text())["tracks"]
    assert "tom" in {each["label"] for each in tracks}
    assert (person.made / "photos" / "scene-000.jpg").is_file()


def test_each_task_of_the_how_to(labelled: Shell, person: Person) -> None:
    """In the tutorial's project, but for the section about a server one may not touch: that has a data folder of its own."""
    join = [line for line in lines("docs/how-to.md") if line.split()[1] in ("attach", "preannotate", "pause", "detach")]
    found, number = up_state.find(person.made / "data"), person.other_project()
    assert found is not None
    elsewhere = {
        "DINOLABEL_DATA_DIR": str(person.made / "elsewhere"), "DINOLABEL_STUDIO_URL": found.url, "DINOLABEL_STUDIO_TOKEN": found.token,
        "DINOLABEL_DETECTOR_WEIGHTS": "nano", "DINOLABEL_EMBEDDER_WEIGHTS": "nano",
    }  # fmt: skip
    guest = Shell(labelled.folder / "guest", elsewhere, {"--project 12": f"--project {number} --yes", "--project 1": f"--project {number}"})
    guest.through([*lines("README.md"), *join])
    assert not [row for row in person.studio.tasks.list(number) if row.versions], "left, and something of ours is still there"

    person.label(3)
    for line in ("dinolabel export crops --project 1", "dinolabel train --project 1 --force"):
        labelled.type(line)  # a second head, to go back from
    labelled.through([*(line for line in lines("docs/how-to.md") if line not in join), *lines("docs/troubleshooting.md")])
    assert (person.made / "coco-agreed" / "annotations").is_dir()


def test_what_trust_says(labelled: Shell) -> None:
    labelled.replaced |= {"--project 3": "--project 1", "forget john": "forget --yes john"}
    labelled.type("dinolabel names add jon --project 1")
    labelled.through(lines("docs/trust.md"))
    assert "john" not in labelled.type("dinolabel names list --project 1")


def test_what_is_exported_answers_in_python_and_over_http(labelled: Shell, person: Person) -> None:
    """The tutorial's last steps and production.md, beside `up`."""
    (person.made / "photo.jpg").write_bytes((person.made / "new.jpg").read_bytes())
    labelled.replaced |= {'"human face"': '"cat face"'}
    pages = ("docs/tutorial.md", "docs/production.md")
    labelled.play(parts("docs/production.md")[0])
    labelled.stop("dinolabel app")
    for page in pages:
        said = labelled.play(parts(page)[1])
        printed = next(out for text, out in said.items() if "Pipeline.load" in text)
        answered = json.loads(next(out for text, out in said.items() if text.startswith("curl")))
        labels = [each["label"] for each in answered["results"][0]["found"]]
        assert labels == [line.split()[0] for line in printed.splitlines()] and set(labels) & {"tom", "felix"}, said
    labelled.stop("dinolabel up")
