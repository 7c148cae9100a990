"""The wall's page and its JSON, on Flask: what the browser asks and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from waitress import create_server
from waitress.server import BaseWSGIServer

from dinolabel.vision.errors import DinolabelError, MediaError, RequestError, SettingsError
from dinolabel.vision.types import Box, Image
from dinolabel.wall.grouping.crop_map import CropMap
from dinolabel.wall.names import NameList
from dinolabel.wall.payloads import AnswerBody, Body, FindBody, MergeBody, NoBody, PageBody, SplitBody, read_body
from dinolabel.wall.studio_sync import StudioSync
from dinolabel.wall.thumbnails import ThumbnailCache
from dinolabel.wall.wall import Group, Suggestion, Wall

FIRST = 12
"""Crops of a group that come with the list of groups."""
THREADS = 8
MOST = 500
"""Groups or crops in one answer."""
POLICY = "; ".join(
    ["default-src 'none'", "img-src 'self' data:", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'"]
)
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


@dataclass(frozen=True)
class WallServices:
    """What the page is made of. title: of the project. who: whom answers are noted for. load: a crop's picture and box, for thumbnails.

    task_url: where a task opens in Label Studio, with {task} in it. hosts: names under which the page may be asked; None: any.
    """

    wall: Wall
    sync: StudioSync
    names: NameList
    thumbnails: ThumbnailCache
    load: Callable[[int], tuple[Image, Box]]
    title: str
    who: str
    task_url: str
    failed: Mapping[int, str]
    hosts: frozenset[str] | None = frozenset(LOOPBACK)


def create_app(services: WallServices) -> Flask:
    """A WSGI app: the page at `/`, its data below `/api`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 4 * 2**20
    app.before_request(lambda: _check_host(services.hosts))
    app.after_request(_add_headers)
    app.errorhandler(DinolabelError)(_refuse)
    _add_pages(app, services)
    _add_answers(app, services)
    return app


