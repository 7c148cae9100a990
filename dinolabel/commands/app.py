"""`dinolabel app`: a page to try words, thresholds and trained heads on one's own pictures and films."""

from __future__ import annotations

import webbrowser
from functools import partial
from typing import Annotated

import typer

from dinolabel import factory, running_settings
from dinolabel.cli import console, options
from dinolabel.cli.plan import Plan
from dinolabel.cli.signals import handle_signals
from dinolabel.doctor import weights
from dinolabel.settings import Settings
from dinolabel.studio.media.loopback import is_loopback
from dinolabel.vision.errors import SettingsError

USER = "dinolabel"
AUTH_HELP = f"Ask for these first. Without it DINOLABEL_SECRET counts, if set, as the password of {USER}."
PORT = 7860  # Gradio's usual one


def command(
    host: Annotated[str, typer.Option(help="Address to listen on. Any but loopback needs a password.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = PORT,
    auth: Annotated[str | None, typer.Option(metavar="NAME:PASSWORD", help=AUTH_HELP)] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    weights_name: options.WeightsName = None,
    embedder: options.EmbedderName = None,
    model: options.Model = None,
) -> None:
    """Try it in the browser: a picture, words, sliders, boxes and names. No Label Studio is needed. Ctrl-C ends it.

    `--model FOLDER` shows what `dinolabel models export` made: its words stand there, and its names are given.

    Example: dinolabel app --weights nano --port 7860
    """
    settings = running_settings.settings(**weights.flags(weights_name, embedder))
    if model is not None:
        model = model.expanduser()
        options.refuse_both(model, weights_name, embedder)
        factory.check_packed(model)
    login = login_of(auth or _from(settings), host=host)
    studio = factory.studio_if_set(settings)
    Plan.of(
        "Show the app",
        [("listens", f"{host}:{port or 'a free port'}" + (", behind a password" if login else ""))],
        [("model", str(model))] if model else weights.plan_lines(settings),
        [("names", "with the heads of your projects, chosen in the page")] if model is None else [("names", "with its own head")],
        [("sends", f"to {studio.url}, and only what you press Send for")]
        if studio
        else [("leaves alone", "Label Studio: none is in the settings")],
    ).show()
    with console.step("Loading the models") as came_out:
        from dinolabel.app.page import page, serve
        from dinolabel.app.tabs.send import Sender

        sender = Sender(studio, partial(factory.label_config, settings)) if studio else None
        load = partial(factory.exported_pipeline, settings, model) if model else partial(factory.pipeline, settings)
        shown = page(
            load,
            factory.store(settings),
            sender=sender,
            exports=factory.data_dir(settings, "exports"),
            colours=partial(factory.project_colours, settings),
        )
        came_out("No models yet" if shown.sight.problem else f"Loaded {shown.sight.pipeline().detector.name}")
    if shown.sight.problem:
        console.print_error(shown.sight.problem)  # the page says so too, and can try again
    with console.step("Starting the page"):
        served = serve(shown, host=host, port=port, auth=login)
    console.out.print(console.name(served.url))
    console.err.print(console.soft("Ctrl-C ends it."))
    if browser and console.err.is_terminal:
        webbrowser.open(served.url)
    with handle_signals():
        served.wait()


def _from(settings: Settings) -> str | None:
    """The settings' secret as a login: unlike a flag it does not show in the list of processes."""
    return f"{USER}:{settings.secret.get_secret_value()}" if settings.secret else None


def login_of(auth: str | None, *, host: str) -> tuple[str, str] | None:
    """Name and password. Raises SettingsError for half of them, or for none where others can reach the page."""
    if auth is None:
        if not is_loopback(host):
            hint = f"Set DINOLABEL_SECRET (the name is {USER}) or add --auth NAME:PASSWORD."
            raise SettingsError(f"Without a password the app does not listen on {host}.", hint=hint)
        return None
    name, colon, password = auth.partition(":")
    if not (name and colon and password):
        raise SettingsError("--auth needs a name, a colon and a password.", hint="For example --auth jason:correct-horse.")
    return name, password
