"""How long a new head takes to reach every task, and the way back, while somebody has the project open in a browser.

The clock of a switch runs from the publish to the moment when each task was seen to hold the version that is on show.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.studio import scenes
from benchmarks.studio.stand import Stand, until
from dinolabel.demo.screens import REGIONS_DRAWN, editor
from dinolabel.vision.bundles.bundle import Bundle
from dinolabel.vision.decoding.pictures import open_image
from dinolabel.vision.heads.prototype import build
from dinolabel.vision.pipeline import Pipeline
from dinolabel.vision.types import CropPolicy


@dataclass
class Watch:
    """looks: listings of all tasks. bare: tasks that had no prediction of what was on show just before. opened: pages without boxes."""

    looks: int = 0
    bare: int = 0
    opened: int = 0
    drawn: int = 0
    empty: list[int] = field(default_factory=list)


def heads() -> tuple[Bundle, Bundle]:
    """Two heads over the same embedder that do not agree: one learnt from half of the faces, one from all."""
    pipeline, world = Pipeline.load("nano"), scenes.world()
    assert pipeline.embedder is not None
    rows, names = [], []
    for scene in world.scenes:
        things = [each for each in world.prompted_things(scene) if each.identity is not None]
        rows += list(pipeline.embed(open_image(world.folder / scene.file), [each.box.quantise() for each in things]))
        names += [str(each.identity) for each in things]
    return _bundle(pipeline, np.stack(rows[::2]), names[::2]), _bundle(pipeline, np.stack(rows), names)


def _bundle(pipeline: Pipeline, rows: Any, names: list[str]) -> Bundle:
    assert pipeline.embedder is not None
    head = build().fit(rows, names)
    return Bundle(
        labels=head.labels, head_name="prototype", arrays=head.arrays(), temperature=1.0, accept_threshold=0.6, distance_threshold=0.8,
        references=rows, reference_labels=tuple(names), reference_ids=tuple(map(str, range(len(names)))),
        embedder_name=pipeline.embedder.name, embedder_digest=pipeline.embedder.digest, policy=CropPolicy(),
        created_at="2026-11-22T12:00:00+00:00", trained_on={name: names.count(name) for name in set(names)},
    )  # fmt: skip


def measure(stand: Stand, project: int) -> dict[str, float]:
    """The project is in step and shows boxes. A first head gets it to names; measured are the second one and the way back."""
    first, second = heads()
    store, name = stand.store(), str(project)
    known = stand.studio.projects.get(project).model_version
    one = store.publish(name, first)
    known = _until_shown(stand, project, known)
    with _watched(stand, project) as watch:
        begun = time.perf_counter()
        store.publish(name, second)
        after = _until_shown(stand, project, known)
        switch = time.perf_counter() - begun
        begun = time.perf_counter()
        store.pin(name, one)
        _until_shown(stand, project, after)
        rollback = time.perf_counter() - begun
    print(f"watched by {watch.looks} listings and a browser that opened {watch.opened} tasks ({watch.drawn} with boxes)", flush=True)
    return {
        "switch_seconds": switch,
        "rollback_seconds": rollback,
        "tasks_without_boxes_during_switch": watch.bare + len(watch.empty),
    }


def _until_shown(stand: Stand, project: int, before: str) -> str:
    """Wait for another version to be on show, and see it on every task; the version."""

    def shown() -> str | None:
        now = stand.studio.projects.get(project).model_version
        return now if now != before else None

    version = until(shown, "the switch", every=0.05)
    missing = [each.id for each in stand.studio.tasks.list(project) if version not in each.versions]
    if missing:
        raise RuntimeError(f"{len(missing)} tasks lack {version}, which is on show")
    return version


@contextmanager
def _watched(stand: Stand, project: int) -> Iterator[Watch]:
    watch, over = Watch(), threading.Event()
    threads = [
        threading.Thread(target=_again, args=(over, look))
        for look in (_lister(stand, project, watch), _browser(stand, project, watch, over))
    ]
    for each in threads:
        each.start()
    until(lambda: watch.looks and watch.opened, "the first looks", seconds=120)
    try:
        yield watch
    finally:
        over.set()
        for each in threads:
            each.join()


def _again(over: threading.Event, look: Callable[[], None]) -> None:
    while not over.is_set():
        look()


def _lister(stand: Stand, project: int, watch: Watch) -> Callable[[], None]:
    def look() -> None:
        # Read before the listing, so that a switch in between cannot look like a gap.
        shown = stand.studio.projects.get(project).model_version
        watch.bare += sum(shown not in each.versions for each in stand.studio.tasks.list(project))
        watch.looks += 1
        time.sleep(0.5)

    return look


def _browser(stand: Stand, project: int, watch: Watch, over: threading.Event) -> Callable[[], None]:
    """A person who opens the label stream again and again, in Chromium."""
    cookies = stand.studio.session_cookies(stand.local.username, stand.local.password)

    def look() -> None:
        with editor(stand.local.url, cookies) as page:
            while not over.is_set():
                page.goto(f"{stand.local.url}/projects/{project}/data?labeling=1", wait_until="domcontentloaded")
                page.wait_for_function(REGIONS_DRAWN, timeout=120_000)
                watch.opened += 1
                if _boxes(page):
                    watch.drawn += 1
                else:
                    watch.empty.append(watch.opened)

    return look


def _boxes(page: Any) -> bool:
    """Whether the opened task shows any within what a busy machine needs to draw them."""
    from playwright.sync_api import TimeoutError as NeverSeen

    try:
        page.wait_for_function("() => window.Htx.annotationStore.selected.regionStore.regions.length > 0", timeout=30_000)
    except NeverSeen:
        return False
    return True
