"""Reads a task's address: what Label Studio serves, under whatever name and prefix, what lies in a cloud, what is somewhere else."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from dinolabel.vision.errors import MediaRefused, first_line

SERVED = ("/data/", "/storage-data/")
LOCAL_FILES = "/data/local-files/"
WEB = frozenset({"http", "https"})
MEND = "Mend the address in the task's data, or import the task again."

NEVER = {
    "blob": "lives in one browser's memory and nowhere else",
    "about": "is a page of a browser",
    "javascript": "is a program",
    "chrome-extension": "is a browser's own",
    "content": "is known to one telephone only",
    **dict.fromkeys(("ftp", "ftps", "sftp", "scp", "ssh"), "is of a file server, which Label Studio's editor does not show either"),
    **dict.fromkeys(("smb", "nfs", "afp", "dav", "davs"), "is of a network drive, which Label Studio's editor does not show either"),
}
"""Schemes that no setting makes readable, and what an address of theirs is."""

_KNOWN = {*NEVER, "data", "file", "http", "https"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_WINDOWS = re.compile(r"(?:file:/*)?[A-Za-z]:[\\/]|\\\\|file:/*\\\\", re.IGNORECASE)
_NO_AUTHORITY = re.compile(r"https?:[/\\]*[^/?#]*[\\\s\x00-\x1f\x7f]", re.IGNORECASE)
"""What RFC 3986 allows in no host, user or port, and libraries read differently."""
_UNFILLED = re.compile(r"\{\{.*?\}\}")
_CLOUD = re.compile(r"/(tasks|projects)/(\d+)/(?:resolve|presign)/?\?")
_PREFIXED = re.compile(r"(?:/[^/?#]+)+?(/data/(?:upload|local-files)/.*|/(?:tasks|projects)/\d+/(?:resolve|presign)/?\?.*)")
_ANYWHERE = re.compile(r"(?:/[^/?#]+)*?(/data/(?:upload|local-files)/.*|/(?:tasks|projects)/\d+/(?:resolve|presign)/?\?.*)")


def scheme(url: str) -> str | None:
    """Lower case, without the colon; None for a path. `a:b.jpg` and `2024:05.jpg` are paths."""
    found = _SCHEME.match(url)
    name = found[1].lower() if found else ""
    return name if found and (found[2] or name in _KNOWN) else None


def is_inline(url: str) -> bool:
    """Whether the address holds the picture itself (`data:image/jpeg;base64,…`)."""
    return url[:5].lower() == "data:"


def brief(url: str) -> str:
    """The address as it is written down: of one that holds the picture itself, what comes before the picture."""
    return url.partition(",")[0][:60] + ",…" if is_inline(url) else url


def place(url: str) -> str:
    """Where an address leads, in a word or two: `cdn.example.com`, `s3://bucket`, `the task itself`, "" for a path."""
    name = scheme(url)
    if name == "data":
        return "the task itself"
    host = urlsplit(url).netloc.rpartition("@")[2].lower() if name not in (None, "file") else ""
    return host if name in {"http", "https"} else f"{name}://{host}" if host else ""


def fault(url: str) -> tuple[str, str] | None:
    """(what is wrong, what to do) of an address that can never be read, whatever the settings are; None for all others."""
    name = scheme(url)
    if not url:
        return "The task's address is empty.", "Import the task again with one picture in it."
    if is_inline(url):
        return None  # long, and dinolabel.studio.media.inline says what is wrong with it
    if _WINDOWS.match(url):
        return "The address is a path of a Windows machine, which only that machine can read.", SERVE
    if unfilled := _UNFILLED.search(url):
        return f"The address holds {unfilled[0][:40]}, which nobody filled in.", "Write the whole address into the task's data."
    if url.startswith("//"):
        return "The address begins with // and says neither http nor https.", "Write https: in front of it in the task's data."
    if _NO_AUTHORITY.match(url):
        return MISWRITTEN
    if name in NEVER:
        return f"An address of {name}: {NEVER[name]}.", SERVE
    try:
        lacking = name in {"http", "https"} and not urlsplit(url).hostname
    except ValueError:
        return MISWRITTEN
    return (f"The address begins with {name}: and names no host.", "Write it like https://host/picture.jpg.") if lacking else None


MISWRITTEN = "The address is not written as addresses are.", "Copy it anew from a browser that shows the picture."
SERVE = "Upload the pictures to Label Studio, or let one of its storages serve their folder, and import the tasks anew."


def split(url: str) -> SplitResult:
    """The parts of an address. Raises MediaRefused for text that is none: half a bracket, a port that is no number."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() in WEB:
            _ = parts.port
    except ValueError as error:
        raise senseless_address(error) from error
    return parts