def serve(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A server that listens; its `run` answers until `close`. port: 0 takes a free one. Raises SettingsError when it is taken."""
    try:
        return create_server(app, host=host, port=port, threads=THREADS, ident=None)
    except OSError as error:
        raise SettingsError(f"Port {port} of {host} cannot be used.", hint="Name another one with --port; 0 takes a free one.") from error


def _add_pages(app: Flask, services: WallServices) -> None:
    wall = services.wall

    @app.get("/")
    def home() -> str:
        """The page."""
        return render_template("wall.html", title=services.title)

    @app.get("/api/state")
    def state() -> Response:
        """Names with their keys and counts, what is left, and what Label Studio does not know yet."""
        names = wall.names()
        keys = services.names.hotkeys()
        sync = services.sync.status()
        told = {
            "names": [{"name": each, "key": keys.get(each, ""), "count": len(names.get(each, ()))} for each in services.names.all(names)],
            "open": len(wall.open_crops()),
            "groups": len(wall.groups()),
            "answers": len(wall.journal.answers()),
            "who": services.who,
            "task_url": services.task_url,
            "failed": {str(task): why for task, why in services.failed.items()},
            "sync": {"waiting": sync.waiting, "trouble": sync.trouble, "left": {str(task): why for task, why in sync.left.items()}},
        }
        return jsonify(told)

    @app.get("/api/groups")
    def groups() -> Response:
        """The groups from a place on, the largest first, each with its first crops."""
        start, found = _number("from"), wall.groups()
        return jsonify({"total": len(found), "groups": [_group(wall, each, FIRST) for each in found[start : start + MOST]]})

    @app.get("/api/groups/<int:group>")
    def group(group: int) -> Response:
        """A group with all its crops."""
        return jsonify(_group(wall, wall.find_group(group), None))

    @app.get("/api/suggestions")
    def suggestions() -> Response:
        """The next page of groups that may bear a name."""
        name = request.args.get("name", "")
        return jsonify({"name": name, "page": [_suggestion(wall, each) for each in wall.suggestions(name)]})

    @app.get("/api/named")
    def named() -> Response:
        """Crops under their names: those that people gave, or with `predicted=1` those that Label Studio shows and nobody confirmed."""
        found = wall.predicted() if request.args.get("predicted") else wall.names()
        start = _number("from")
        rows = [{"name": name, "size": len(all_), "crops": _crops(wall, all_[start : start + MOST])} for name, all_ in found.items()]
        return jsonify({"names": rows})

    @app.get("/api/map")
    def crop_map() -> Response:
        """Where each crop lies on the map, with its name."""
        places = CropMap.of(wall.rows)
        states = wall.states()
        points = [
            [round(float(x), 4), round(float(y), 4), wall.name_of(at, states) or "", each.task, each.region]
            for at, ((x, y), each) in enumerate(zip(places, wall.crops, strict=True))
        ]
        return jsonify({"points": points})

    @app.get("/crops/<int:task>/<region>.jpg")
    def crop(task: int, region: str) -> Response:
        """A crop as a picture."""
        at = wall.number_of((task, region))
        try:
            data = services.thumbnails.get((task, region), lambda: services.load(at))
        except MediaError as error:
            return Response(str(error), 404, mimetype="text/plain")
        return Response(data, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _add_answers(app: Flask, services: WallServices) -> None:
    wall, who = services.wall, services.who

    @app.post("/api/answers")
    def answer() -> Response:
        """Name crops, say that they are no object or not so named, or hide them."""
        body = _body(AnswerBody)
        name = services.names.use(body.name, add=body.add) if body.kind == "name" else body.name
        given = wall.answer(body.kind, body.crops, who=who, name=name, page=body.page)  # type: ignore[arg-type]  # the journal refuses others
        services.sync.put(key[0] for key in given.crops)
        return jsonify({"id": given.id, "name": given.name, "crops": len(given.crops)})

    @app.post("/api/pages")
    def page() -> Response:
        """Answer a page of suggestions, and get the next."""
        body = _body(PageBody)
        name = services.names.use(body.name, add=False)
        shown = [Suggestion(wall.find_group(each.id), each.likeness, likely=False) for each in body.page]
        given = wall.answer_page(name, shown, body.chosen, who=who)
        services.sync.put(key[0] for each in given if each.kind == "name" for key in each.crops)
        return jsonify({"name": name, "page": [_suggestion(wall, each) for each in wall.suggestions(name)]})

    @app.post("/api/undo")
    def undo() -> Response:
        """Take the last answer back."""
        _body(NoBody)
        taken = wall.undo(who)
        services.sync.put(key[0] for key in (taken.crops if taken else ()))
        return jsonify({"undone": taken.undoes if taken else None, "crops": len(taken.crops) if taken else 0})

    @app.post("/api/split")
    def split() -> Response:
        """Make a group of its own of some crops."""
        body = _body(SplitBody)
        return jsonify({"group": wall.split(body.group, body.crops)})

    @app.post("/api/merge")
    def merge() -> Response:
        """Make one group of several."""
        return jsonify({"group": wall.merge(_body(MergeBody).groups)})

    @app.post("/api/find")
    def find() -> Response:
        """Crops in the order of their likeness to some, less to others."""
        body = _body(FindBody)
        likeness = {at: round(like, 3) for at, like in wall.find_like(body.crops, body.against)[:MOST]}
        return jsonify({"crops": [{**each, "likeness": likeness[each["at"]]} for each in _crops(wall, list(likeness))]})


def _group(wall: Wall, group: Group, first: int | None) -> dict[str, Any]:
    return {"id": group.id, "size": len(group.members), "crops": _crops(wall, group.members[:first])}


def _suggestion(wall: Wall, each: Suggestion) -> dict[str, Any]:
    return {**_group(wall, each.group, FIRST), "likeness": round(each.likeness, 4), "likely": each.likely}


def _crops(wall: Wall, members: Sequence[int]) -> list[dict[str, Any]]:
    chosen = [(at, wall.crops[at]) for at in members]
    return [{"at": at, "task": each.task, "region": each.region, "label": each.label, "taken": each.taken} for at, each in chosen]


def _body(kind: type[Body]) -> Body:
    return read_body(kind, request.mimetype, request.get_data())


def _number(name: str) -> int:
    text = request.args.get(name, "0")
    if not text.isdecimal():
        raise RequestError(f"{name} is a number from 0 on.", hint="Load the page again.")
    return int(text)


def _check_host(hosts: frozenset[str] | None) -> Response | None:
    name = request.host.rpartition(":")[0] if not request.host.endswith("]") and ":" in request.host else request.host
    if hosts is None or name in hosts:
        return None
    return Response(f"This page is not {request.host}'s.", 403, mimetype="text/plain")


def _add_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _refuse(error: DinolabelError) -> tuple[Response, int]:
    return jsonify({"error": str(error), "hint": error.hint, "kind": type(error).__name__}), 400
