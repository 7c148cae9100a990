#!/usr/bin/env bash
# Guessed: a writer of XML escapes what it is given
# Seen:    'Tom & Jerry' as a label or as the picture's name stands unescaped: no parser reads the file, and saving says nothing
# Versions: pascal-voc-writer==0.1.4 jinja2==3.1.6 markupsafe==3.0.3; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pascal-voc-writer==0.1.4 jinja2==3.1.6 markupsafe==3.0.3
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from xml.etree import ElementTree

from pascal_voc_writer import Writer

for picture, label in (("a.jpg", "Tom & Jerry"), ("a & b.jpg", "tom")):
    writer = Writer(picture, 100, 50)
    writer.addObject(label, 1, 1, 20, 30)
    writer.save("a.xml")
    try:
        ElementTree.parse("a.xml")
    except ElementTree.ParseError as error:
        print(f"{picture}, {label}: {error}")
    else:
        raise SystemExit(f"{picture}, {label}: read")
PY
