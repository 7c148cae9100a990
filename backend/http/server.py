"""The HTTP door: routes, authentication and the error table; no logic. `create_app` makes the app, `serve` listens."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import structlog
from flask import Flask, Response, g, jsonify, request
from waitress import wasyncore
from waitress.server import create_server
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from dinolabel.backend import answers, payloads
from dinolabel.backend.errors import UNFORESEEN, SecretWrong, body_of, status_of
from dinolabel.backend.http import auth, dashboard, detect_endpoint, front_door, openapi, static_pages
from dinolabel.backend.http.typed_views import typed
from dinolabel.backend.observability import metrics as meters
from dinolabel.backend.observability import readiness, tracing
from dinolabel.backend.service import Service
from dinolabel.vision.errors import DinolabelError, SettingsError

log = structlog.get_logger(__name__)

THREADS = 24
"""Label Studio waits 1 s for /health and 3 s for /setup, also while others wait a minute for /predict."""
ID_HEADER = "X-Request-ID"
REQUEST_ID = re.compile(r"[\w.-]{1,64}")
WATCHED = frozenset({"/health", "/ready", "/metrics", "/jobs"})
"""Asked all day by what watches and by the page: no line each in the log."""
LAST_SECONDS = 2.0
"""For answers to be sent when the server ends."""
HINT = (
    "Programs ask POST /v1/detect, described at /v1/openapi.json; /docs is the same to read and lists all routes: "
    "/health /ready /setup /predict /webhook /train /prompt /versions /jobs /metrics."
)


def create_app(service: Service, *, secret: str | None = None, release: str = "0") -> Flask:
    """The backend as a WSGI app. secret: asked for on every route but /health. release: ours, for the description of the API."""
    app = Flask(__name__, static_folder=None, template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=front_door.LARGEST_REQUEST, RELEASE=release)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(_name_request)
    app.before_request(lambda: auth.check(request, secret))
    app.after_request(partial(_end_request, service))
    app.teardown_request(_end_span)
    app.register_error_handler(DinolabelError, partial(_handle_error, service))
    app.register_error_handler(HTTPException, _handle_http_error)
    app.register_error_handler(Exception, _handle_bug)
    _add_label_studio_routes(app, service)
    _add_status_routes(app, service)
    _add_page_routes(app, service, secret=secret is not None)
    _add_program_routes(app, service)
    return app


def _add_label_studio_routes(app: Flask, service: Service) -> None:
    """What Label Studio asks."""

    @app.get("/health")
    @typed
    def health() -> answers.HealthAnswer:
        """Is it up, and on which weights, device, precision and engine. Needs no secret."""
        return cast("answers.HealthAnswer", {"status": "UP", "model_class": "dinolabel", **asdict(service.running)})

    @app.get("/ready")
    @typed
    def ready() -> answers.ReadyAnswer:
        """Whether all that it needs is there: registry, job table, room on the disk, Label Studio, models; 503 says what is not."""
        patience = 10 * service.options.poll_seconds
        checked = readiness.check_ready(service.projects, service.jobs, service.queue, service.board, patience=patience)
        return {"ready": True, "checked": checked}

    @app.post("/setup")
    @typed
    def setup(asked: payloads.SetupRequest) -> answers.SetupAnswer:
        """Label Studio asks when a backend is connected or a page opened; answers the version to show."""
        return {"model_version": service.setup(asked)}

    @app.post("/predict")
    @typed
    def predict(asked: payloads.PredictRequest) -> answers.PredictAnswer:
        """Label Studio asks for boxes of tasks; what is not ready in time is `{}` and done later."""
        return service.predict(asked)

    @app.route("/versions", methods=["GET", "POST"])
    @typed
    def versions(asked: payloads.VersionsRequest) -> answers.VersionsAnswer:
        """Versions that can be shown, of one project or all."""
        return {"versions": service.versions(asked.project)}


def _add_status_routes(app: Flask, service: Service) -> None:
    """What Label Studio, or anybody, tells us to note or to do."""

    @app.post("/webhook")
    @typed
    def webhook(asked: payloads.WebhookEvent) -> answers.NotedAnswer:
        """Notes an event of Label Studio and wakes the loop; `START_TRAINING` queues a training."""
        return {"noted": service.event(asked)}

    @app.post("/train")
    @partial(typed, status=202, browser=_redirect_back)
    def train(asked: payloads.ProjectRequest) -> answers.TrainAnswer:
        """Queues a training of `project`."""
        return {"job": service.train(asked.project, why="asked for by /train")}

    @app.post("/prompt")
    @partial(typed, browser=_redirect_back)
    def prompt(asked: payloads.AdoptRequest) -> answers.AdoptAnswer:
        """Makes `words`, and `box` and `text` thresholds, those of `project`."""
        service.set_prompt(asked.project, asked.words, box=asked.box, text=asked.text)
        return {"looks_for": asked.words}

    @app.post("/jobs/<job>/cancel")
    @partial(typed, browser=_redirect_back)
    def cancel(job: str) -> answers.JobAnswer:
        """Stops a job that is queued or running."""
        return cast("answers.JobAnswer", dashboard.job_json(service.jobs.cancel(job)))


def _add_page_routes(app: Flask, service: Service, *, secret: bool) -> None:
    """What people and their tools look at."""

    @app.get("/")
    def home() -> Response:
        """The page for people: progress, jobs, buttons. An exported model, served alone, has a form: picture, words, answer."""
        nonce, model = secrets.token_urlsafe(16), service.model
        if model is not None:
            return _page(static_pages.form(model, service.thresholds, service.known, nonce), nonce, "img-src blob:; ")
        return _page(dashboard.render_page(service, nonce), nonce)

    @app.get("/docs")
    def documentation() -> Response:
        """What programs can ask, to read; nothing is loaded from elsewhere."""
        nonce = secrets.token_urlsafe(16)
        return _page(static_pages.documentation(app, request.host_url, nonce, secret=secret), nonce)

    @app.get("/jobs")
    @partial(typed, browser=lambda: Response(dashboard.render_body(service), headers={"Cache-Control": "no-store"}, mimetype="text/html"))
    def jobs() -> answers.JobsAnswer:
        """Trainings and progress of all projects as JSON."""
        return cast("answers.JobsAnswer", dashboard.as_json(service))

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus' figures."""
        return Response(service.meters.render(service.board.all()), content_type=meters.CONTENT_TYPE)


