"""`init`, `attach`, `preannotate`, `names`, `doctor` and `--detach` on a real Label Studio that other people use too."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dinolabel import __main__
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.studio.client import LabelStudio
from dinolabel.studio.label_configs.label_config import LabelConfig
from tests import studio_calls
from tests.e2e import started
from tests.e2e.started import ROOT, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

THEIRS = """<View>
  <!-- ours since 2024 -->
  <Header value="Cats &amp; more"/>
  <Image name="img" value="$picture" zoom="true"/>
  <RectangleLabels name="cats" toName="img" model_box_threshold="{box}">
    <Label value="cat" predicted_values="cat face" background="#ff0000"/>
    <Label value='Tom'   hotkey="t"/>
  </RectangleLabels>
</View>
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return started.weights_environment(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def environment(studio_server: object, weights: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return started.environment(
        tmp_path / "data",
        DINOLABEL_STUDIO_URL=studio_server.url,  # type: ignore[attr-defined]
        DINOLABEL_STUDIO_TOKEN=studio_server.token,  # type: ignore[attr-defined]
        DINOLABEL_LOCAL_FILES_ROOT=str(studio_server.documents),  # type: ignore[attr-defined]
        DINOLABEL_TRAIN_AFTER="0",
        **weights,
    )


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


Dinolabel = Callable[..., Ended]


@pytest.fixture
def dinolabel(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dinolabel:
    """The command line in this process, so that torch is loaded once; its exit code is checked."""

    def call(*arguments: str, code: int = 0) -> Ended:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            returncode = __main__.run(list(arguments))
        captured = capsys.readouterr()
        assert returncode == code, f"{captured.out}\n{captured.err}"
        assert "Traceback" not in captured.err
        return Ended(returncode, captured.out, captured.err)

    return call


def made(ended: Ended) -> int:
    """The project number in "Made project 7, …"."""
    return int(ended.stdout.split("project ", 1)[1].split(",", 1)[0])


@pytest.fixture
def theirs(studio: LabelStudio, tmp_path: Path, weights: dict[str, str]) -> Iterator[int]:
    """A project that somebody else made: three pictures, predictions of their own on show, one annotation."""
    xml = THEIRS.format(box=weights.get("DINOLABEL_BOX_THRESHOLD", "0.3"))
    project = studio.projects.create("Their cats", xml).id
    uploads = studio.projects.create("Uploads", xml.replace("$picture", "$image")).id
    tasks = studio.tasks.upload_images(uploads, started.pictures(tmp_path / "their pictures", 3))
    ids = studio_calls.import_tasks(studio, project, [{"picture": studio.tasks.get(each)["data"]["image"]} for each in tasks])
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
    region = {"id": "theirs", "from_name": "cats", "to_name": "img", "type": "rectanglelabels", "value": value}
    studio.predictions.import_many(project, [{"task": each, "result": [region], "score": 0.5, "model_version": "yolo-7"} for each in ids])
    studio.projects.set_model_version(project, "yolo-7")
    studio.annotations.create(ids[0], [region], lead_time=3.0)
    yield project
    studio_calls.delete_project(studio, project)
    studio_calls.delete_project(studio, uploads)


def state(studio: LabelStudio, project: int) -> dict[str, object]:
    """Everything of a project that is not ours to change."""
    found = studio.projects.get(project)
    return {
        "label_config": found.label_config,
        "model_version": found.model_version,
        "versions": studio.projects.model_versions(project),
        "backends": [each.url for each in studio.backends.list(project)],
        "webhooks": [each.url for each in studio.webhooks.list(project)],
        "annotations": json.dumps([each["annotations"] for each in studio.projects.export(project)], sort_keys=True, default=str),
    }


def registry(tmp_path: Path) -> ProjectRegistry:
    return ProjectRegistry(tmp_path / "data" / "projects.json")


def test_init_makes_a_project_and_preannotate_fills_it(
    studio: LabelStudio, studio_server: object, tmp_path: Path, dinolabel: Dinolabel
) -> None:
    photos = studio_server.documents / f"{tmp_path.name} ü"  # type: ignore[attr-defined]
    first, *_ = started.pictures(photos, 5)
    for name in (f"._{first.name}", f".thumbnails/{first.name}", f"@eaDir/{first.name}/SYNOPHOTO_THUMB_M.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(first.read_bytes())
    words = ["--title", "Cats", "--prompt", "cat=cat face, kitty", "--prompt", "dog face", "--names", "tom,felix"]
    ended = dinolabel("init", *words, "--photos", str(photos))
    number = made(ended)
    for each in (
        "looks for “cat face” → cat",
        "“kitty” → cat",
        "“dog face” → dog face",
        "learns tom and felix",
        "5 pictures, which stay where",
    ):
        assert each in " ".join(ended.stderr.split()), ended.stderr
    config = LabelConfig.parse(studio.projects.get(number).label_config)
    assert config.prompt_map == {"cat face": "cat", "kitty": "cat", "dog face": "dog face"} and config.learnt == ("tom", "felix")
    assert len(list(studio.tasks.list(number))) == 5

    looked = dinolabel("preannotate", code=2)
    assert studio.projects.model_versions(number) == {}, "a preview sends nothing"
    for each in ("to fill 5 tasks", "takes about", "of cache"):
        assert each in " ".join(looked.stdout.split()), looked.stdout
    page = tmp_path / "data" / "previews" / str(number) / "preview.html"
    assert page.read_text().count("<li>") == 5 and page.with_name("preview.png").stat().st_size > 10_000

    filled = dinolabel("preannotate", "--yes")
    rows = list(studio.tasks.list(number))
    (version,) = studio.projects.model_versions(number)
    assert "Filled" in filled.stdout and version in filled.stdout
    assert studio.projects.get(number).model_version == version
    assert [len(studio.predictions.list(row.id)) for row in rows] == [1] * 5

    dinolabel("preannotate", "--yes", "--project", str(number))
    assert studio.projects.model_versions(number) == {version: 5}, "filling twice stored twice"
    studio_calls.delete_project(studio, number)


def test_a_broken_picture_costs_only_itself(studio: LabelStudio, studio_server: object, tmp_path: Path, dinolabel: Dinolabel) -> None:
    photos = studio_server.documents / tmp_path.name  # type: ignore[attr-defined]
    started.pictures(photos, 2)
    (photos / "broken.jpg").write_bytes(b"no picture at all")
    number = made(dinolabel("init", "--title", "One broken", "--prompt", "cat face", "--photos", str(photos)))
    ended = dinolabel("preannotate", "--yes", "--patience", "1", code=1)
    assert "1 task of 3 got no boxes" in " ".join(ended.stderr.split()), ended.stderr
    assert sorted(bool(row.versions) for row in studio.tasks.list(number)) == [False, True, True]
    studio_calls.delete_project(studio, number)


def test_init_uploads_what_label_studio_cannot_serve(studio: LabelStudio, tmp_path: Path, dinolabel: Dinolabel) -> None:
    started.pictures(tmp_path / "elsewhere", 2)
    number = made(dinolabel("init", "--title", "Far away", "--prompt", "cat face", "--photos", str(tmp_path / "elsewhere")))
    assert all("/data/upload/" in str(row.data["image"]) for row in studio.tasks.list(number))
    studio_calls.delete_project(studio, number)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["init", "--title", "ab", "--prompt", "x"], 2, "3 to 50"),
        (["init", "--title", "abc", "--prompt", " . "], 2, "nothing to look for"),
        (["init", "--title", "abc", "--prompt", "x", "--names", "x"], 2, "a prompt's label"),
        (["init", "--title", "abc", "--prompt", "x", "--photos", "/no/such/folder"], 3, "no folder"),
        (["init", "--title", "abc", "--prompt", "x", "--studio-token", "wrong-token"], 5, "token"),
        (["attach", "--project", "999999", "--yes"], 5, "There is no project 999999"),
        (["attach", "--project", "999999", "--detach", "--yes"], 2, "not attached"),
        (["preannotate", "--project", "999999"], 2, "not attached"),
        (["preannotate"], 2, "no project yet"),
        (["names", "add", "tom", "--project", "999999"], 5, "There is no project 999999"),
    ],
)
def test_what_cannot_work_is_said(studio: LabelStudio, dinolabel: Dinolabel, arguments: list[str], code: int, said: str) -> None:
    before = [each.id for each in studio.projects.list()]
    ended = dinolabel(*arguments, code=code)
    assert said in ended.stderr, ended.stderr
    assert [each.id for each in studio.projects.list()] == before


def test_attach_says_its_plan_and_changes_nothing_of_theirs(studio: LabelStudio, theirs: int, tmp_path: Path, dinolabel: Dinolabel) -> None:
    before = state(studio, theirs)
    ended = dinolabel("attach", "--project", str(theirs), "--yes")
    plan = " ".join(ended.stderr.split())
    for each in (
        "Join project",
        "Their cats",
        "looks for “cat face” → cat",
        "learns Tom",
        "box threshold",
        "2 unfinished tasks of 3",
        "shown now yolo-7 (3 predictions, not ours)",
        "then the same: it is somebody's choice",
        "leaves alone the label config and every annotation",
        "predictions that are not ours: yolo-7 (3)",
    ):
        assert each in plan, plan
    assert state(studio, theirs) == before
    entry = registry(tmp_path).get(theirs)
    assert entry is not None and entry.before == {"model_version": "yolo-7"}

    filled = dinolabel("preannotate", "--yes", "--project", str(theirs))
    assert "which is not ours, so it is left" in " ".join(filled.stdout.split())
    (ours,) = set(studio.projects.model_versions(theirs)) - {"yolo-7"}
    assert studio.projects.model_versions(theirs) == {"yolo-7": 3, ours: 2}
    assert studio.projects.get(theirs).model_version == "yolo-7"

    left = dinolabel("attach", "--project", str(theirs), "--detach", "--yes")
    assert f"2 predictions of {ours}" in " ".join(left.stderr.split())
    assert state(studio, theirs) == before
    assert registry(tmp_path).get(theirs) is None


def test_detach_after_a_switch_shows_again_what_was_shown(studio: LabelStudio, theirs: int, dinolabel: Dinolabel) -> None:
    studio.projects.set_model_version(theirs, "")
    before = state(studio, theirs)
    dinolabel("attach", "--project", str(theirs), "--yes")
    dinolabel("preannotate", "--yes")
    assert studio.projects.get(theirs).model_version not in ("", "yolo-7")
    ended = dinolabel("attach", "--project", str(theirs), "--detach", "--yes")
    assert "no predictions, as before" in " ".join(ended.stderr.split())
    assert state(studio, theirs) == before


def test_detach_leaves_what_people_chose_meanwhile(studio: LabelStudio, theirs: int, dinolabel: Dinolabel) -> None:
    studio.projects.set_model_version(theirs, "")
    dinolabel("attach", "--project", str(theirs), "--yes")
    dinolabel("preannotate", "--yes")
    studio.projects.set_model_version(theirs, "yolo-7")
    dinolabel("attach", "--project", str(theirs), "--detach", "--yes")
    assert (studio.projects.get(theirs).model_version, studio.projects.model_versions(theirs)) == ("yolo-7", {"yolo-7": 3})


def test_nothing_happens_unasked(studio: LabelStudio, theirs: int, tmp_path: Path, dinolabel: Dinolabel) -> None:
    before = state(studio, theirs)
    assert "--yes" in dinolabel("attach", "--project", str(theirs), code=2).stderr
    assert state(studio, theirs) == before and registry(tmp_path).all() == []


@pytest.mark.parametrize(("answer", "joined"), [(b"n\n", False), (b"\n", True)])
def test_a_person_is_asked(theirs: int, tmp_path: Path, environment: dict[str, str], answer: bytes, joined: bool) -> None:
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "dinolabel", "attach", "--project", str(theirs)]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=ROOT, env={**environment, "TERM": "dumb"})
    said = b""
    while b"[Y/n]" not in said:
        said += os.read(ours, 4096)
    os.write(ours, answer)
    assert process.wait(60) == 0
    assert (registry(tmp_path).get(theirs) is not None) is joined
    os.close(terminal)
    os.close(ours)


