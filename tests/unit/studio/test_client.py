from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinolabel.studio import http_client
from dinolabel.studio.calls import predictions
from dinolabel.studio.client import LabelStudio, StudioUser
from dinolabel.studio.errors import ProjectMissing, StudioBusy, StudioDenied, StudioRefused, StudioUnreachable
from dinolabel.studio.tokens import Token
from dinolabel.vision.errors import StudioError

LEGACY = "0123456789abcdef0123456789abcdef01234567"


def jwt(**claims: Any) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


PERSONAL = jwt(token_type="refresh", exp=9e9)


def access(n: int, *, lives: float = 300.0) -> str:
    return jwt(token_type="access", exp=time.time() + lives, n=n)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "RETRY_AFTER_SECONDS", (0.0, 0.0))


@pytest.fixture
def studio(host: Any) -> LabelStudio:
    return LabelStudio(host.url, LEGACY, timeout=2)


def asked(host: Any) -> list[tuple[str, str]]:
    return [(each.method, each.path) for each in host.asked]


# tokens


@pytest.mark.parametrize(("text", "kind"), [(LEGACY, "legacy"), (f" {LEGACY}\n", "legacy"), (PERSONAL, "personal"), ("a.b.c", "legacy")])
def test_kinds_of_token(text: str, kind: str) -> None:
    token = Token(text)
    assert token.kind == kind
    assert repr(token) == f"Token({kind})"


@pytest.mark.parametrize(
    "text",
    ["", "  ", "two words", "zeilen\numbruch", "schlüssel", access(1)],
    ids=["empty", "blank", "two words", "two lines", "no ascii", "access token"],
)
def test_what_is_no_token_is_named(text: str) -> None:
    with pytest.raises(StudioDenied) as caught:
        Token(text)
    assert caught.value.hint


def test_a_legacy_token_is_sent_as_it_is(host: Any, studio: LabelStudio) -> None:
    host.on("/api/current-user/whoami", 200, {"id": 1})
    assert studio.users.whoami() == {"id": 1}
    assert host.authorizations() == [f"Token {LEGACY}"]


def test_a_personal_token_is_exchanged_once_and_itself_sent_nowhere_else(host: Any) -> None:
    one = access(1)
    host.on("/api/token/refresh/", 200, {"access": one}).on("/api/current-user/whoami", 200, {"id": 1})
    studio = LabelStudio(host.url, PERSONAL)
    studio.users.whoami()
    studio.users.whoami()
    assert asked(host) == [("POST", "/api/token/refresh/"), ("GET", "/api/current-user/whoami"), ("GET", "/api/current-user/whoami")]
    assert host.asked[0].json == {"refresh": PERSONAL}
    assert host.authorizations() == [None, f"Bearer {one}", f"Bearer {one}"]


def test_an_access_token_near_its_end_is_renewed_before_it_is_used(host: Any) -> None:
    old, new = access(1, lives=20), access(2)
    host.on("/api/token/refresh/", 200, {"access": old}).on("/api/token/refresh/", 200, {"access": new})
    host.on("/api/current-user/whoami", 200, {"id": 1})
    studio = LabelStudio(host.url, PERSONAL)
    studio.users.whoami()
    studio.users.whoami()
    assert [each for each in host.authorizations() if each] == [f"Bearer {old}", f"Bearer {new}"]


@pytest.mark.parametrize(
    ("method", "call"), [("GET", lambda s: s.users.whoami()), ("PATCH", lambda s: s.projects.set_model_version(1, "v"))]
)
def test_a_401_is_tried_once_more_with_a_fresh_access_token(host: Any, method: str, call: Callable[[LabelStudio], Any]) -> None:
    host.on("/api/token/refresh/", 200, {"access": access(1)}).on("/api/token/refresh/", 200, {"access": access(2)})
    for path in ("/api/current-user/whoami", "/api/projects/1/"):
        host.on(path, 401, {"detail": "expired"}).on(path, 200, {"id": 1})
    call(LabelStudio(host.url, PERSONAL))
    assert [each[0] for each in asked(host)] == ["POST", method, "POST", method]


