"""One run of `dinolabel up`, from the plan to the last process ended. Reads from top to bottom as it happens."""

from __future__ import annotations

import os
import signal
import time
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from dinolabel import factory, logging_setup, running_settings
from dinolabel.cli import console, words
from dinolabel.cli.plan import Plan
from dinolabel.cli.signals import STOP_OR_HANGUP_SIGNALS, handle_signals
from dinolabel.doctor import weights
from dinolabel.local import terminal, up_state
from dinolabel.local.backend import BackendProcess, free_port, secret, wait
from dinolabel.local.photos import PhotoFolder
from dinolabel.local.progress import ProjectProgress, Watch, look
from dinolabel.local.project import UpMemory, find_or_make, give_embedder, import_photos
from dinolabel.local.redirect_page import RedirectPage
from dinolabel.projects import connect, hotkeys
from dinolabel.settings import Settings
from dinolabel.vision.errors import PromptMissing, StudioError

if TYPE_CHECKING:
    from dinolabel.studio.client import LabelStudio, Project, StudioUser
    from dinolabel.studio.server.process import LocalStudio

PATIENCE_SECONDS = 900.0  # a first start takes half a minute; on a busy old laptop many
POLL_SECONDS = 10.0
FIRST_BOXES = 3
FIRST_BOXES_SECONDS = 120.0


class StudioEnded(StudioError):
    """The Label Studio of ours stopped by itself."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the command line asked for. prompts: phrase -> label, None to go on with the folder's last ones.

    embedder: that the project is to have; None: as it is.
    """

    photos: PhotoFolder
    prompts: Mapping[str, str] | None
    names: tuple[str, ...]
    embedder: str | None
    weights_named: bool
    port: int | None
    browser: bool


def serve(settings: Settings, wishes: UpOptions) -> None:
    """Run until Ctrl-C, SIGTERM or a closed terminal, then end every process. Raises BackendEnded, StudioUnreachable and the like."""
    data_dir = factory.data_dir(settings)
    with up_state.claim(data_dir), handle_signals(STOP_OR_HANGUP_SIGNALS), ExitStack() as stack:
        memory = UpMemory.read(data_dir)
        root = memory.root_for(wishes.photos)
        settings = _same_weights(settings, wishes, memory)
        _plan(settings, wishes, memory).show()
        try:
            weights.fetch(settings)
            _run(settings, wishes, memory, root, stack)
        except KeyboardInterrupt:
            _ignore_signals()
            with console.step("Stopping Label Studio and the backend") as came_out:
                stack.close()
                came_out("Label Studio and the backend are stopped")


def _run(settings: Settings, wishes: UpOptions, memory: UpMemory, root: Path, stack: ExitStack) -> None:
    from dinolabel.backend.http import auth

    data_dir = factory.data_dir(settings)
    server, studio = _start_studio(data_dir, wishes.port, root, stack)
    project = _project(studio, data_dir, wishes, memory, root)
    registry, store = factory.projects(settings), factory.store(settings)
    registry.add(project.id, weights=weights.pair(settings), title=project.title, before={"model_version": ""})
    up_state.announce(data_dir, up_state.UpState(server.url, server.token, project.id, os.getpid(), running_settings.note(settings)))
    backend = _start_backend(settings, server, root, stack)
    connect.connect(studio, project.id, backend.url, secret=secret(data_dir))
    keys = hotkeys.give_ours(studio, _me(studio), data_dir)

    def progress() -> ProjectProgress:
        return look(studio, registry, store, project.id)

    def check() -> None:
        backend.check()
        if not server.running():
            raise StudioEnded("Label Studio has stopped.", hint=f"See {server.log_path}.")

    _first_boxes(progress, check)
    page = f"{server.url}/projects/{project.id}/data?labeling=1"
    door = stack.enter_context(RedirectPage(page, studio.session_cookies(server.username, server.password)))
    board = stack.enter_context(RedirectPage(f"{backend.url}/", {auth.COOKIE: auth.cookie(secret(data_dir))}))
    terminal.show(project, keys, terminal.Ways(page, door.link, f"{backend.url}/", board.link), server.username, server.password)
    if wishes.browser:
        webbrowser.open(door.link)
    Watch(progress, lambda: backend.news(project.id), check).until_stopped()


def _me(studio: LabelStudio) -> StudioUser:
    mine = studio.users.whoami()["id"]
    return next(each for each in studio.users.list() if each.id == mine)


def _start_studio(data_dir: Path, port: int | None, root: Path, stack: ExitStack) -> tuple[LocalStudio, LabelStudio]:
    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.server.process import LocalStudio

    server = LocalStudio(data_dir / "studio", port=port, documents=root)
    logging_setup.register_secret(server.token, server.password)
    with console.step("Starting Label Studio (half a minute the first time)") as came_out:
        stack.callback(server.stop)
        server.start(timeout=PATIENCE_SECONDS)
        came_out(f"Label Studio at {server.url}")
    return server, LabelStudio(server.url, server.token)