def _add_program_routes(app: Flask, service: Service) -> None:
    """What programs ask, Label Studio or not."""

    @app.post("/v1/detect")
    @typed
    def detect(asked: payloads.DetectRequest) -> answers.DetectAnswer:
        """Finds and names things in pictures."""
        return service.detection.answer(asked, detect_endpoint.uploads(request))

    @app.get("/v1/openapi.json")
    @typed
    def described() -> dict[str, Any]:
        """The OpenAPI 3.1 description of all routes."""
        return openapi.description(app)


def _page(html: str, nonce: str, more: str = "") -> Response:
    """A page of ours. more: of its content security policy."""
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'; {more}"
    headers = {"Content-Security-Policy": policy + "base-uri 'none'; frame-ancestors 'none'", "Cache-Control": "no-store"}
    return Response(html, headers=headers, mimetype="text/html")


def _redirect_back() -> Response:
    """To the page, after one of its buttons."""
    return Response(status=303, headers={"Location": "/"})


def _name_request() -> None:
    """By the caller's own id where it sends a decent one, so that its log and ours can be laid side by side."""
    given = request.headers.get(ID_HEADER, "")
    g.request = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.begun = time.monotonic()
    g.span = ExitStack()
    g.traced = g.span.enter_context(tracing.span(f"{request.method} {_route()}", dict(request.headers), **{"http.route": _route()}))
    structlog.contextvars.bind_contextvars(request=g.request)


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else meters.OTHER


def _end_request(service: Service, response: Response) -> Response:
    response.headers[ID_HEADER] = g.request
    response.headers["X-Content-Type-Options"] = "nosniff"
    seconds, status = time.monotonic() - g.begun, response.status_code
    service.meters.request_ended(request.method, _route(), status, seconds)
    if g.traced is not None:
        g.traced.set_attributes(
            {"http.request.method": request.method, "http.response.status_code": status, "dinolabel.request": g.request}
        )
    level = logging.DEBUG if request.path in WATCHED and status < 400 else logging.INFO
    about = {"method": request.method, "path": request.path, "status": status, "caller": request.remote_addr}
    log.log(level, "answered", **about, seconds=round(seconds, 3), bytes=response.content_length)
    structlog.contextvars.unbind_contextvars("request")
    return response