def test_names_are_added_and_every_other_byte_stays(studio: LabelStudio, theirs: int, dinolabel: Dinolabel) -> None:
    before = studio.projects.get(theirs).label_config
    dinolabel("names", "add", "maria", "josé & co", "--project", str(theirs))
    after = studio.projects.get(theirs).label_config
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [each.strip() for each in added] == ['<Label value="maria" hotkey="2"/>', '<Label value="josé &amp; co" hotkey="3"/>']
    assert [line for line in after.splitlines() if line not in added] == before.splitlines()
    assert "there is" not in dinolabel("names", "list", "--project", str(theirs)).stdout
    assert "already" in dinolabel("names", "add", "maria", "--project", str(theirs), code=2).stderr
    assert "taken" in dinolabel("names", "add", "new", "--hotkey", "t", "--project", str(theirs), code=2).stderr
    assert studio.projects.get(theirs).label_config == after


def test_a_server_is_connected_by_one_webhook_and_taken_away(
    studio: LabelStudio, theirs: int, environment: dict[str, str], tmp_path: Path, dinolabel: Dinolabel
) -> None:
    before = state(studio, theirs)
    environment["DINOLABEL_SECRET"] = "a-secret-of-ours"
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "dinolabel", "serve", "--port", "0"], stdout=output, stderr=output, cwd=ROOT, env=environment
        )
    try:
        url = until(lambda: _address(log), seconds=90, what=log.read_text)
        dinolabel("attach", "--project", str(theirs), "--yes", "--serve-url", url)
        dinolabel("attach", "--project", str(theirs), "--yes", "--serve-url", url)
        (backend,) = studio.backends.list(theirs)
        (hook,) = studio.webhooks.list(theirs)
        assert (backend.title, backend.url, backend.state) == ("dinolabel", url, "CO")
        assert (hook.url, dict(hook.headers)) == (f"{url}/webhook", {"X-Dinolabel-Secret": "a-secret-of-ours"})
        until(lambda: set(studio.projects.model_versions(theirs)) - {"yolo-7"}, seconds=90, what=log.read_text)
        assert "Label Studio reaches our backend" in " ".join(dinolabel("doctor").stdout.split())
        dinolabel("attach", "--project", str(theirs), "--detach", "--yes")
        assert state(studio, theirs) == before
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    assert "a-secret-of-ours" not in log.read_text()


