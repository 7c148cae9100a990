"""`dinolabel up` as a new user would: a folder with a difficult name, the browser, the keys, a name more, Ctrl-C, and again."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dinolabel.backend.http import auth
from dinolabel.demo import screens
from dinolabel.local import up_state
from dinolabel.studio.client import LabelStudio
from tests.e2e import started
from tests.e2e.started import Up, alive, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PICTURES = 6
PROMPT = "cat face"


@dataclass
class Home:
    """What a person has: a folder of photos and, behind it, our data folder."""

    photos: Path
    data: Path
    environment: dict[str, str]
    shots: Path

    def up(self, log: str, *arguments: str) -> Up:
        return Up.start(self.shots / log, self.environment, str(self.photos), "--data", str(self.data), *arguments)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("home")
    photos = root / "Bilder & Äpfel" / "my #1 party (ü)"
    started.pictures(photos, PICTURES)
    (photos / "notes.txt").write_text("no picture")
    environment = started.environment(root / "data", **started.weights_environment(root / "weights"), DINOLABEL_TRAIN_AFTER="0")
    return Home(photos, root / "data", environment, root)


@pytest.fixture(scope="module")
def up(home: Home) -> Iterator[Up]:
    made = home.up("first.log", "--prompt", PROMPT, "--names", "tom,felix")
    yield made
    if made.process.poll() is None:
        made.end()


@pytest.fixture(scope="module")
def link(up: Up) -> str:
    return up.link()


@pytest.fixture
def ended(up: Up, link: str) -> None:
    """The first one was there and is not running any more, whichever tests ran before."""
    if up.process.poll() is None:
        up.end()


@pytest.fixture(scope="module")
def studio(home: Home, link: str) -> LabelStudio:
    found = up_state.find(home.data)
    assert found is not None
    return LabelStudio(found.url, found.token)


@pytest.fixture(scope="module")
def page(link: str, studio: LabelStudio) -> Iterator[Any]:
    with screens.editor(studio.url, {}) as made:
        yield made


def regions(page: Any) -> list[dict[str, Any]]:
    return list(
        page.evaluate(
            "() => Htx.annotationStore.selected.regionStore.regions.map(r => "
            "({id: r.cleanId || r.id, labels: r.labels, score: r.score, selected: r.inSelection}))"
        )
    )


def keys(page: Any, *names: str) -> None:
    """As fast as a person who knows what they want."""
    for name in names:
        page.keyboard.press(name)
        page.wait_for_timeout(300)


def test_it_says_what_it_does_and_how_to_go_on(up: Up, link: str, home: Home) -> None:
    until(lambda: "Ctrl-C" in up.said(), seconds=30, what=up.said)  # the last of it comes a moment after the link
    said = " ".join(up.said().split())
    for each in (
        f"Label {home.photos}",
        f"pictures {PICTURES}",
        "left out 1 other file (1 .txt)",
        "looks for “cat face”",
        "learns tom and felix",
        "your photos stay where they are",
        "n next box",
        "1 tom",
        "2 felix",
        "space submit",
        "dinolabel names add",
        "watch http://127.0.0.1:",
        "Ctrl-C",
    ):
        assert each in said, said
    assert "Traceback" not in said and "Warning" not in said
    assert home.environment["DINOLABEL_DATA_DIR"] == str(home.data)


def test_the_link_opens_the_labelling_screen_with_boxes(page: Any, link: str, home: Home) -> None:
    page.goto(link, wait_until="domcontentloaded")
    page.wait_for_function(screens.REGIONS_DRAWN, timeout=60_000)
    until(lambda: regions(page), seconds=30, what=lambda: page.url)
    page.wait_for_timeout(1500)
    page.screenshot(path=str(home.shots / "opened.png"))
    assert "/user/login" not in page.url
    assert all(each["labels"] == [PROMPT] and 0 <= each["score"] <= 1 for each in regions(page))


def test_n_digit_space_name_every_box_and_submit(page: Any, studio: LabelStudio, home: Home) -> None:
    task = page.evaluate("() => Htx.task.id")
    count = len(regions(page))
    keys(page, *["n", "1"] * count)
    page.screenshot(path=str(home.shots / "named.png"))
    assert [each["labels"] for each in regions(page)] == [["tom"]] * count
    keys(page, "Space")
    page.wait_for_function(f"() => window.Htx?.task && String(Htx.task.id) !== '{task}'", timeout=30_000)
    (annotation,) = studio.tasks.get(int(task))["annotations"]
    assert [each["value"]["rectanglelabels"] for each in annotation["result"]] == [["tom"]] * count
    assert {each["origin"] for each in annotation["result"]} == {"prediction-changed"}
    assert annotation["parent_prediction"] and annotation["lead_time"] is not None


def test_the_next_picture_has_boxes_too(page: Any, home: Home) -> None:
    page.wait_for_function(screens.REGIONS_DRAWN, timeout=60_000)
    assert until(lambda: regions(page), seconds=30)
    page.wait_for_timeout(1000)
    page.screenshot(path=str(home.shots / "next.png"))


def test_every_picture_is_a_task_and_nothing_else_is(studio: LabelStudio, home: Home) -> None:
    found = up_state.find(home.data)
    assert found is not None
    rows = until(lambda: [row for row in studio.tasks.list(found.project) if row.versions], seconds=120)
    until(lambda: len([row for row in studio.tasks.list(found.project) if row.versions or row.annotated]) == PICTURES, seconds=120)
    assert len(list(studio.tasks.list(found.project))) == PICTURES
    assert all("/data/local-files/?d=" in str(row.data["image"]) for row in rows)


def test_backend_and_one_webhook_with_our_secret_are_connected(studio: LabelStudio, home: Home) -> None:
    found = up_state.find(home.data)
    assert found is not None
    (backend,) = studio.backends.list(found.project)
    assert (backend.title, backend.state) == ("dinolabel", "CO")
    (hook,) = studio.webhooks.list(found.project)
    assert hook.url == f"{backend.url}/webhook"
    assert list(hook.headers.values()) == [(home.data / "secret").read_text().strip()]


def test_a_name_is_added_while_people_work(page: Any, studio: LabelStudio, home: Home) -> None:
    found = up_state.find(home.data)
    assert found is not None
    before = studio.projects.get(found.project).label_config
    ended = started.run(home.environment, "names", "add", "maria")
    assert (ended.returncode, "maria is on key 3" in ended.stdout) == (0, True), ended
    after = studio.projects.get(found.project).label_config
    assert re.sub(r'<Label value="maria" hotkey="3" background="#\w{6}"/>', "", after).split() == before.split()
    page.reload(wait_until="domcontentloaded")
    page.wait_for_function(screens.REGIONS_DRAWN, timeout=60_000)
    until(lambda: regions(page), seconds=30)
    keys(page, "n", "3")
    assert ["maria"] in [each["labels"] for each in regions(page)]
    listed = started.run(home.environment, "names", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["0", "1", "2", "3"]


def test_the_board_link_lets_the_browser_in_once_and_its_buttons_work(page: Any, up: Up, home: Home) -> None:
    link = up.board_link()
    board = page.context.new_page()
    board.set_viewport_size({"width": 1120, "height": 760})
    board.goto(link, wait_until="domcontentloaded")
    board.get_by_text("Pictures", exact=True).wait_for(timeout=60_000)
    said = " ".join(board.inner_text("main").split())
    assert "tom 1" in said and "until it can be judged" in said and "5 without an answer, 1 with one" in said, said
    assert link.rsplit("/", 1)[1] not in board.url and (home.data / "secret").read_text().strip() not in board.url + board.content()
    board.screenshot(path=str(home.shots / "board.png"))
    board.get_by_role("button", name="Train now").click()
    board.get_by_text("train, project").wait_for(timeout=30_000)
    board.goto(link)
    assert "used already" in board.inner_text("body")
    board.close()
    until(
        lambda: "Training begins: asked for by /train." in up.said() and "Training is over, the new head is used" in up.said(),
        seconds=120,
        what=up.said,
    )
    log = (home.data / "jobs" / "serve.log").read_text(encoding="utf-8")
    assert "/enter/" not in log and auth.COOKIE not in log


@pytest.mark.parametrize("arguments", [["attach", "--project", "{project}", "--yes"], ["detach", "--project", "{project}", "--yes"]])
def test_another_terminal_does_not_take_its_project_away(home: Home, studio: LabelStudio, arguments: list[str]) -> None:
    found = up_state.find(home.data)
    assert found is not None
    ended = started.run(home.environment, *(each.replace("{project}", str(found.project)) for each in arguments))
    assert ended.returncode == 2 and "`dinolabel up` runs with this project" in ended.stderr, ended


def test_another_terminal_takes_its_weights(home: Home, link: str) -> None:
    bare = {name: value for name, value in home.environment.items() if not name.endswith("_WEIGHTS")}
    assert len(bare) < len(home.environment)
    ended = started.run(bare, "doctor")
    assert ended.returncode == 0 and "attached" in ended.stdout, ended
    said = " ".join(ended.stdout.split())
    assert "`dinolabel up` with this data folder" in said and "the settings name" not in said, said


def test_doctor_finds_all_well(home: Home, studio: LabelStudio) -> None:
    ended = started.run(home.environment, "doctor")
    assert ended.returncode == 0, ended.stdout
    said = " ".join(ended.stdout.split())
    for each in ("started by `dinolabel up`", "token legacy", "Looks for 'cat face'", "was fetched", "Label Studio reaches our backend"):
        assert each in said, said


def test_a_second_one_on_the_same_data_is_refused(home: Home, link: str) -> None:
    ended = started.run(home.environment, "up", str(home.photos), "--prompt", PROMPT, "--data", str(home.data), "--no-browser")
    assert ended.returncode == 2 and "already running" in ended.stderr and "--data" in ended.stderr


@pytest.mark.parametrize("name", ["running.json", "up.json", "secret", "studio/token", "studio/password"])
def test_secrets_are_for_this_user_only(home: Home, link: str, name: str) -> None:
    assert stat.S_IMODE((home.data / name).stat().st_mode) == 0o600


def test_no_secret_is_in_a_log(home: Home, up: Up) -> None:
    secrets = [(home.data / name).read_text().strip() for name in ("secret", "studio/token")]
    for log in (up.log, home.data / "jobs" / "serve.log"):
        assert not [each for each in secrets if each in log.read_text(encoding="utf-8")]


def test_ctrl_c_ends_every_process(home: Home, up: Up, studio: LabelStudio) -> None:
    family = up.family()
    assert len(family) >= 5, family  # up, two keepers, Label Studio, the backend
    assert up.end(signal.SIGINT) == 0, up.said()
    assert until(lambda: not alive(family), seconds=20, what=lambda: alive(family))
    assert up_state.find(home.data) is None and not (home.data / up_state.NOTE).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(studio.url).port or 0), timeout=5)
    assert "Stopped." in up.said() and "Traceback" not in up.said()


def test_again_goes_on_where_it_was(home: Home, studio: LabelStudio, ended: None) -> None:
    (home.photos / "zz new.jpg").write_bytes(sorted(home.photos.glob("*.jpg"))[0].read_bytes())
    again = home.up("again.log")
    try:
        again.link()
        found = up_state.find(home.data)
        assert found is not None
        assert (found.url, found.token) == (studio.url, studio.api.token.header(str).removeprefix("Token "))
        rows = list(studio.tasks.list(found.project))
        assert (len(rows), sum(row.annotated for row in rows)) == (PICTURES + 1, 1)
        assert (
            len(studio.projects.list()) == 1
            and len(studio.backends.list(found.project)) == 1
            and len(studio.webhooks.list(found.project)) == 1
        )
        until(lambda: all(row.versions or row.annotated for row in studio.tasks.list(found.project)), seconds=120)
    finally:
        family = again.family()
        os.kill(again.process.pid, signal.SIGKILL)
        again.process.wait()
    assert until(lambda: not alive(family), seconds=30, what=lambda: alive(family)), "killed, it left processes behind"
    assert up_state.find(home.data) is None


def test_a_backend_that_dies_ends_it_with_a_reason(home: Home, ended: None) -> None:
    running_up = home.up("died.log")
    running_up.link()
    family = running_up.family()
    (backend,) = [each for each, command in family.items() if command.endswith("dinolabel serve") and "watchdog.py" not in command]
    os.kill(backend, signal.SIGKILL)
    assert running_up.process.wait(60) == 1
    assert "The backend has stopped." in running_up.said() and "serve.log" in running_up.said() and "Traceback" not in running_up.said()
    assert until(lambda: not alive(family), seconds=20, what=lambda: alive(family))


def test_sigterm_while_it_starts_leaves_nothing_behind(home: Home, ended: None) -> None:
    starting = home.up("stopped.log")
    until(lambda: any("label-studio" in command for command in starting.family().values()), seconds=60, what=starting.said)
    family = starting.family()
    assert starting.end(signal.SIGTERM) == 0, starting.said()
    assert until(lambda: not alive(family), seconds=20, what=lambda: alive(family))
    assert "Stopped." in starting.said() and "Traceback" not in starting.said()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere", "--prompt", "x"], 3, "There is no folder"),
        ([".", "--prompt", "x"], 2, "There is no picture"),
        (["photos"], 2, "nothing to look for"),
        (["photos", "--prompt", "x", "--names", "a,A"], 2, "given already"),
        (["photos", "--prompt", "x", "--weights", "/no/such/weights"], 4, "/no/such/weights"),
    ],
)
def test_what_cannot_work_is_said_at_once(home: Home, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "here").mkdir()
    started.pictures(tmp_path / "photos", 1)
    first = tmp_path / "here" if arguments[0] == "." else tmp_path / arguments[0]
    data = tmp_path / "data"
    ended = started.run({**home.environment, "DINOLABEL_DATA_DIR": str(data)}, "up", str(first), *arguments[1:], "--no-browser")
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    assert not (data / "studio").exists() and len(ended.stderr.strip().splitlines()[-2:]) == 2