def test_many_threads_exchange_once(host: Any) -> None:
    host.on("/api/token/refresh/", 200, {"access": access(1)}).on("/api/current-user/whoami", 200, {"id": 1})
    studio = LabelStudio(host.url, PERSONAL)
    threads = [threading.Thread(target=studio.users.whoami) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(path == "/api/token/refresh/" for _, path in asked(host)) == 1
    assert len(host.asked) == 9


@pytest.mark.parametrize(
    ("token", "path", "words", "expected"),
    [
        (LEGACY, "/api/current-user/whoami", "Invalid token.", ["legacy token", "Invalid token."]),
        (
            LEGACY,
            "/api/current-user/whoami",
            "Authentication token no longer valid: legacy token authentication has been disabled for this organization",
            ["does not accept legacy tokens any more"],
        ),
        (PERSONAL, "/api/token/refresh/", "Token is blacklisted", ["personal token", "Token is blacklisted"]),
    ],
)
def test_a_refused_token_is_named_with_both_ways_out(host: Any, token: str, path: str, words: str, expected: list[str]) -> None:
    host.on(path, 401, {"detail": words})
    with pytest.raises(StudioDenied) as caught:
        LabelStudio(host.url, token).users.whoami()
    for each in (*expected, host.url):
        assert each in str(caught.value)
    assert "personal access token" in caught.value.hint
    assert "legacy tokens" in caught.value.hint
    assert token not in str(caught.value)


# errors


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (400, {"detail": "Validation error", "validation_errors": {"title": ["too short"]}}, StudioRefused, "too short"),
        (404, {"detail": "No Project matches the given query."}, ProjectMissing, "There is no project 1"),
        (403, {"detail": "You do not have permission"}, StudioDenied, "do not have permission"),
        (403, {"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"}, StudioRefused, "reserved network"),
        (500, b"<html>secret traceback</html>", StudioRefused, "500"),
        (502, b"bad gateway", StudioUnreachable, "502"),
        (200, b"<html>a parked domain</html>", StudioUnreachable, "does not speak like Label Studio"),
        (413, b"", StudioRefused, "413"),
    ],
)
def test_answers_that_are_errors(host: Any, studio: LabelStudio, status: int, body: Any, error: type[StudioError], words: str) -> None:
    host.on("/api/projects/1/", status, body)
    with pytest.raises(error) as caught:
        studio.projects.get(1)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert "traceback" not in str(caught.value)
    if isinstance(caught.value, StudioRefused):
        assert caught.value.status == status


def test_very_long_words_are_cut(host: Any, studio: LabelStudio) -> None:
    host.on("/api/projects/1/", 400, {"detail": "x" * 10_000})
    with pytest.raises(StudioRefused) as caught:
        studio.projects.get(1)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://", "/path"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(StudioUnreachable, match="no address"):
        LabelStudio(url, LEGACY)


def test_nobody_there(hosts: Any) -> None:
    gone = hosts()
    gone.server.server_close()
    with pytest.raises(StudioUnreachable) as caught:
        LabelStudio(gone.url, LEGACY).users.whoami()
    assert gone.url in str(caught.value)


def test_too_slow(host: Any) -> None:
    host.on("/api/version", 200, b"x" * 10, slow=1.0)
    with pytest.raises(StudioUnreachable):
        LabelStudio(host.url, LEGACY, timeout=0.2).version()


def test_a_redirect_is_not_followed_and_no_other_host_sees_the_token(hosts: Any) -> None:
    home, other = hosts(), hosts()
    other.on("/api/projects/1/", 200, {"id": 1})
    home.on("/api/projects/1/", 301, headers={"Location": other.url + "/api/projects/1/"})
    studio = LabelStudio(home.url, LEGACY)
    for call in (lambda: studio.projects.get(1), lambda: studio.projects.set_model_version(1, "v")):
        with pytest.raises(StudioUnreachable, match="redirects to"):
            call()
    assert other.asked == []


