"""Makes the rooms' objects out of the settings: the one place where a setting meets a constructor.

Nothing heavy is imported before the object that needs it is made, so that `dinolabel --help` stays instant.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dinolabel import datafolder
from dinolabel.local import up_state
from dinolabel.release import __version__
from dinolabel.settings import Settings
from dinolabel.vision.errors import SettingsError

if TYPE_CHECKING:
    from dinolabel.backend.inference.serving_config import ServingConfigs
    from dinolabel.backend.jobs.runner import JobRunner
    from dinolabel.backend.project_registry import ProjectRegistry
    from dinolabel.backend.project_status import StatusBoard
    from dinolabel.backend.reconciler.reconciler import Reconciler
    from dinolabel.backend.service import Service
    from dinolabel.studio.client import LabelStudio, Project
    from dinolabel.studio.label_configs.label_config import LabelConfig
    from dinolabel.studio.media.network import NetworkSettings
    from dinolabel.studio.media.resolver import MediaResolver
    from dinolabel.vision.bundles.registry import BundleStore
    from dinolabel.vision.pipeline import Pipeline
    from dinolabel.vision.plugins import LoadOptions
    from dinolabel.vision.protocols import Detector, Embedder
    from dinolabel.vision.storage.cache import Cache
    from dinolabel.vision.types import CropPolicy, Thresholds
    from dinolabel.wall.opening import WallSources

SMALL_BYTES = 64 * 2**20  # of weights: below, a network is small
ROOT = Path(__file__).resolve().parent.parent
# -P: without it Python looks for modules in the working folder first, and a training.py or vision.py there would be taken for ours.
PROGRAM = (sys.executable, "-P", "-m", "dinolabel")


def data_dir(settings: Settings, *parts: str) -> Path:
    """The data folder, or a folder in it, made when it is not there. Raises SettingsError when it cannot be, or is a newer version's.

    One that is made is this user's alone: crops of people lie in it under their names. One that is there keeps its rights.
    """
    root = settings.data_dir.expanduser().absolute()
    folder = root.joinpath(*parts)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} cannot be made: {error.strerror}.", hint="Name another one in DINOLABEL_DATA_DIR."
        ) from error
    datafolder.open_folder(root)
    return folder


def thresholds(settings: Settings) -> Thresholds:
    from dinolabel.vision.types import Thresholds

    return Thresholds(settings.box_threshold, settings.text_threshold, settings.nms_iou)


def cache(settings: Settings) -> Cache:
    from dinolabel.vision.storage.cache import Cache

    return Cache(data_dir(settings) / "cache.sqlite", max_mb=settings.cache_max_mb)


def engine_notes(settings: Settings) -> Path:
    """The file that remembers which of a detector's engines is right on this machine."""
    return data_dir(settings) / "engines.json"


def store(settings: Settings) -> BundleStore:
    from dinolabel.vision.bundles.registry import BundleStore

    return BundleStore(data_dir(settings, "bundles"))


def projects(settings: Settings) -> ProjectRegistry:
    from dinolabel.backend.project_registry import ProjectRegistry

    return ProjectRegistry(data_dir(settings) / "projects.json")


def project_colours(settings: Settings, project: str) -> Mapping[str, str]:
    """Label -> #rrggbb, as Label Studio showed a project's labels last; empty where nobody looked."""
    entry = projects(settings).get(int(project)) if project.isdigit() else None
    return entry.colours if entry else {}


def label_config(settings: Settings, project: Project, *, control: str | None = None) -> LabelConfig:
    """What a project wants: its label config as Label Studio has it, and what `dinolabel attach` was told its labels are for.

    control: as LabelConfig.parse takes it. Raises LabelConfigError.
    """
    from dinolabel.studio.label_configs.label_config import LabelConfig

    return LabelConfig.parse(project.label_config, control=control, roles=projects(settings).roles(project.id))