def _end_span(_error: BaseException | None) -> None:
    if (span := g.pop("span", None)) is not None:
        span.close()


def _refuse(refusal: answers.Refusal) -> Response:
    return jsonify({**refusal, "request": g.request})


def _handle_error(service: Service, error: DinolabelError) -> tuple[Response, int]:
    status = status_of(error)
    service.meters.refused(error)
    log.log(30 if status < 500 else 40, "answered_error", path=request.path, status=status, error=type(error).__name__, reason=str(error))
    answer = _refuse(body_of(error))
    if status == 503:
        answer.headers["Retry-After"] = "2"
    if isinstance(error, SecretWrong):
        answer.headers["WWW-Authenticate"] = 'Basic realm="dinolabel", charset="UTF-8"'
    return answer, status


def _handle_http_error(error: HTTPException) -> tuple[Response, int]:
    told = error.description or error.name
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        taken = sorted({*error.valid_methods} - {"HEAD", "OPTIONS"})
        told = f"{request.path} takes {' or '.join(taken)}, not {request.method}."
    return _refuse({"error": told, "hint": HINT}), (error.code or 500)


def _handle_bug(error: Exception) -> tuple[Response, int]:
    log.exception("answered_unforeseen", path=request.path)
    return _refuse({"error": UNFORESEEN[0], "hint": UNFORESEEN[1]}), 500


class Server:
    """Listens from birth; `port` is the real one, also when 0 was asked for. Raises SettingsError when it cannot or must not."""

    def __init__(
        self, app: Flask, host: str, port: int, *, secret: str | None = None, refused: Callable[[Exception], object] = lambda error: None
    ) -> None:
        auth.check_address(host, secret)
        self._closed = False
        try:
            self._map: dict[int, Any] = {}
            limits = {"connection_limit": 2 * front_door.MOST_CONNECTIONS, "max_request_body_size": 2**62}  # the front door decides
            self._server = create_server(app, self._map, host=host, port=port, threads=THREADS, ident=None, channel_timeout=180, **limits)
            for each in self._map.values():
                each.channel_class = front_door.channel_class(secret, refused)  # of what listens; the rest has no use for it
        except OSError as error:
            hint = "Choose another port (0 takes a free one), or stop what listens there."
            raise SettingsError(f"The backend cannot listen on {host}:{port}: {error.strerror}.", hint=hint) from error
        self.host, self.port = host, int(self._server.effective_port)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self) -> None:
        """Serve until `close` is called or the process is interrupted; who is interrupted goes on with `drain`."""
        try:
            wasyncore.loop(timeout=1, map=self._map, use_poll=True)
        except KeyboardInterrupt:
            return
        except OSError:
            # waitress polls its socket while another thread closes it.
            if not self._closed:
                raise

    def drain(self, stop: Callable[[], bool]) -> bool:
        """Listen no more, call `stop`, and send the answers that come of it. Whether all has ended: what `stop` says, and our threads.

        stop: has whatever waits answered.
        """
        self._closed = True
        for each in [each for each in self._map.values() if each.accepting]:
            each.accepting = False
        ended: list[bool] = []
        ending = threading.Thread(target=lambda: ended.append(stop() & self._server.task_dispatcher.shutdown(timeout=LAST_SECONDS)))
        ending.start()
        while ending.is_alive():
            wasyncore.loop(timeout=0.05, map=self._map, use_poll=True, count=1)
        self._server.close()
        return ended == [True] and not self._server.task_dispatcher.threads

    def close(self) -> None:
        """Stop listening; requests under way get a moment to end."""
        self._closed = True
        self._server.close()
        self._server.task_dispatcher.shutdown(timeout=1)


def serve(
    app: Flask, host: str, port: int, *, secret: str | None = None, refused: Callable[[Exception], object] = lambda error: None
) -> Server:
    """Listen; call `run` on what comes back. Raises SettingsError for an address that needs a secret, or a port that is taken.

    refused: told of what the front door turns away, before the app hears of it.
    """
    return Server(app, host, port, secret=secret, refused=refused)
