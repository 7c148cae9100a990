from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from dinolabel.backend.project_registry import ProjectRecord
from dinolabel.doctor import (
    label_studio,
    machine,
    webhook,
)
from dinolabel.doctor import (
    project as project_checks,
)
from dinolabel.doctor.machine import Finding
from dinolabel.local import backend as backends
from dinolabel.local import up_state
from dinolabel.projects import connect
from dinolabel.settings import Settings
from dinolabel.studio.calls.backends import MLBackend, Webhook
from dinolabel.studio.client import LabelStudio, Project

URL = "http://10.0.0.5:9090"
SECRET = "a secret"


def token(**claims: Any) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps({"token_type": "refresh", **claims}).encode()).decode().rstrip("=") + ".c2ln"


class Answering(LabelStudio):
    """A Label Studio that is asked nothing: what it would say is set."""

    def __init__(self, url: str = "https://label.example", text: str = "x" * 40, release: str = "1.23.2", **calls: set[str]) -> None:
        super().__init__(url, text)
        self.release, self.open = release, calls
        self.all_backends: list[MLBackend] = []
        self.all_hooks: list[Webhook] = []
        self.users.whoami = lambda: {"email": "robot@example.com"}
        self.probes.may_call = self._may_call
        self.backends.list = lambda project: self.all_backends
        self.webhooks.list = lambda project: self.all_hooks

    def version(self) -> str:
        return self.release

    def _may_call(self, caller: str, url: str) -> bool | None:
        return any(host in url for host in self.open.get(caller, set()))


def look(monkeypatch: pytest.MonkeyPatch, studio: LabelStudio, tmp_path: Path) -> list[Finding]:
    monkeypatch.setattr("dinolabel.factory.studio_if_set", lambda _settings: studio)
    return list(label_studio.label_studio(Settings(data_dir=tmp_path)))


@pytest.mark.parametrize(
    ("given", "level", "missing"), [({}, "warn", "DINOLABEL_STUDIO_URL"), ({"studio_url": "http://x"}, "bad", "DINOLABEL_STUDIO_TOKEN")]
)
def test_label_studio_not_set(tmp_path: Path, given: dict[str, str], level: str, missing: str) -> None:
    only = next(iter(label_studio.label_studio(Settings(data_dir=tmp_path, **given))))  # type: ignore[arg-type]
    assert only.level == level and missing in only.text


def test_label_studio_out_of_reach(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, studio_url="http://127.0.0.1:9", studio_token="x" * 40)  # type: ignore[arg-type]
    only = next(machine.run(settings, [label_studio.label_studio]))
    assert only.level == "bad" and "http://127.0.0.1:9" in only.text and only.fix


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ("x" * 40, "ok", "legacy, of robot@example.com, expires never; sent to label.example only"),
        (token(exp=time.time() + 6e9), "ok", "personal, of robot@example.com; sent to label.example only, dinolabel renews it"),
        (token(exp=time.time() + 86_400 * 20), "warn", "until 20"),
    ],
    ids=["legacy", "personal", "personal that ends soon"],  # their own texts differ from process to process
)
def test_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, level: str, words: str) -> None:
    (found,) = [each for each in look(monkeypatch, Answering(text=text), tmp_path) if each.about == "token"]
    assert found.level == level and words in found.text and text not in found.text


@pytest.mark.parametrize(("release", "level"), [("1.23.2", None), ("1.23.9", None), ("1.20.0", "warn"), ("2.0.0", "warn")])
def test_a_release_nobody_measured_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, level: str | None) -> None:
    found = [each.level for each in look(monkeypatch, Answering(release=release), tmp_path) if "not measured" in each.text]
    assert found == ([level] if level else [])


EVERY = {"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"}


@pytest.mark.parametrize(
    ("url", "calls", "level", "words"),
    [
        ("https://label.example", {}, "ok", "calls no private address"),
        ("https://label.example", {"backends": EVERY, "webhooks": EVERY}, "warn", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and 169.254"),
        ("http://127.0.0.1:8080", {"backends": EVERY, "webhooks": EVERY}, "ok", "127.0.0.0/8"),
        ("https://label.example", {"backends": EVERY}, "warn", "for backends, but not for webhooks"),
        ("https://label.example", {"webhooks": EVERY}, "warn", "for webhooks, but not for backends"),
        ("https://label.example", {"backends": {"10.0.0.1"}, "webhooks": {"10.0.0.1"}}, "warn", "calls 10.0.0.0/8: backends connect"),
    ],
)
def test_what_its_server_may_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, calls: dict[str, set[str]], level: str, words: str
) -> None:
    (found,) = [each for each in look(monkeypatch, Answering(url, **calls), tmp_path) if each.about == "private calls"]
    assert found.level == level and words in found.text
    assert bool(found.fix) == (not url.startswith("http://127"))