def test_a_netrc_does_not_overrule_the_token(host: Any, studio: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    host.on("/api/version", 200, {"release": "1.23.2"})
    assert studio.version() == "1.23.2"
    assert host.authorizations() == [f"Token {LEGACY}"]


def test_a_proxy_is_not_asked_for_our_own_machine(host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    host.on("/api/version", 200, {"release": "1.23.2"})
    assert studio.version() == "1.23.2"


def test_cookies_are_not_kept(host: Any, studio: LabelStudio) -> None:
    host.on("/api/version", 200, {"release": "1"}, headers={"Set-Cookie": "sessionid=abc; Path=/"})
    studio.version()
    studio.version()
    assert [each.headers.get("Cookie") for each in host.asked] == [None, None]


@pytest.mark.parametrize(
    ("call", "times", "succeeds"), [(lambda s: s.projects.get(1), 3, True), (lambda s: s.projects.set_model_version(1, "v"), 1, False)]
)
def test_only_what_changes_nothing_is_tried_again(
    host: Any, studio: LabelStudio, call: Callable[[LabelStudio], Any], times: int, succeeds: bool
) -> None:
    host.on("/api/projects/1/", 503).on("/api/projects/1/", 502).on("/api/projects/1/", 200, {"id": 1})
    if succeeds:
        call(studio)
    else:
        with pytest.raises(StudioUnreachable):
            call(studio)
    assert len(host.asked) == times


# calls


def rows(*numbers: int, versions: str = "") -> list[dict[str, Any]]:
    return [{"id": each, "data": {}, "predictions_model_versions": versions} for each in numbers]


def test_listing_walks_the_pages(host: Any, studio: LabelStudio) -> None:
    host.on("/api/tasks", 200, {"total": 3, "tasks": rows(1, 2)}).on("/api/tasks", 200, {"total": 3, "tasks": rows(3)})
    assert [each.id for each in studio.tasks.list(5)] == [1, 2, 3]
    assert ["page=1" in host.asked[0].path, "page=2" in host.asked[1].path] == [True, True]


def test_listing_ends_when_tasks_vanish_between_pages(host: Any, studio: LabelStudio) -> None:
    host.on("/api/tasks", 200, {"total": 3, "tasks": rows(1, 2)}).on("/api/tasks", 404, {"detail": "Invalid page."})
    assert [each.id for each in studio.tasks.list(5)] == [1, 2]


def test_listing_of_no_project_is_an_error(host: Any, studio: LabelStudio) -> None:
    with pytest.raises(StudioRefused):
        list(studio.tasks.list(5))


@pytest.mark.parametrize(
    ("reply", "versions", "annotated", "cancelled"),
    [
        ({"predictions_model_versions": "a,b"}, {"a", "b"}, False, False),
        ({"predictions_model_versions": "a, a"}, {"a"}, False, False),
        ({"predictions_model_versions": ""}, set(), False, False),
        ({"predictions_model_versions": None}, set(), False, False),
        ({}, set(), False, False),
        ({"total_annotations": 2}, set(), True, False),
        ({"total_annotations": 0, "cancelled_annotations": 1}, set(), False, True),
    ],
)
def test_rows(host: Any, studio: LabelStudio, reply: dict[str, Any], versions: set[str], annotated: bool, cancelled: bool) -> None:
    host.on("/api/tasks", 200, {"total": 1, "tasks": [{"id": 1, **reply}]})
    (row,) = studio.tasks.list(5)
    assert (row.versions, row.annotated, row.cancelled) == (frozenset(versions), annotated, cancelled)


def prediction(task: int, version: str = "v") -> dict[str, Any]:
    return {"task": task, "result": [], "score": 0.5, "model_version": version}


BULK = "/api/projects/5/import/predictions"
UNKNOWN_TASK = {"detail": "Validation error", "validation_errors": ["contains invalid task field"]}


def test_predictions_go_in_chunks(host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "CHUNK", 2)
    host.on(BULK, 201, {"created": 2}).on(BULK, 201, {"created": 2}).on(BULK, 201, {"created": 1})
    assert studio.predictions.import_many(5, [prediction(each) for each in range(1, 6)]) == 5
    assert [[each["task"] for each in one.json] for one in host.asked] == [[1, 2], [3, 4], [5]]


def test_nothing_to_import_asks_nothing(host: Any, studio: LabelStudio) -> None:
    assert studio.predictions.import_many(5, []) == 0
    assert host.asked == []


def test_what_label_studio_drops_is_named_after_the_rest_is_stored(host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "CHUNK", 2)
    host.on(BULK, 201, {"created": 1}).on(BULK, 201, {"created": 2})
    host.on("/api/tasks", 200, {"total": 2, "tasks": rows(1, versions="v") + rows(2, versions="older")})
    with pytest.raises(StudioRefused) as caught:
        studio.predictions.import_many(5, [prediction(each) for each in (1, 2, 3, 4)])
    assert caught.value.tasks == (2,)
    assert "stored 3 of 4" in str(caught.value)
    assert sum(path == BULK for _, path in asked(host)) == 2


def test_tasks_deleted_meanwhile_are_passed_over(host: Any, studio: LabelStudio) -> None:
    host.on(BULK, 400, UNKNOWN_TASK).on(BULK, 201, {"created": 2}).on("/api/tasks", 200, {"total": 2, "tasks": rows(1, 3)})
    assert studio.predictions.import_many(5, [prediction(each) for each in (1, 2, 3)]) == 2
    assert [[each["task"] for each in one.json] for one in host.asked if one.method == "POST"] == [[1, 2, 3], [1, 3]]


def test_a_chunk_of_deleted_tasks_only_is_passed_over(host: Any, studio: LabelStudio) -> None:
    host.on(BULK, 400, UNKNOWN_TASK).on("/api/tasks", 200, {"total": 0, "tasks": []})
    assert studio.predictions.import_many(5, [prediction(1)]) == 0


@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_that_is_not_about_deleted_tasks_is_raised(host: Any, studio: LabelStudio, status: int) -> None:
    host.on(BULK, status, {"detail": "score must be a number"}).on("/api/tasks", 200, {"total": 1, "tasks": rows(1)})
    with pytest.raises(StudioRefused, match=str(status)):
        studio.predictions.import_many(5, [prediction(1)])
    assert sum(path == BULK for _, path in asked(host)) == 1


def test_tasks_that_keep_vanishing_end_in_an_error(host: Any, studio: LabelStudio) -> None:
    host.on(BULK, 400, UNKNOWN_TASK)
    host.on("/api/tasks", 200, {"total": 2, "tasks": rows(1, 2)}).on("/api/tasks", 200, {"total": 1, "tasks": rows(1)})
    with pytest.raises(StudioRefused):
        studio.predictions.import_many(5, [prediction(each) for each in (1, 2, 3)])


def test_one_webhook_is_left(host: Any, studio: LabelStudio) -> None:
    url = "http://127.0.0.1:9090/webhook"
    hook = {"project": 5, "url": url, "headers": {}, "is_active": True}
    host.on(
        "/api/webhooks/?project=5", 200, [{"id": 1, **hook}, {"id": 2, **hook, "url": url + "/"}, {"id": 3, **hook, "url": "http://other"}]
    )
    host.on("/api/webhooks/1/", 200, {"id": 1, **hook, "headers": {"X-Secret": "s"}}).on("/api/webhooks/2/", 204)
    made = studio.webhooks.set(5, url, {"X-Secret": "s"})
    assert (made.id, made.headers) == (1, {"X-Secret": "s"})
    assert "X-Secret" not in repr(made)
    assert asked(host)[1:] == [("DELETE", "/api/webhooks/2/"), ("PATCH", "/api/webhooks/1/")]


def test_keys_are_a_persons_own(host: Any, studio: LabelStudio) -> None:
    host.on("/api/users/", 200, [{"id": 3, "email": "jo@example.org", "initials": "jo"}])
    host.on("/api/users/3/", 200, {"id": 3, "custom_hotkeys": {"a:b": {"key": "x", "active": False}}})
    (jo,) = studio.users.list()
    assert (jo, studio.users.hotkeys(jo.id)) == (StudioUser(3, "jo@example.org"), {"a:b": {"key": "x", "active": False}})
    studio.users.set_hotkeys(jo.id, {"regions:region:cycle": {"key": "n", "active": True}})
    assert (host.asked[-1].method, host.asked[-1].path) == ("PATCH", "/api/users/3/")
    assert host.asked[-1].json == {"custom_hotkeys": {"regions:region:cycle": {"key": "n", "active": True}}}


def test_uploads_go_in_batches_and_keep_their_order(
    host: Any, studio: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinolabel.studio.calls import tasks

    monkeypatch.setattr(tasks, "UPLOAD_FILES", 2)
    paths = [tmp_path / f"ä {at}.png" for at in range(3)]
    for each in paths:
        each.write_bytes(b"png")
    host.on("/api/projects/5/import", 201, {"task_ids": [11, 12]}).on("/api/projects/5/import", 201, {"task_ids": [13]})
    assert studio.tasks.upload_images(5, paths) == [11, 12, 13]
    assert [one.body.count(b"Content-Type: image/png") for one in host.asked] == [2, 1]


def test_an_upload_that_does_not_name_its_tasks_is_an_error(host: Any, studio: LabelStudio, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    host.on("/api/projects/5/import", 201, {"import": 3})
    with pytest.raises(StudioRefused, match="background"):
        studio.tasks.upload_images(5, [tmp_path / "a.png"])


@pytest.mark.parametrize(
    ("before", "after", "put_back"),
    [("dinolabel", "", True), ("v2", "v2", False), ("v1", "", False), ("", "", False)],
)
def test_what_is_shown_stays_shown_when_another_version_is_deleted(
    host: Any, studio: LabelStudio, before: str, after: str, put_back: bool
) -> None:
    host.on("/api/projects/5/", 200, {"id": 5, "model_version": before}).on("/api/projects/5/", 200, {"id": 5, "model_version": after})
    host.on("/api/projects/5/model-versions/", 200, {"deleted_predictions": 3})
    assert studio.projects.delete_version(5, "v1") == 3
    assert [each.json for each in host.asked if each.method == "PATCH"] == ([{"model_version": before}] if put_back else [])


def test_a_proxy_that_gives_up_waiting_does_not_make_us_delete_twice(
    host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: nginx answers 504 after 60 s; Label Studio goes on and is done later."""
    monkeypatch.setattr("dinolabel.studio.calls.projects.AGAIN_SECONDS", 0.01)
    host.on("/api/projects/5/", 200, {"id": 5, "model_version": "v2"})
    answers: list[tuple[int, Any]] = [(504, b"<html>"), (200, {"v1": 3, "v2": 9}), (200, {"v1": 3, "v2": 9}), (200, {"v2": 9})]
    for status, body in answers:
        host.on("/api/projects/5/model-versions/", status, body)
    assert studio.projects.delete_version(5, "v1") == 3
    assert [each.method for each in host.asked if "model-versions" in each.path] == ["DELETE", "GET", "GET", "GET"]


def test_a_storage_that_a_worker_reads_is_waited_for(host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinolabel.studio.calls.projects.AGAIN_SECONDS", 0.01)
    host.on("/api/storages/localfiles/2/sync", 200, {"status": "queued", "last_sync_count": None})
    for status, count in (("in_progress", 3), ("completed", 12)):
        host.on("/api/storages/localfiles/2", 200, {"status": status, "last_sync_count": count})
    assert studio.local_storages.sync(2) == 12


def test_a_storage_that_cannot_be_read_is_said(host: Any, studio: LabelStudio) -> None:
    host.on("/api/storages/localfiles/2/sync", 200, {"status": "failed"})
    with pytest.raises(StudioRefused, match="could not read"):
        studio.local_storages.sync(2)


def test_a_backend_becomes_interactive_without_losing_its_password(host: Any, studio: LabelStudio) -> None:
    known = {
        "id": 4,
        "project": 9,
        "url": "http://b.test",
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": "dinolabel",
        "title": "dinolabel",
    }
    host.on("/api/ml/4", 200, known)
    studio.backends.set_interactive(4)
    expected = {"project": 9, "url": "http://b.test", "is_interactive": True, "auth_method": "BASIC_AUTH", "basic_auth_user": "dinolabel"}
    assert (host.asked[-1].method, host.asked[-1].json) == ("PATCH", expected | {"basic_auth_pass": ""})
    host.on("/api/ml/5", 200, {"id": 5, "project": 9, "url": "http://b.test", "auth_method": "NONE"})
    studio.backends.set_interactive(5)
    assert host.asked[-1].json == {"project": 9, "url": "http://b.test", "is_interactive": True}


def test_a_project_that_is_not_there_is_told_with_those_that_are(host: Any, studio: LabelStudio) -> None:
    rows = [{"id": number, "title": title} for number, title in ((4, "Dogs"), (1, "Cats of the lab"))]
    host.on("/api/projects/7/", 404, {"detail": "No Project matches the given query."}).on("/api/projects/", 200, {"results": rows})
    with pytest.raises(ProjectMissing, match="There is no project 7; there are: 1 Cats of the lab, 4 Dogs") as told:
        studio.projects.get(7)
    assert (told.value.status, told.value.hint) == (404, "Name one of them with --project N.")


def test_one_prediction_alone_is_posted(host: Any, studio: LabelStudio) -> None:
    host.on("/api/predictions/", 201, {"id": 77})
    assert studio.predictions.create(prediction(3)) == 77
    assert [(each.method, each.json["task"]) for each in host.asked] == [("POST", 3)]


# too many requests


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("120", 120.0), ("99999", 600.0), ("soon", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("-5", 0.0), ("", 0.0)],
)
def test_who_asks_for_fewer_requests_is_named_with_its_pause(host: Any, studio: LabelStudio, told: str, seconds: float) -> None:
    host.on("/api/current-user/whoami", 429, {"detail": "Throttled."}, headers={"Retry-After": told})
    with pytest.raises(StudioBusy) as caught:
        studio.users.whoami()
    assert (caught.value.seconds, len(host.asked)) == (seconds, 1)


def test_a_short_pause_is_waited_out_by_what_changes_something_too(host: Any, studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(http_client.time, "sleep", slept.append)
    host.on("/api/thing", 429, headers={"Retry-After": "2"}).on("/api/thing", 200, {"id": 1})
    assert studio.api.json("POST", "/api/thing", json={}) == {"id": 1}
    assert slept == [2.0]