def _address(log: Path) -> str | None:
    line = next((line for line in log.read_text().splitlines() if line.startswith("Serving at ")), None)
    return line.split()[2] if line else None


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ('<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>', "no <RectangleLabels>"),
        ('<View><Image name="i" value="$image"/><RectangleLabels name="r" toName="i"><Label value="jason"/></RectangleLabels></View>', ""),
    ],
)
def test_doctor_explains_a_label_config(studio: LabelStudio, dinolabel: Dinolabel, xml: str, said: str) -> None:
    project = studio.projects.create("Odd", xml).id
    ended = dinolabel("doctor", "--project", str(project), code=1 if said else 0)
    told = " ".join(ended.stdout.split())
    assert said in told if said else "No label has predicted_values" in told and "human face" in told
    studio_calls.delete_project(studio, project)


def test_doctor_names_what_is_broken(studio: LabelStudio, theirs: int, dinolabel: Dinolabel) -> None:
    studio.api.json("PATCH", f"/api/projects/{theirs}/", json={"show_collab_predictions": False})
    for row in list(studio.tasks.list(theirs)):
        studio.tasks.delete(row.id)
    studio_calls.import_tasks(studio, theirs, [{"picture": "/data/upload/1/00000000-not-there.jpg"}])
    told = " ".join(dinolabel("doctor", "--project", str(theirs), code=1).stdout.split())
    assert "predictions are switched off" in told and "answers 500" in told and "unless the address is wrong" in told and "2 broken" in told
