"""Whether pictures can be read, tried on real sockets: what `attach` refuses, and what `doctor` and `attach` say."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dinolabel import factory
from dinolabel.__main__ import run
from dinolabel.backend.project_registry import ProjectRegistry
from dinolabel.cli import console
from dinolabel.doctor import picture_trial, pictures
from dinolabel.doctor import project as project_checks
from dinolabel.doctor.machine import Finding
from dinolabel.projects import sources
from dinolabel.settings import Settings
from dinolabel.studio.client import LabelStudio as Client
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.studio.label_roles import LabelRoles
from dinolabel.studio.media.network import NetworkSettings
from dinolabel.studio.media.resolver import MediaResolver
from tests.doubles.scripted_studio import CONFIG, ScriptedStudio
from tests.unit.studio.test_media import PNG, TOKEN

INLINE = "data:image/png;base64," + base64.b64encode(PNG).decode()
CONFIG_OF = LabelConfig.parse(CONFIG)


class Studio(ScriptedStudio):
    """With what `attach` and `doctor` ask for beside."""

    def backends_list(self, project: int) -> list[Any]:
        return []

    def add(self, project: int, *data: dict[str, Any]) -> list[int]:
        numbers = self.add_tasks(project, [""] * len(data))
        for number, each in zip(numbers, data, strict=True):
            self._tasks[number].data = each
        return numbers


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Any) -> Callable[..., Any]:
    """Settings in a folder, a Label Studio whose listing is scripted and whose files are on a real socket."""
    studio = Studio()
    host.on("/data/upload/1/a.png", 200, PNG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "studio", lambda settings: studio)
    monkeypatch.setattr(console.out, "width", 300)
    monkeypatch.setattr(console.err, "width", 300)

    def listed(*names: str) -> Studio:
        media = MediaResolver(
            Client(host.url, TOKEN), cache_dir=tmp_path / "media", hosts=names, network=NetworkSettings(private=("127.0.0.0/8",))
        )
        monkeypatch.setattr(factory, "media", lambda settings, **how: media)
        return studio

    return listed


def findings(studio: Studio, project: int) -> list[Finding]:
    return list(pictures.pictures(Settings(), studio.tasks.list(project), LabelConfig.parse(studio.projects.get(project).label_config)))


def attach(capsys: pytest.CaptureFixture[str], project: int, *more: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(["attach", "--project", str(project), "--yes", *more])
    captured = capsys.readouterr()
    return code, " ".join((captured.out + captured.err).split())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"image": "https://cdn.example.com/{n}.jpg"}, ("not fetched from cdn.example.com", "DINOLABEL_MEDIA_HOSTS")),
        ({"photo": "/data/upload/1/a.png"}, ("no picture under 'image'", "Its data has: photo")),
        ({"image": ["/data/upload/1/a.png"]}, ("a list", "one address")),
        ({"image": ""}, ("an empty text", "Import the task again")),
        ({"image": "/photos/{n}.jpg"}, ("Files of this machine are not read", "DINOLABEL_LOCAL_FILES_ROOT")),
        ({"image": "{{image}}"}, ("{{image}}", "whole address")),
        ({"image": "C:\\photos\\{n}.jpg"}, ("Windows", "Upload")),
        ({"image": "blob:https://ls.example/{n}"}, ("browser's memory", "Upload")),
        ({"image": "/data/upload/1/gone{n}.png"}, ("404", "Open the task")),
        ({"image": "{host}/secret{n}.png"}, ("403", "Open the task")),
        ({"image": "{host}/login{n}.png"}, ("web page", "login page")),
        ({"image": "data:text/html;base64,AAAA"}, ("text/html", "base64")),
        ({"image": "s3://bucket/{n}.png"}, ("404", "storage")),
    ],
)
def test_a_project_whose_every_task_fails_is_refused_with_the_reason(
    place: Callable[..., Studio],
    hosts: Any,
    capsys: pytest.CaptureFixture[str],
    data: dict[str, Any],
    words: Sequence[str],
) -> None:
    other = hosts()
    for number in range(13):
        other.on(f"/secret{number}.png", 403).on(f"/login{number}.png", 200, b"<!doctype html><html>Log in</html>")
    studio = place("127.0.0.1")
    project = studio.add_project()

    def of(value: Any, number: int) -> Any:
        return value.replace("{n}", str(number)).replace("{host}", other.url) if isinstance(value, str) else value

    studio.add(project, *({key: of(value, number) for key, value in data.items()} for number in range(13)))
    code, said = attach(capsys, project)
    assert code != 0
    for each in words:
        assert each in said, said
    assert "any of 13 tasks" in said and "takes" not in said
    assert ProjectRegistry(Path("data/projects.json")).get(project) is None
    found = findings(studio, project)
    assert "bad" in {each.level for each in found} and "ok" not in {each.level for each in found}
    assert any(words[0] in each.text for each in found)


def test_a_project_that_works_is_joined_and_says_what_was_read(place: Callable[..., Studio], hosts: Any, capsys: Any) -> None:
    other = hosts().on("/p.png", 200, PNG)
    studio = place("127.0.0.1")
    project = studio.add_project()
    studio.add(project, {"image": "/data/upload/1/a.png"}, {"image": other.url + "/p.png?X-Amz-Signature=1"}, {"image": INLINE})
    code, said = attach(capsys, project)
    assert code == 0 and "Joined" in said
    for each in ("was fetched from Label Studio: 40 x 30", "was fetched from 127.0.0.1:", "was fetched from the task itself: 40 x 30"):
        assert each in said
    assert [each.level for each in findings(studio, project)] == ["ok"] * 3
    assert "base64" not in said


FROZEN = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">'
    '<Label value="Cat"/><Label value="Tom"/><Label value="Felix"/><Label value="Dog"/></RectangleLabels></View>'
)


def test_what_labels_are_for_can_be_said_beside_a_label_config_that_stays(place: Callable[..., Studio], capsys: Any) -> None:
    studio = place()
    project = studio.add_project(FROZEN)
    studio.add(project, {"image": "/data/upload/1/a.png"})
    code, said = attach(capsys, project, "--prompt", "Puss=cat face")
    assert code != 0 and "no label 'Puss'" in said and "Cat, Tom, Felix, Dog" in said
    code, said = attach(capsys, project, "--prompt", "Cat=cat face", "--learn", "Tom,Felix")
    assert code == 0 and "“cat face” → Cat" in said and "learns Tom and Felix" in said and "careful" not in said
    attach(capsys, project)  # once more, with nothing said: it stays
    registry = ProjectRegistry(Path("data/projects.json"))
    assert registry.roles(project) == LabelRoles({"cat face": "Cat"}, ("Tom", "Felix"))

    assert run(["prompt", "add", "Cat=kitten", "--project", str(project)]) == 0
    assert run(["prompt", "add", "zebra", "--project", str(project)]) != 0
    assert run(["prompt", "threshold", "--box", "0.4", "--project", str(project)]) == 0
    assert run(["prompt", "threshold", "--text", "4", "--project", str(project)]) != 0
    assert sources.from_project(Settings(), project).config.box_threshold == 0.4
    assert run(["names", "add", "Dog", "--project", str(project)]) == 0
    assert run(["names", "add", "Cat", "--project", str(project)]) != 0
    assert registry.roles(project) == LabelRoles({"cat face": "Cat", "kitten": "Cat"}, ("Tom", "Felix", "Dog"), box_threshold=0.4)
    assert studio.projects.get(project).label_config == FROZEN
    attach(capsys, project, "--prompt", "Cat=cat face, kitten", "--learn", "Tom,Felix,Dog")
    assert registry.roles(project).box_threshold == 0.4, "other words leave thresholds as they are"  # type: ignore[union-attr]
    capsys.readouterr()
    run(["names", "list", "--project", str(project)])
    assert "looked for as “cat face” and “kitten”" in capsys.readouterr().out
    assert run(["names", "add", "Maria", "--project", str(project)]) == 0, "a new name is a new label: an act of its own"
    read = sources.from_project(Settings(), project).config
    assert (read.learnt, read.generic) == (("Tom", "Felix", "Dog", "Maria"), ("Cat",))
    assert run(["names", "remove", "Maria", "--project", str(project)]) == 0
    assert sources.from_project(Settings(), project).config.unheeded == (), "nothing is said of a name that was removed here"
    assert run(["names", "rename", "Dog", "Rex", "--project", str(project)]) == 0
    assert run(["names", "remove", "Dog", "--project", str(project)]) == 0, "an earlier name, by which it was said"
    assert sources.from_project(Settings(), project).config.learnt == ("Tom", "Felix", "Rex")
    told = [each.text for each in project_checks._label_config(Settings(), studio.projects.get(project))]
    assert "Looks for 'kitten' and calls it 'Cat'." in told


def test_some_that_can_never_be_read_are_counted_by_reason_and_the_rest_is_joined(place: Callable[..., Studio], capsys: Any) -> None:
    studio = place()
    project = studio.add_project()
    good = [{"image": "/data/upload/1/a.png"}] * 24
    numbers = studio.add(project, *good, {"image": ""}, {"other": 1}, {"image": "https://cdn.example.com/a.jpg"})
    code, said = attach(capsys, project)
    assert code == 0 and "Joined" in said and "1 of 27 tasks can never be read" in said
    found = findings(studio, project)
    assert [each.level for each in found] == ["ok", "bad", "bad", "bad"]
    for each, number, words in zip(found[1:], numbers[24:], ("an empty text", "no picture under", "cdn.example.com"), strict=True):
        assert each.text.startswith("1 of 27 tasks can never be read: ") and each.text.endswith(f"(task {number})")
        assert words in each.text and each.fix


def test_many_of_one_reason_are_one_line_with_the_first_numbers(place: Callable[..., Studio]) -> None:
    studio = place()
    project = studio.add_project()
    numbers = studio.add(
        project, *({"image": f"https://cdn.example.com/{at}.jpg"} for at in range(1500)), {"image": "/data/upload/1/a.png"}
    )
    ok, bad = findings(studio, project)
    assert ok.level == "ok"
    first = ", ".join(map(str, numbers[:5]))
    assert bad.text == f"1,500 of 1,501 tasks can never be read: Pictures are not fetched from cdn.example.com (tasks {first}, …)"


def test_one_damaged_picture_is_not_its_place(place: Callable[..., Studio], host: Any) -> None:
    host.on("/data/upload/1/broken.png", 200, PNG[:300])
    studio = place()
    project = studio.add_project()
    numbers = studio.add(project, {"image": "/data/upload/1/broken.png"}, *[{"image": "/data/upload/1/a.png"}] * 4)
    (found,) = findings(studio, project)
    assert (found.level, found.text) == ("ok", f"task {numbers[2]} was fetched from Label Studio: 40 x 30")


def test_a_place_that_fails_beside_one_that_works_is_broken_for_doctor_and_careful_for_attach(
    place: Callable[..., Studio],
    hosts: Any,
    capsys: Any,
) -> None:
    other = hosts().on("/p.png", 403)
    studio = place("127.0.0.1")
    project = studio.add_project()
    studio.add(project, {"image": "/data/upload/1/a.png"}, {"image": other.url + "/p.png"})
    assert [each.level for each in findings(studio, project)] == ["ok", "bad"]
    code, said = attach(capsys, project)
    assert code == 0 and "careful" in said and "403" in said


def test_a_slow_place_is_no_refusal_and_costs_no_more_than_the_time(place: Callable[..., Studio], host: Any) -> None:
    host.on("/data/upload/1/slow.png", 200, PNG, slow=0.5)
    studio = place()
    project = studio.add_project()
    studio.add(project, *[{"image": "/data/upload/1/slow.png"}] * 3)
    begun = time.monotonic()
    found = picture_trial.judge(studio.tasks.list(project), CONFIG_OF, factory.media(Settings()), seconds=1.0)
    assert time.monotonic() - begun < 3
    assert found.tried[0].slow and not found.nothing_readable


def test_at_most_twenty_places_are_tried_and_the_rest_is_said(place: Callable[..., Studio]) -> None:
    names = [f"nobody{at}.invalid" for at in range(25)]
    studio = place(*names)
    project = studio.add_project()
    studio.add(project, *({"image": f"https://{name}/a.jpg"} for name in names))
    found = findings(studio, project)
    assert [each.level for each in found] == ["bad"] * 20 + ["ok"]
    assert found[-1].text == "5 more places were not tried"


def test_without_a_task_nothing_is_tried_and_that_is_said(place: Callable[..., Studio], capsys: Any) -> None:
    studio = place()
    project = studio.add_project()
    code, said = attach(capsys, project)
    assert code == 0 and "none was tried" in said
    assert [each.level for each in findings(studio, project)] == ["warn"]


def test_nested_keys_are_followed(place: Callable[..., Studio], capsys: Any) -> None:
    studio = place()
    project = studio.add_project(CONFIG.replace("$image", "$data.image"))
    studio.add(project, {"data": {"image": "/data/upload/1/a.png"}})
    code, said = attach(capsys, project)
    assert code == 0 and "40 x 30" in said


def test_what_the_label_config_says_to_other_backends_is_named(place: Callable[..., Studio], capsys: Any) -> None:
    studio = place()
    xml = CONFIG.replace('toName="image">', 'toName="image" model_path="yolov8n.pt" model_score_threshold="0.6">')
    project = studio.add_project(xml)
    studio.add(project, {"image": "/data/upload/1/a.png"})
    code, said = attach(capsys, project)
    assert code == 0 and 'model_path="yolov8n.pt"' in said and "0.6, from the label config" in said
    told = list(project_checks._label_config(Settings(), studio.projects.get(project)))
    assert [each.level for each in told if "model_path" in each.text] == ["warn"]


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (
            '<Repeater on="$document" indexFlag="{{idx}}"><Image name="page_{{idx}}" value="$document[{{idx}}].page"/>'
            '<RectangleLabels name="l_{{idx}}" toName="page_{{idx}}"><Label value="a"/></RectangleLabels></Repeater>',
            "Repeater",
        ),
        (
            '<Image name="image" value="$image"/><Labels name="label" toName="image"><Label value="a"/></Labels>'
            '<Rectangle name="bbox" toName="image"/>',
            "<Labels>",
        ),
        (
            '<Image name="i" valueList="$images"/><RectangleLabels name="l" toName="i"><Label value="a"/></RectangleLabels>',
            "valueList",
        ),
        ('<Image name="image" value="$image"/><RectangleLabels name="l" toName="image" value="$labels"/>', "dynamic labels"),
    ],
)
def test_a_label_config_that_can_never_work_is_refused_by_name(place: Callable[..., Studio], capsys: Any, inner: str, words: str) -> None:
    studio = place()
    project = studio.add_project(f"<View>{inner}</View>")
    studio.add(project, {"image": "/data/upload/1/a.png"})
    code, said = attach(capsys, project)
    assert code == 2 and words in said and "Joined" not in said
    (told,) = project_checks._label_config(Settings(), studio.projects.get(project))
    assert told.level == "bad" and words in told.text and told.fix


def encoded(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()


def test_further_pages_and_dark_pictures_are_said_wherever_in_the_project_they_are(place: Callable[..., Studio], host: Any) -> None:
    page = PIL.Image.new("RGB", (40, 30), (200, 40, 40))
    dark = PIL.Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40))
    host.on("/data/upload/1/pages.tif", 200, encoded(page, "TIFF", save_all=True, append_images=[page, page]))
    host.on("/data/upload/1/dark.png", 200, encoded(dark, "PNG"))
    host.on("/data/upload/1/darker.png", 200, encoded(dark.point(lambda value: value / 2), "PNG"))
    host.on("/data/upload/1/a.jpg", 200, encoded(page, "JPEG"))
    studio = place()
    project = studio.add_project()
    names = ["a.jpg"] * 30 + ["pages.tif", "a.png", "dark.png", "darker.png"]
    numbers = studio.add(project, *({"image": f"/data/upload/1/{name}"} for name in names))
    ok, pages, stretched = findings(studio, project)
    assert (ok.level, pages.level, stretched.level) == ("ok", "warn", "warn")
    assert pages.text == f"1 of 4 pictures that were looked at: has 3 pages: page 1 was used (task {numbers[30]})"
    assert stretched.text.startswith("2 of 4 pictures that were looked at: uses only 0 to 1199 of its range and was stretched")
    assert stretched.text.endswith(f"(tasks {numbers[32]}, {numbers[33]})") and stretched.fix