def _project(studio: LabelStudio, data_dir: Path, wishes: UpOptions, memory: UpMemory, root: Path) -> Project:
    with console.step("Making the project") as came_out:
        project, made = find_or_make(studio, memory, wishes.photos, wishes.prompts, wishes.names)
        if wishes.embedder is not None:
            project = give_embedder(studio, project, wishes.embedder)
        memory.with_project(made, root).write(data_dir)
        new = import_photos(studio, project.id, wishes.photos, root)
        old = wishes.photos.count - new
        came_out(
            f"Project {project.id}, {project.title}: {words.count_noun(new, 'new picture')}{f', {old:,} from before' if old > 0 else ''}"
        )
    return project


def _start_backend(settings: Settings, server: LocalStudio, root: Path, stack: ExitStack) -> BackendProcess:
    """`dinolabel serve` for this Label Studio; returns once it answers, which is when its weights are loaded."""
    data_dir = factory.data_dir(settings)
    own = {
        "studio_url": server.url,
        "studio_token": SecretStr(server.token),
        "local_files_root": root,
        "host": "127.0.0.1",
        "port": free_port(_last_port(data_dir)),
        "secret": SecretStr(secret(data_dir)),
        "poll_seconds": min(settings.poll_seconds, POLL_SECONDS),
        "data_dir": data_dir,
    }
    logging_setup.register_secret(secret(data_dir))
    backend = BackendProcess(settings.model_copy(update=own), data_dir / "jobs" / "serve.log")
    with console.step("Loading the weights") as came_out:
        wait(stack.enter_context(backend))
        came_out(f"Backend at {backend.url}, log in {backend.log_path}")
    (data_dir / "serve.port").write_text(str(own["port"]), encoding="ascii")
    return backend


def _last_port(data_dir: Path) -> int | None:
    with suppress(FileNotFoundError, ValueError):
        return int((data_dir / "serve.port").read_text(encoding="ascii"))
    return None


def _first_boxes(current: Callable[[], ProjectProgress], check: Callable[[], None]) -> None:
    """Wait until the first pictures have boxes, so that the page that opens has some; not for ever."""
    end = time.monotonic() + FIRST_BOXES_SECONDS
    with console.step("Looking at the first pictures") as came_out:
        while True:
            check()
            progress = current()
            if progress.boxed >= min(FIRST_BOXES, progress.pictures) or time.monotonic() > end:
                break
            time.sleep(0.5)
        more = "" if progress.boxed == progress.pictures else "; more come in while you work"
        came_out(f"Boxes on {progress.boxed:,} of {words.count_noun(progress.pictures, 'picture')}{more}")


def _same_weights(settings: Settings, wishes: UpOptions, memory: UpMemory) -> Settings:
    """Going on with a project means going on with its weights, unless others were named."""
    made = memory.find(wishes.photos, wishes.prompts)
    entry = factory.projects(settings).get(made.project) if made else None
    if entry is None or wishes.weights_named:
        return settings
    return settings.model_copy(update={"detector_weights": entry.weights[0], "embedder_weights": entry.weights[1]})


def _plan(settings: Settings, wishes: UpOptions, memory: UpMemory) -> Plan:
    """Raises PromptMissing for a new folder without words, WeightsMissing when embedded weights are not there."""
    photos, made = wishes.photos, memory.find(wishes.photos, wishes.prompts)
    prompts = wishes.prompts or (made.prompts if made else None)
    if not prompts:
        raise PromptMissing(f"{photos.folder} is new here, and there is nothing to look for.")
    left_out = photos.skipped_sentence()
    each = weights.seconds_a_picture(settings)
    return Plan.of(
        f"{'Go on with' if made else 'Label'} {photos.folder}",
        [("pictures", f"{photos.count:,}")],
        [("left out", left_out)] if left_out else [],
        [("looks for", words.join_words([f"“{phrase}”" for phrase in prompts]))],
        [("learns", words.join_words(wishes.names))] if wishes.names else [],
        weights.plan_lines(settings),
        [("embedder", wishes.embedder)] if wishes.embedder else weights.face_lines(settings, prompts),
        [("takes", f"about {words.duration(each * photos.count)} for all boxes; you can begin with the first ones")]
        if each and not made
        else [],
        [("keeps", f"everything in {settings.data_dir}; your photos stay where they are and are only read")],
    )


def _ignore_signals() -> None:
    """Stopping takes some seconds: another Ctrl-C must not leave processes behind."""
    for number in STOP_OR_HANGUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