def pipeline(settings: Settings, *, names: bool = True, deferred: bool = False) -> Pipeline:
    """Detector, embedder and cache. Loads weights: seconds. Raises WeightsMissing, DeviceUnavailable, UnknownPlug.

    names: without, no embedder is loaded, and the pipeline finds boxes only. deferred: weights that were loaded before are loaded
    again only when a picture is not in the cache.
    """
    from dinolabel.vision.pipeline import Pipeline

    detector = _detector(settings, deferred=deferred)
    embedder = _embedder(settings, deferred=deferred) if names else None
    common: dict[str, Any] = {"cache": cache(settings), "batch_size": settings.batch_size, "policy": crop_policy(settings)}
    return Pipeline(detector, embedder, thresholds=thresholds(settings), **common)


def crop_policy(settings: Settings, embedder: str = "") -> CropPolicy:
    """How boxes are cut for the embedder that a project chose, else for that of the settings. Raises UnknownPlug, RequestError."""
    from dinolabel.vision import plugins

    if embedder:
        plugins.check_choice(embedder)
        return plugins.crop_policy(embedder)
    return plugins.crop_policy(settings.embedder, settings.embedder_weights)


def model_threads(settings: Settings) -> int | None:
    """Threads that one network computes with: as the settings say; one where all are small; None: as torch decides.

    A small network gains nothing from a second thread, which waits by spinning: the embedded one took 34 ms of CPU a picture with one
    thread, 190 ms with two, and a second on a busy machine. Several pictures at a time use the cores instead.
    """
    from dinolabel.vision.plugins import locate

    if settings.threads is not None:
        return settings.threads
    where = {"models_dir": settings.models_dir}
    sizes = [locate(kind, getattr(settings, kind), getattr(settings, f"{kind}_weights"), **where).size for kind in ("detector", "embedder")]
    return 1 if all(size is not None and size < SMALL_BYTES for size in sizes) else None


def embedder(settings: Settings) -> Embedder:
    """The embedder alone. Loads weights: seconds. Raises WeightsMissing, DeviceUnavailable, UnknownPlug."""
    from dinolabel.vision.loading.device import use_threads
    from dinolabel.vision.plugins import load_embedder

    use_threads(model_threads(settings))
    where = {"device": settings.device, "precision": settings.precision}
    return load_embedder(settings.embedder, settings.embedder_weights, models_dir=settings.models_dir, **where)


def with_project_weights(settings: Settings, project: int) -> Settings:
    """The same with the embedder the project was attached with, where it was."""
    noted = projects(settings).get(project)
    return settings if noted is None else settings.model_copy(update={"embedder_weights": noted.weights[1]})


def wall_sources(settings: Settings, project: int) -> WallSources:
    """What the crops of a project are read from, with the weights that the project was attached with."""
    from dinolabel.wall.opening import WallSources

    settings = with_project_weights(settings, project)
    client = studio(settings)

    def config() -> LabelConfig:
        return label_config(settings, client.projects.get(project))

    folder = data_dir(settings, "wall", str(project))
    return WallSources(client, project, config, media(settings), pipeline(settings, deferred=True), folder)


def with_chosen_embedder(settings: Settings, crops: Path) -> Settings:
    """The same with the embedder that the project whose crops lie in this folder chose for itself, where it did. Raises RequestError."""
    from dinolabel.doctor import weights
    from dinolabel.training.data.manifest import chosen_embedder

    return settings.model_copy(update=weights.embedder_flags(chosen_embedder(crops) or None))


def network(settings: Settings) -> NetworkSettings:
    """How others are reached. Raises SettingsError for a certificate file that is not there, a proxy or network that is none."""
    from dinolabel.studio.media.network import NetworkSettings

    bundle = settings.ca_bundle.expanduser() if settings.ca_bundle else None
    return NetworkSettings(ca_bundle=bundle, proxy=settings.proxy, no_proxy=settings.no_proxy, private=settings.media_networks)


def _detector(settings: Settings, *, deferred: bool) -> Detector:
    asked: dict[str, Any] = {name: getattr(settings, name) for name in ("device", "precision", "input_size", "engine")}

    def load() -> Detector:
        from dinolabel.vision.loading.device import use_threads
        from dinolabel.vision.plugins import load_detector

        use_threads(model_threads(settings))
        places: dict[str, Any] = {"models_dir": settings.models_dir, "engine_notes": engine_notes(settings)}
        return load_detector(settings.detector, settings.detector_weights, **places, **asked)

    return cast("Detector", _lazy(settings, "detector", load, asked, deferred))


