#!/usr/bin/env bash
# Guessed: GET /api/tasks?fields=all&include=id,annotations,predictions,drafts gives each of the three with its regions, as GET /api/tasks/ID does
# Seen:    predictions and drafts come whole, an annotation is {"id": 1} and nothing else: no result, no author, no word that something is missing;
#          so whoever counts boxes by the listing finds what the machine proposed and none of what people answered
# Versions: label-studio==1.23.2; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"; }
trap cleanup EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check label-studio==1.23.2
cd "$folder"
port=$("$folder/venv/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
export LABEL_STUDIO_BASE_DATA_DIR="$folder/data" LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false
token=0123456789abcdef0123456789abcdef01234567
"$folder/venv/bin/label-studio" start --no-browser --internal-host 127.0.0.1 --port "$port" --username a@example.com --password secret-secret --user-token "$token" >"$folder/log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "http://127.0.0.1:$port" "$token" <<'PY'
import json
import sys
import time
import urllib.error
import urllib.request

url, token = sys.argv[1:]


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"Authorization": f"Token {token}", "Content-Type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(asked, timeout=60))


for _ in range(300):
    try:
        call("GET", "/api/version")
        break
    except (urllib.error.URLError, OSError):
        time.sleep(1)

config = '<View><RectangleLabels name="label" toName="image"><Label value="cat"/></RectangleLabels><Image name="image" value="$image"/></View>'
project = call("POST", "/api/projects/", {"title": "three kinds", "label_config": config})["id"]
call("POST", f"/api/projects/{project}/import", [{"data": {"image": "/static/images/favicon.ico"}}])
task = call("GET", f"/api/tasks?project={project}")["tasks"][0]["id"]
value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
size = {"original_width": 100, "original_height": 100, "image_rotation": 0}
region = {"id": "a", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value, **size}
call("POST", "/api/predictions/", {"task": task, "model_version": "v1", "result": [region]})
call("POST", f"/api/tasks/{task}/annotations/", {"result": [region], "lead_time": 2})
call("POST", f"/api/tasks/{task}/drafts", {"result": [region], "lead_time": 2})

(listed,) = call("GET", f"/api/tasks?project={project}&fields=all&include=id,annotations,predictions,drafts")["tasks"]
single = call("GET", f"/api/tasks/{task}/")
for name in ("predictions", "drafts", "annotations"):
    print(f"{name}: the listing has {sorted(listed[name][0])}")
    print(f"{name}: the task has a result of {len(single[name][0]['result'])} region")
assert all(len(single[name][0]["result"]) == 1 for name in ("predictions", "drafts", "annotations"))
assert len(listed["predictions"][0]["result"]) == len(listed["drafts"][0]["result"]) == 1
assert [list(each) for each in listed["annotations"]] == [["id"]]
PY
