"""Makes the rooms' objects out of the settings: the one place where a setting meets a constructor.

Nothing heavy is imported before the object that needs it is made, so that `dinolabel --help` stays instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dinolabel import running
from dinolabel.settings import Settings
from vision.errors import SettingsError

if TYPE_CHECKING:
    from backend.projects import Projects
    from studio.client import Studio
    from studio.media import Media
    from vision.cache import Cache
    from vision.pipeline import Pipeline
    from vision.store import Store
    from vision.types import Thresholds


def data_dir(settings: Settings, *parts: str) -> Path:
    """The data folder, or a folder in it, made when it is not there. Raises SettingsError when it cannot be."""
    folder = settings.data_dir.expanduser().absolute().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} cannot be made: {error.strerror}.", hint="Name another one in DINOLABEL_DATA_DIR."
        ) from error
    return folder


def thresholds(settings: Settings) -> Thresholds:
    from vision.types import Thresholds

    return Thresholds(settings.box_threshold, settings.text_threshold, settings.nms_iou)


def cache(settings: Settings) -> Cache:
    from vision.cache import Cache

    return Cache(data_dir(settings) / "cache.sqlite", max_mb=settings.cache_max_mb)


def store(settings: Settings) -> Store:
    from vision.store import Store

    return Store(data_dir(settings, "bundles"))


def projects(settings: Settings) -> Projects:
    from backend.projects import Projects

    return Projects(data_dir(settings) / "projects.json")


def pipeline(settings: Settings) -> Pipeline:
    """Detector, embedder and cache. Loads weights: seconds. Raises WeightsMissing, DeviceUnavailable, UnknownPlug."""
    from vision.pipeline import Pipeline
    from vision.plugs import load_detector, load_embedder

    where = {"device": settings.device, "precision": settings.precision, "models_dir": settings.models_dir}
    detector = load_detector(settings.detector, settings.detector_weights, input_size=settings.input_size, **where)
    embedder = load_embedder(settings.embedder, settings.embedder_weights, **where)
    return Pipeline(detector, embedder, thresholds=thresholds(settings), cache=cache(settings))


def studio_if_set(settings: Settings) -> Studio | None:
    """The client of the Label Studio in the settings, or of the one `dinolabel up` is running; None when there is neither."""
    from studio.client import Studio

    if settings.studio_url and settings.studio_token:
        return Studio(settings.studio_url, settings.studio_token.get_secret_value(), aliases=settings.studio_aliases)
    started = running.find(settings.data_dir)
    if started is not None and settings.studio_url in (None, started.url):
        return Studio(started.url, started.token)
    return None


def studio(settings: Settings) -> Studio:
    """As studio_if_set. Raises SettingsError that says which of the two settings is missing."""
    client = studio_if_set(settings)
    if client is None:
        missing = "DINOLABEL_STUDIO_TOKEN" if settings.studio_url else "DINOLABEL_STUDIO_URL"
        raise SettingsError(
            f"There is no Label Studio to talk to: {missing} is not set and no `dinolabel up` is running.",
            hint="Set DINOLABEL_STUDIO_URL and DINOLABEL_STUDIO_TOKEN (Label Studio: Account & Settings, Access Token), "
            "or run `dinolabel up PHOTOS` to have one started.",
        )
    return client


def media(settings: Settings) -> Media:
    """Finds the picture of a task. Works without a Label Studio for mounted files and allowed hosts."""
    from studio.media import Media

    return Media(
        studio_if_set(settings),
        cache_dir=data_dir(settings, "media"),
        hosts=settings.media_hosts,
        local_root=settings.local_files_root,
        max_mb=settings.media_max_mb,
    )