def _embedder(settings: Settings, *, deferred: bool) -> Embedder:
    asked: dict[str, Any] = {"device": settings.device, "precision": settings.precision}

    def load() -> Embedder:
        from dinolabel.vision.loading.device import use_threads
        from dinolabel.vision.plugins import load_embedder

        use_threads(model_threads(settings))
        return load_embedder(settings.embedder, settings.embedder_weights, models_dir=settings.models_dir, **asked)

    return cast("Embedder", _lazy(settings, "embedder", load, asked, deferred))


def _lazy(settings: Settings, kind: str, load: Callable[[], Any], asked: Mapping[str, object], deferred: bool) -> object:
    from dinolabel.vision import plugins
    from dinolabel.vision.loading import lazy_models
    from dinolabel.vision.loading.weights import obtain

    weights = getattr(settings, f"{kind}_weights")
    name = plugins.name_for(getattr(settings, kind), weights)
    location = obtain(plugins.locate(kind, name, weights, models_dir=settings.models_dir))
    read = weights if location.path is None else ""
    key = lazy_models.cache_key(location, kind, name, read, plugins.source(kind, name), sorted(asked.items()))
    cards = lazy_models.ModelInfoCache(data_dir(settings) / "models.json")
    return lazy_models.lazy_model(cards, key, load) if deferred else lazy_models.load_and_record(cards, key, load)


def studio_if_set(settings: Settings) -> LabelStudio | None:
    """The client of the Label Studio in the settings, or of the one `dinolabel up` is running; None when there is neither."""
    from dinolabel.studio.client import LabelStudio

    if settings.studio_url and settings.studio_token:
        token = settings.studio_token.get_secret_value()
        return LabelStudio(settings.studio_url, token, aliases=settings.studio_aliases, network=network(settings))
    started = up_state.find(settings.data_dir)
    if started is not None and settings.studio_url in (None, started.url):
        return LabelStudio(started.url, started.token)
    return None


def studio(settings: Settings) -> LabelStudio:
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


def media(settings: Settings, *, alone: bool = False, verify: Callable[[Path], None] | None = None) -> MediaResolver:
    """Finds the picture of a task. Without a Label Studio (alone: although there is one), in mounted files and on allowed hosts.

    verify: raises a MediaError when what was downloaded is not what it should be; None: unless it is a picture.
    """
    from dinolabel.studio.media.resolver import MediaResolver, check_decodes

    return MediaResolver(
        None if alone else studio_if_set(settings),
        cache_dir=data_dir(settings, "media"),
        hosts=settings.media_hosts,
        local_root=settings.local_files_root,
        max_mb=settings.media_max_mb,
        cache_max_mb=settings.media_cache_max_mb,
        network=network(settings),
        verify=verify or check_decodes,
    )


def jobs(settings: Settings) -> JobRunner:
    """The trainings. Their children are our own command line with our own settings."""
    from dinolabel.backend.jobs.runner import JobLimits, JobRunner

    heads = store(settings)
    return JobRunner(
        data_dir(settings, "jobs"),
        program=PROGRAM,
        environment=training_environment(settings),
        exports=data_dir(settings, "exports"),
        verdicts=lambda project: heads.verdicts(str(project)),
        limits=JobLimits(settings.threads or 2),
    )


def check_packed(model: Path) -> None:
    """Raises SettingsError for a folder that `dinolabel models export` did not make."""
    from dinolabel.vision.bundles.exported_model import is_exported_model

    if not is_exported_model(model):
        told = f"There is no folder {model}." if not model.is_dir() else f"{model} is no exported model."
        raise SettingsError(told, hint="Make one with `dinolabel models export FOLDER --project N`.")


def exported_pipeline(settings: Settings, model: Path) -> Pipeline:
    """Everything from a folder of `dinolabel models export`; the cache is the settings'. Raises SettingsError for another folder."""
    from dinolabel.vision.loading.device import use_threads
    from dinolabel.vision.pipeline import Pipeline

    check_packed(model)
    use_threads(settings.threads)
    where: LoadOptions = {"device": settings.device, "precision": settings.precision, "engine": settings.engine}
    where["engine_notes"] = engine_notes(settings)
    return Pipeline.load_exported(model, cache=cache(settings), batch_size=settings.batch_size, **where)


