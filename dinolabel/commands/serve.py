"""`dinolabel serve`: the backend Label Studio talks to; fills projects with boxes, trains when asked or due, switches, and answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from dinolabel import factory, logging_setup, running_settings
from dinolabel.cli import console, options, words
from dinolabel.cli.plan import Plan
from dinolabel.cli.signals import handle_signals
from dinolabel.doctor import weights
from dinolabel.local import up_state
from dinolabel.release import __version__
from dinolabel.settings import FormerSettings, Settings

if TYPE_CHECKING:
    from dinolabel.backend.service import Service

log = structlog.get_logger(__name__)


def command(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Any but loopback needs DINOLABEL_SECRET.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    model: Annotated[
        Path | None, typer.Option(help="Serve this exported folder to programs, without any Label Studio; beside `up` too.")
    ] = None,
) -> None:
    """Keep all attached projects in step with Label Studio until stopped.

    Needs only Label Studio's address and a token: it polls. Connected as an ML backend it hears of things sooner.

    Example: dinolabel serve --port 9090
    """
    from dinolabel.backend.http import auth
    from dinolabel.backend.http.server import create_app, serve

    settings = Settings.load(host=host, port=port, **weights.flags(weights_name, embedder))
    for each in FormerSettings.farewells():
        log.warning("setting_ignored", reason=each)
    secret = settings.secret.get_secret_value() if settings.secret else None
    auth.check_address(settings.host, secret)
    logging_setup.register_secret(secret, settings.studio_token.get_secret_value() if settings.studio_token else None)
    (_plan_of_model(settings, model) if model else _plan(settings)).show()
    with handle_signals(), _service(settings, model) as service:
        made = create_app(service, secret=secret, release=__version__)
        server = serve(made, settings.host, settings.port, secret=secret, refused=service.meters.refused)
        service.start()
        console.out.print(console.ok("Serving"), f"at {server.url} ", console.soft("Stop with Ctrl-C."))
        try:
            with _announce(settings, server.url, alone=model is not None):
                server.run()
        finally:
            console.err.print(console.soft("Stopping."))
            ended = server.drain(service.stop)
    if not ended:
        _leave()


def _leave() -> None:
    """At once: a pass of the models that is still under way would abort the process, for it is in the middle of foreign code."""
    log.warning("left_in_a_pass")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextmanager
def _announce(settings: Settings, url: str, *, alone: bool) -> Iterator[None]:
    """Other commands on this data folder take our settings; not those of an exported model, which is nobody's project."""
    if alone:
        yield
        return
    with up_state.serving(factory.data_dir(settings), up_state.Serving(url, os.getpid(), running_settings.note(settings))):
        yield


@contextmanager
def _service(settings: Settings, model: Path | None) -> Iterator[Service]:
    """Its weights loaded. An exported model needs no Label Studio, and leaves the data folder to the backend that may have it."""
    with ExitStack() as stack:
        alone = Path(stack.enter_context(TemporaryDirectory(prefix="dinolabel-"))) if model else None
        with console.err.status("Loading weights"):
            service = factory.service(settings, models=factory.exported_pipeline(settings, model) if model else None, alone=alone)
        yield service


def _plan_of_model(settings: Settings, model: Path) -> Plan:
    lines = [("model", str(model)), ("answers", "POST /v1/detect; described at /v1/openapi.json")]
    return Plan.of(f"Serve at http://{settings.host}:{settings.port or '<a free port>'}", lines)


def _plan(settings: Settings) -> Plan:
    attached = factory.projects(settings).all()
    names = [f"{each.project} ({each.title})" if each.title else str(each.project) for each in attached]
    client = factory.studio_if_set(settings)
    pushes = client.url if client else "not set: boxes are given when Label Studio asks, nothing is pushed (DINOLABEL_STUDIO_URL, _TOKEN)"
    trains = f"after {words.count_noun(settings.train_after, 'new approved name')}, or when asked" if settings.train_after else "when asked"
    lines = [
        ("Label Studio", pushes),
        ("projects", words.join_words(names) or "none yet: `dinolabel attach --project N` adds one while this runs"),
        ("trains", trains),
        ("keeps", str(settings.data_dir)),
    ]
    return Plan.of(f"Serve at http://{settings.host}:{settings.port or '<a free port>'}", lines, weights.plan_lines(settings))