def senseless_address(error: ValueError) -> MediaRefused:
    """What to say of a task's address that no library makes anything of."""
    why = first_line(error).rstrip(".")
    return MediaRefused(f"The task's address makes no sense: {why}.", hint=MEND)


def label_studio_path(path: str, bases: Sequence[str]) -> str | None:
    """The part of a path-with-query that Label Studio serves, without the prefix it has behind a proxy; None when it is no such path.

    bases: Label Studio's known addresses, whose own paths are prefixes (`https://host/ls` -> `/ls`).
    """
    for prefix in sorted({urlsplit(each).path.rstrip("/") for each in bases} | {""}, key=len, reverse=True):
        rest = path[len(prefix) :] if path.startswith(prefix + "/") else ""
        if rest.startswith(SERVED) or _CLOUD.match(rest):
            return rest
    elsewhere = _PREFIXED.fullmatch(path)
    return elsewhere[1] if elsewhere else None


def path_at_any_host(url: str) -> str | None:
    """The same for an absolute address on a host we do not know: Label Studio under the name it has for others (measured)."""
    parts = split(url)
    found = _ANYWHERE.fullmatch(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found[1] if found else None


def parse_cloud(path: str) -> tuple[str, str] | None:
    """(`s3://…`, `tasks/7`) of `/tasks/7/resolve/?fileuri=…`, which is what Label Studio's task listing says for s3://… (measured)."""
    found = _CLOUD.match(path)
    code = parse_qs(split(path).query).get("fileuri", [""])[0] if found else ""
    if not found or not code:
        return None
    try:
        uri = base64.urlsafe_b64decode(code.encode()).decode()
    except (binascii.Error, ValueError):
        uri = unquote(code)
    return uri, f"{found[1]}/{found[2]}"


def to_cloud(uri: str, owner: str) -> str:
    """The path at which Label Studio redirects to a signed address, or passes the bytes on. owner: `tasks/7` or `projects/3`."""
    return f"/{owner}/presign/?fileuri={quote(base64.urlsafe_b64encode(uri.encode()).decode())}"


def local_file(url: str) -> str | None:
    """The path below Label Studio's document root that an address of its local files names, None for other addresses."""
    if LOCAL_FILES not in urlsplit(url).path + "/":
        return None
    return parse_qs(urlsplit(url).query).get("d", [None])[0]


def parts(url: str) -> list[str]:
    """Folders and file name of an address: of its `d=` for Label Studio's local files, of the cloud's own for `/tasks/7/resolve/?…`.

    What follows `?` or `#` (a signature) does not count. None of a `data:` address, which holds the picture itself. Raises MediaRefused
    for what is no address.
    """
    if not isinstance(url, str):
        raise MediaRefused("What the task has for its picture is no address.", hint="Import the task again with one picture in it.")
    if is_inline(url):
        return []
    found = split(url)
    served_by_studio = path_at_any_host(url)
    cloud = parse_cloud(served_by_studio) if served_by_studio else None
    if cloud is not None:
        return parts(cloud[0])
    path = local_file(url) or unquote(found.path)
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port), lower case, the port written out; port -1 when it is no number."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or {"https": 443}.get(parts.scheme.lower(), 80)