def serving_configs(settings: Settings, models: Pipeline) -> ServingConfigs:
    """What decides the answers of each project, beside these models."""
    from dinolabel.backend.inference.serving_config import ServingConfigs

    return ServingConfigs(models, store(settings), projects(settings).roles)


def reconciler(settings: Settings, models: Pipeline, board: StatusBoard) -> Reconciler:
    """What visits projects, by itself: no queue, no trainings, no routes. board: hears how far it is. Raises SettingsError."""
    from dinolabel.backend.inference.inference_queue import InferenceQueue
    from dinolabel.backend.inference.predictor import Predictor
    from dinolabel.backend.project_status import ProjectState
    from dinolabel.backend.reconciler.reconciler import ReconcileOptions, Reconciler

    heads, weights = store(settings), (settings.detector_weights, settings.embedder_weights)
    predictor = Predictor(media(settings), InferenceQueue(models))
    state = ProjectState(heads, projects(settings), board)
    return Reconciler(studio(settings), predictor, serving_configs(settings, models), state, None, ReconcileOptions(weights))


def service(settings: Settings, *, models: Pipeline | None = None, alone: Path | None = None) -> Service:
    """All that the backend serves, not started. Loads weights: seconds, and a download the first time. Raises what pipeline raises.

    models: a pipeline that is there already. alone: an empty folder; then programs are served, without any Label Studio, projects or
    trainings, and beside whatever backend has the data folder: of that only the caches are shared.
    """
    from dinolabel.backend.observability import tracing
    from dinolabel.backend.project_status import ProjectState
    from dinolabel.backend.service import Service, ServiceOptions

    own = settings if alone is None else settings.model_copy(update={"data_dir": alone})
    datafolder.sweep_leftovers(data_dir(own))
    if settings.traces:
        tracing.start(__version__)
    client = studio_if_set(settings) if alone is None else None
    made = Service(
        client,
        media(settings, alone=alone is not None),
        models or pipeline(settings),
        ProjectState(store(own), projects(own)),
        jobs(own),
        ServiceOptions(
            weights=(settings.detector_weights, settings.embedder_weights),
            poll_seconds=settings.poll_seconds,
            train_after=settings.train_after,
            judged_pictures=_judged_pictures(),
            release=__version__,
        ),
    )
    if client is not None:
        client.api.on_answer = made.meters.studio_asked
    return made


def _judged_pictures() -> int:
    """With how many pictures of a name one can expect as many held out as the gate wants to see."""
    from dinolabel.training.evaluation.promotion_gate import ENOUGH_GROUPS
    from dinolabel.vision.bundles.split import HELD_OUT

    return math.ceil(ENOUGH_GROUPS / HELD_OUT)


def environment(settings: Settings | None = None) -> dict[str, str]:
    """Environment of a child that runs this very dinolabel with these settings, secrets included. None: with our own environment's."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    told = settings.environment() if settings is not None else {}
    return {**os.environ, **told, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


NEEDED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV", "NO_COLOR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "LD_LIBRARY_PATH", "LD_PRELOAD"),
)
NEEDED_KINDS = (
    *("DINOLABEL_", "LC_", "XDG_", "PYTHON", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TORCH", "PYTORCH_", "CUDA_", "NVIDIA_", "SSL_CERT_"),
    *("OMP_", "MKL_", "KMP_", "OPENBLAS_", "NUMEXPR_", "ONEDNN_", "DNNL_", "MALLOC_", "COV_", "COVERAGE_"),
)
UNNEEDED = ("DINOLABEL_SECRET",)
"""It is asked of who calls the backend, and a training calls nobody."""


def training_environment(settings: Settings) -> dict[str, str]:
    """Of an export or a training: what these need of ours, and nothing else that a server may have in its environment."""
    everything = environment(settings)
    wanted = {name: value for name, value in everything.items() if name.upper() in NEEDED or name.upper().startswith(NEEDED_KINDS)}
    return {name: value for name, value in wanted.items() if name not in UNNEEDED}
