"""Every setting of dinolabel, read once from the environment and `.env`; nobody else reads the environment.

Order: default < environment (`DINOLABEL_…`) < flag of the command < the project's label config.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from dinolabel.vision.decoding import memory_budget
from dinolabel.vision.errors import SettingsError
from dinolabel.vision.loading.dlib_models import FACES
from dinolabel.vision.storage.json_text import parse_json


def _several(value: Any) -> Any:
    """`a,b`, `a;b`, `a b` or a JSON list of texts as a list. Raises ValueError for what is neither."""
    if not isinstance(value, str):
        return value
    text = value.strip().strip("'").strip()
    if text[:1] not in ("[", "{") or LITERAL.match(text):
        return [each for part in re.split(r"[,;\s]+", text) if (each := part.strip("\"'"))]
    try:
        found = parse_json(text)
    except ValueError as error:
        raise ValueError(f"it begins like JSON and is none: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError("it is no list of texts")
    return found


def _hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    """What people copy out of a browser is taken for its host. Raises ValueError for a pattern, which no host would ever fit."""
    found = tuple(each.partition("://")[2].partition("/")[0] if "://" in each else each for each in names)
    for given, each in zip(names, found, strict=True):
        if not each or "*" in each or "/" in each:
            raise ValueError(f"{given!r} is no host")
    return found


LITERAL = re.compile(r"\[[0-9a-fA-F.]*:[0-9a-fA-F:.]+\](?::\d+)?(?:[,;\s]|$)")
"""An IPv6 address in its brackets: no JSON."""
Several = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_several)]
Hosts = Annotated[Several, AfterValidator(_hosts)]


ENV_FILE = ".env"
TOKEN = "studio_token"
TAKES_TOKEN = ("studio_url", "studio_aliases", "proxy", "ca_bundle")
"""What decides where the token goes, and who reads it on its way."""


class Settings(BaseSettings):
    """One frozen object, made at start and handed to the rooms as plain values."""

    # An empty variable is none: compose files and `.env` templates hand over what nobody filled in as "".
    model_config = SettingsConfigDict(env_prefix="DINOLABEL_", env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(user_data_path("dinolabel"), description="Where caches, bundles, exports and logs are kept.")
    models_dir: Path | None = Field(None, description="Folder with downloaded weights, for machines without a network.")

    detector: str = Field(
        "grounding_dino",
        description="Which detector finds boxes: grounding_dino, owlv2, sam3, groundingdino_py, faces, or a package's (docs/plugins.md).",
    )
    detector_weights: str = Field(
        "IDEA-Research/grounding-dino-tiny",
        description="Hub id, local folder, `nano` (embedded, for trying out), `faces`, or the file that the detector reads.",
    )
    embedder: str = Field(
        "dinov2", description="Which embedder turns crops into features: dinov2, dinov3, onnx, faces, or one that a package brings."
    )
    embedder_weights: str = Field(
        "facebook/dinov2-small", description="Hub id, local folder, `nano`, `faces`, or the file that the embedder reads."
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps.")
    precision: str = Field(
        "auto", description="auto (float32 on CPU, float16 on CUDA), float32, bfloat16 (slow on CPUs without it) or float16."
    )
    engine: Literal["auto", "exact", "fast", "transformers"] = Field(
        "auto",
        description="How GroundingDINO computes on a CPU: auto and exact give transformers' numbers quicker, fast computes in bfloat16 "
        "(on CPUs that have it, where no precision is set), transformers is its own forward.",
    )
    input_size: int | None = Field(None, description="Shorter side the detector sees, pixels. Empty: as the weights say.")
    batch_size: int = Field(4, ge=1, description="Images per detector pass.")
    threads: int | None = Field(None, description="CPU threads for the models. Empty: as torch decides.")

    box_threshold: float = Field(0.3, ge=0, le=1, description="Least score of a box.")
    text_threshold: float = Field(0.25, ge=0, le=1, description="Least mean token score of the phrase it matched.")
    nms_iou: float = Field(0.6, ge=0, le=1, description="Boxes of one label that overlap more than this are one.")

    studio_url: str | None = Field(None, description="Label Studio's address, as this machine reaches it.")
    studio_token: SecretStr | None = Field(None, description="Access token of Label Studio: personal or legacy.")
    studio_aliases: Several = Field(
        (), description="Other base URLs under which the same Label Studio appears: http://a:8080,https://b/ls."
    )
    media_hosts: Hosts = Field(
        (), description="Other hosts pictures may be fetched from (no token is sent there): cdn.example.com,img.example.org:8443."
    )
    media_networks: Several = Field(
        (),
        description="Private networks pictures may come from, such as 10.0.0.0/8,172.16.0.0/12; other private addresses are refused.",
    )
    media_max_mb: int = Field(100, ge=1, description="Largest picture that is fetched, MB.")
    picture_max_mb: int = Field(
        memory_budget.USUAL_MB, ge=16, description="Most memory that decoding one picture may take, MB; a larger one is refused by name."
    )
    media_cache_max_mb: int = Field(10_240, ge=16, description="Size bound of the fetched pictures that are kept, MB.")
    ca_bundle: Path | None = Field(
        None, description="PEM file of certificate authorities to trust, for a Label Studio with a certificate of your own."
    )
    proxy: str = Field("", description="Proxy for Label Studio and pictures. Empty: as HTTPS_PROXY and NO_PROXY say. Never for loopback.")
    no_proxy: Several = Field((), description="Hosts reached without DINOLABEL_PROXY: studio,intern.example.")
    local_files_root: Path | None = Field(
        None, description="Where Label Studio's local files are mounted here (its LOCAL_FILES_DOCUMENT_ROOT)."
    )

    host: str = Field("127.0.0.1", description="Address the backend listens on. Any but loopback needs a secret.")
    port: int = Field(9090, ge=0, le=65535, description="Port the backend listens on. 0 takes a free one.")
    secret: SecretStr | None = Field(None, description="Basic-auth password of the backend and header of its webhook.")

    traces: bool = Field(
        False, description="Send traces by OpenTelemetry (extra `otel`), to where its own OTEL_EXPORTER_OTLP_ENDPOINT says."
    )
    poll_seconds: float = Field(60.0, gt=0, description="How often reconcile compares Label Studio with what should be.")
    train_after: int = Field(20, ge=0, description="Train by itself after this many new approved names. 0: only when asked.")
    generic_is_unknown: bool = Field(False, description="Count boxes left generic as examples of `unknown`.")
    seed: int = Field(0, description="Seed of everything random in training.")
    cache_max_mb: int = Field(2048, ge=16, description="Size bound of the detection and embedding cache, MB.")

    @model_validator(mode="before")
    @classmethod
    def _pair_faces(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The plug `faces` reads the weights of that name, and they are read by nothing else."""
        for kind in ("detector", "embedder"):
            if given.get(kind) == FACES:
                given = {f"{kind}_weights": FACES} | given
        return given

    @field_validator("studio_url")
    @classmethod
    def _no_trailing_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, secrets in clear: for a child process and for nothing else."""
        found = {f"DINOLABEL_{name.upper()}": getattr(self, name) for name in type(self).model_fields}
        return {name: _as_variable(value) for name, value in found.items() if value is not None}

    @classmethod
    def load(cls, **flags: Any) -> Settings:
        """Environment and `.env`, overruled by the flags that are not None. Raises SettingsError in one sentence."""
        given = {name: value for name, value in flags.items() if value is not None}
        _refuse_redirection({*given})
        try:
            settings = cls(**given)
            memory_budget.allow(settings.picture_max_mb)
            return settings
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            why = first["msg"].removeprefix("Value error, ")
            raise SettingsError(f"Setting {name}: {why} (got {first.get('input')!r}).", hint=_as_a_list(name)) from error


class FormerSettings(BaseSettings):
    """Settings of earlier versions: ignored, but looked for where people still have them, so that they can be told."""

    model_config = Settings.model_config

    queue: SecretStr | None = Field(default=None, description="jobs are kept in the data folder")

    @classmethod
    def farewells(cls) -> list[str]:
        """A sentence for each that is set in the environment or in `.env`, without its value."""
        found = cls()
        fields = {name: field.description for name, field in cls.model_fields.items() if getattr(found, name) is not None}
        return [f"DINOLABEL_{name.upper()} is not used any more: {instead}." for name, instead in fields.items()]


def env_file() -> Path | None:
    """The `.env` that is read: that of the folder one stands in, if it has one."""
    path = Path(ENV_FILE)
    return path.absolute() if path.is_file() else None


def _refuse_redirection(flags: set[str]) -> None:
    """A `.env` may have come with a folder that somebody else made: it does not say where a token goes that is not its own.

    Raises SettingsError.
    """
    file = env_file()
    if file is None:
        return
    try:
        written = {*DotEnvSettingsSource(Settings)()}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file} cannot be read: {error}.", hint="Mend it, or start from another folder.") from error
    elsewhere = flags | {*EnvSettingsSource(Settings)()}
    redirecting = [name for name in TAKES_TOKEN if name in written - elsewhere]
    if TOKEN in elsewhere and redirecting:
        names = " and ".join(f"DINOLABEL_{each.upper()}" for each in redirecting)
        raise SettingsError(
            f"{file} sets {names}, and DINOLABEL_STUDIO_TOKEN is from the environment: it would be sent where that file says.",
            hint="Set all of it in one place: in the environment, or in that file. If you do not know that file, leave its folder.",
        )


LISTS = {"media_hosts": "cdn.example.com,img.example.org", "media_networks": "10.0.0.0/8,172.16.0.0/12"}


def _as_a_list(name: str) -> str | None:
    """How a setting of several values is written; None for every other setting."""
    field = Settings.model_fields.get(name.partition(".")[0])
    if field is None or not isinstance(field.default, tuple):
        return None
    variable = f"DINOLABEL_{name.partition('.')[0].upper()}"
    return f"Write {variable}={LISTS.get(name.partition('.')[0], 'one,another')}, or leave {variable} empty."


def _as_variable(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple) else str(value)