def backend(state: str = "CO", error: str = "") -> MLBackend:
    return MLBackend(1, 3, URL, connect.TITLE, state, error, "v", False)


def hook(headers: Mapping[str, str], url: str = URL + "/webhook", *, active: bool = True) -> Webhook:
    return Webhook(1, url, 3, active, headers)


MARK = {connect.SECRET_HEADER: SECRET}


@pytest.mark.parametrize(
    ("backends", "hooks", "about", "level", "words"),
    [
        ([], [], "callback", "ok", "none is needed: the backend asks every 60 s"),
        ([backend()], [hook(MARK)], "callback", "ok", "Label Studio reaches our backend"),
        ([backend("DI")], [hook(MARK)], "callback", "warn", "disconnected"),
        ([backend("ER", "401")], [hook(MARK)], "callback", "bad", "401"),
        ([backend()], [hook(MARK)], "webhook", "ok", "with our secret"),
        ([backend()], [hook({})], "webhook", "bad", "does not carry our secret"),
        ([backend()], [hook({connect.SECRET_HEADER: "an old one"})], "webhook", "bad", "does not carry our secret"),
        ([backend()], [], "webhook", "warn", "none"),
        ([backend()], [hook(MARK), hook({})], "webhook", "warn", "2 of ours: each event is sent 2 times"),
        ([backend()], [hook(MARK, active=False)], "webhook", "warn", "switched off"),
        ([], [hook(MARK, "http://old:9090/webhook")], "webhook", "warn", "left of an earlier backend"),
    ],
)
def test_the_way_back(backends: list[MLBackend], hooks: list[Webhook], about: str, level: str, words: str) -> None:
    studio = Answering()
    studio.all_backends, studio.all_hooks = backends, hooks
    found = [each for each in webhook.way_back(Settings(secret=cast(Any, SECRET)), studio, 3) if each.about == about]
    assert [each.level for each in found] == [level] and words in found[0].text
    assert level == "ok" or found[0].fix
    assert SECRET not in "".join(each.text + each.fix for each in found).replace("our secret", "").replace("a secret,", "")


@pytest.mark.parametrize(("sent", "level"), [(True, "ok"), (False, "bad")])
def test_under_up_the_secret_is_its_backends(tmp_path: Path, sent: bool, level: str) -> None:
    studio = Answering()
    studio.all_backends = [backend()]
    with up_state.claim(tmp_path):
        up_state.announce(tmp_path, up_state.UpState(studio.url, "t", 3, os.getpid()))
        made = backends.secret(tmp_path)
        studio.all_hooks = [hook({connect.SECRET_HEADER: made} if sent else {})]
        (found,) = [each for each in webhook.way_back(Settings(data_dir=tmp_path), studio, 3) if each.about == "webhook"]
    assert found.level == level and ("with our secret" in found.text) == sent, found
    assert made not in found.text + found.fix


def project(labels: str, **changed: Any) -> Project:
    xml = f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{labels}</RectangleLabels></View>'
    return replace(Project(3, "P", xml, "", True, "", "", 1), **changed)


def test_names_that_look_wrong_are_said_with_what_to_do() -> None:
    labels = '<Label value="face" predicted_values="cat face"/><Label value="jason"/><Label value="Jason"/><Label value="cat"/>'
    found = [each for each in project_checks._label_config(Settings(), project(labels)) if each.level == "warn"]
    assert ["differ only in how" in each.text for each in found] == [True, False]
    assert "reads like the prompt" in found[1].text and all(each.fix for each in found)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"show_predictions": False, "model_version": "v"}, "bad", "switched off"),
        ({}, "warn", "no version is chosen"),
        ({"model_version": connect.TITLE}, "ok", "live: it must be up"),
        ({"model_version": "ours-1"}, "ok", "shown with the backend down too"),
        ({"model_version": "theirs"}, "warn", "not ours and is left alone"),
    ],
)
def test_what_is_shown(changed: dict[str, Any], level: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Answering()
    monkeypatch.setattr(studio.projects, "model_versions", lambda _project: {"ours-1": 4, "theirs": 2})
    entry = ProjectRecord(3, ("nano", "nano"), "P", "2026-11-22", {}, versions=("ours-1",))
    found = list(project_checks._shown_predictions(studio, project("", **changed), entry))
    assert found[0].level == level and words in found[0].text
    assert level == "ok" or found[0].fix
