"""Local storages: folders that Label Studio itself serves."""

from __future__ import annotations

import time
from pathlib import Path

from dinolabel.studio.calls.projects import AGAIN_SECONDS, LONG_SECONDS
from dinolabel.studio.errors import StudioRefused
from dinolabel.studio.http_client import ApiClient


class LocalStoragesClient:
    """Folders on Label Studio's machine that give tasks to projects."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def create(self, project: int, path: Path | str, *, pattern: str = r"(?!\.).*\.(?i:jpe?g|png|webp|bmp|gif|tiff?)$") -> int:
        """Lets Label Studio serve a folder, strictly below its document root, as it sees the path. Returns the storage's id; then sync."""
        body = {
            "project": project,
            "path": str(path),
            "title": Path(path).name,
            "use_blob_urls": True,
            "regex_filter": pattern,
            "recursive_scan": True,
        }
        return int(self.api.json("POST", "/api/storages/localfiles/", json=body)["id"])

    def list(self, project: int) -> dict[str, int]:
        """path, as Label Studio sees it -> id of the storage that serves it."""
        found = self.api.json("GET", "/api/storages/localfiles/", params={"project": project})
        return {str(each["path"]): int(each["id"]) for each in found}

    def sync(self, storage: int) -> int:
        """Makes a task of every file that is not one yet, and waits for it. Returns how many are new."""
        path = f"/api/storages/localfiles/{storage}"
        reply = self.api.json("POST", f"{path}/sync", json={}, timeout=LONG_SECONDS)
        end = time.monotonic() + LONG_SECONDS
        while reply.get("status") in {"queued", "in_progress"}:  # a worker does it, where Label Studio has one
            if time.monotonic() > end:
                raise StudioRefused("Label Studio is still reading the folder.", hint="Its tasks appear when it is done: nothing is lost.")
            time.sleep(AGAIN_SECONDS)
            reply = self.api.json("GET", path)
        if reply.get("status") == "failed":
            raise StudioRefused("Label Studio could not read the folder.", hint="See the storage in the project's settings, Cloud Storage.")
        return int(reply.get("last_sync_count") or 0)
