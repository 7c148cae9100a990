"""JSON and XML files of a data set: which there are, told by what they hold, and XML parsed safely."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from dinolabel.exporters.importers.common.records import ImportUnreadable, read_text
from dinolabel.vision.decoding import folder_walk
from dinolabel.vision.errors import first_line

WIDE = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, as PowerShell writes
HEAD = 4096
"""Bytes in which the root of a data set's file begins."""

UNREADABLE = (OSError, ParseError, DefusedXmlException, ValueError, LookupError)


def xml_files(path: Path, root: str, *, sniff: bool = False) -> Iterator[Path]:
    """The file itself, or those below a folder whose head names this root element; hidden ones left out. sniff: the file itself only
    where its head does too. Raises ImportUnreadable."""
    if path.is_file():
        yield from [path] if not sniff or begins_with(path, root) else []
    elif not path.is_dir():
        raise ImportUnreadable(f"There is no file or folder {path}.")
    else:
        yield from (each for each in folder_walk.files(path) if each.suffix.lower() == ".xml" and begins_with(each, root))


def begins_with(file: Path, root: str) -> bool:
    """Whether a file's head names this root element, in any encoding of single bytes or in UTF-16."""
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD).replace(b"\0", b"")
    except OSError:
        return False
    return f"<{root}>".encode() in head or f"<{root} ".encode() in head


def parse_xml(file: Path) -> Element | str:
    """The root, or why there is none: what cannot be parsed, and entities, which none of these formats has."""
    try:
        root: Element = defusedxml.ElementTree.parse(file).getroot()
    except UNREADABLE as error:
        return f"The file cannot be read: {type(error).__name__} {first_line(error)}."
    return root


def holds(file: Path, *keys: str, begins: str = "{") -> bool:
    """Whether a JSON file is an object or a list, as `begins` says, in which all these keys stand somewhere."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[:2] in WIDE:
                text = read_text(file)
                return text.lstrip().startswith(begins) and all(f'"{key}"' in text for key in keys)
            head = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
            return head.startswith(begins.encode()) and all(content.find(f'"{key}"'.encode()) >= 0 for key in keys)
    except (OSError, ValueError, ImportUnreadable):  # an empty file cannot be mapped
        return False
