"""Projects: label config, the version shown, versions stored, approved work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinolabel.studio.errors import ProjectMissing, StudioCutShort, StudioRefused
from dinolabel.studio.http_client import ApiClient
from dinolabel.studio.label_configs.instructions import renew_instructions
from dinolabel.vision.errors import StudioError

LONG_SECONDS = 300.0
"""For calls that grow with the project: export, storage sync, deleting a version."""

AGAIN_SECONDS = 2.0

MOST_NAMED = 10  # projects in a message

EXPORT_IDS = 200
"""Task ids per export request: they travel in the address, whose length is limited."""

Tasks = list[dict[str, Any]]
"""Tasks as an export has them."""


@dataclass(frozen=True, slots=True)
class Project:
    """model_version: the version shown to labellers, a backend's title, or "" for none. show_predictions: whether any are shown.

    instruction: what the editor's button Instructions shows, HTML.
    tasks, annotations, predictions: how many there are; skipped annotations do not count.
    """

    id: int
    title: str
    label_config: str
    model_version: str
    show_predictions: bool
    created_at: str
    description: str
    tasks: int
    annotations: int = 0
    predictions: int = 0
    instruction: str = ""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Project:
        return cls(
            id=int(reply["id"]),
            title=str(reply.get("title") or ""),
            label_config=str(reply.get("label_config") or ""),
            model_version=str(reply.get("model_version") or ""),
            show_predictions=bool(reply.get("show_collab_predictions", True)),
            created_at=str(reply.get("created_at") or ""),
            description=str(reply.get("description") or ""),
            tasks=int(reply.get("task_number") or 0),
            annotations=int(reply.get("total_annotations_number") or 0),
            predictions=int(reply.get("total_predictions_number") or 0),
            instruction=str(reply.get("expert_instruction") or ""),
        )


BODIES_PAGE = 200
"""Tasks in one answer that holds their predictions."""


class ProjectsClient:
    """Projects, with the versions of their predictions."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def list(self) -> list[Project]:
        """All we may see, oldest first."""
        found: list[Project] = []
        for page in range(1, 10_000):
            reply = self.api.json("GET", "/api/projects/", params={"page": page, "page_size": 100})
            found += [Project.of(each) for each in reply["results"]]
            if not reply.get("next"):
                break
        return sorted(found, key=lambda each: each.id)

    def get(self, project: int) -> Project:
        """Raises ProjectMissing, status 404, which names those there are, when there is none of that number."""
        try:
            return Project.of(self.api.json("GET", f"/api/projects/{project}/"))
        except StudioRefused as error:
            if error.status != 404:
                raise
            raise ProjectMissing(f"There is no project {project}; {self._there()}.", status=404) from error

    def _there(self) -> str:
        """`there are: 1 Cats, 4 Dogs`, the newest where there are many."""
        try:
            found = self.list()
        except StudioError:
            return "which there are cannot be asked"
        if not found:
            return "there is none at all"
        shown = [f"{each.id} {each.title}" for each in found[-MOST_NAMED:]]
        more = f" and {len(found) - MOST_NAMED} older" if len(found) > MOST_NAMED else ""
        return f"{'there is' if len(found) == 1 else 'there are'}: {', '.join(shown)}{more}"

    def create(self, title: str, label_config: str, description: str = "", *, instruction: str = "") -> Project:
        """title: Label Studio wants 3 to 50 characters. instruction: HTML behind the editor's button; it does not open by itself."""
        body = {"title": title, "label_config": label_config, "description": description, "expert_instruction": instruction}
        return Project.of(self.api.json("POST", "/api/projects/", json=body))

    def set_label_config(self, project: int, xml: str) -> Project:
        """Instructions of ours follow it: they name the labels and their keys."""
        changed = Project.of(self.api.json("PATCH", f"/api/projects/{project}/", json={"label_config": xml}))
        if (text := renew_instructions(changed.instruction, xml)) is not None:
            return Project.of(self.api.json("PATCH", f"/api/projects/{project}/", json={"expert_instruction": text}))
        return changed

    def set_description(self, project: int, text: str) -> None:
        self.api.json("PATCH", f"/api/projects/{project}/", json={"description": text})

    def set_model_version(self, project: int, version: str) -> None:
        """What labellers see from their next task on. Refused for a version without any stored prediction; "" shows none."""
        self.api.json("PATCH", f"/api/projects/{project}/", json={"model_version": version})

    def model_versions(self, project: int) -> dict[str, int]:
        """version -> number of stored predictions."""
        reply = self.api.json("GET", f"/api/projects/{project}/model-versions/")
        return {str(version): int(count) for version, count in reply.items()}

    def delete_version(self, project: int, version: str) -> int:
        """Deletes a version's predictions and returns how many. What is shown stays shown, unless it is this version: then nothing is.

        Label Studio by itself would also stop showing a live backend, whichever version is deleted (measured).
        """
        shown = self.get(project).model_version
        path, body = f"/api/projects/{project}/model-versions/", {"model_version": version}
        try:
            deleted = int(self.api.json("DELETE", path, json=body, timeout=LONG_SECONDS)["deleted_predictions"])
        except StudioCutShort:
            # Asked again, Label Studio would delete the same ones a second time beside the first; so we wait for the first to end.
            deleted = self._wait_for_deletion(project, version)
        if shown not in ("", version) and self.get(project).model_version == "":
            self.set_model_version(project, shown)
        return deleted

    def _wait_for_deletion(self, project: int, version: str) -> int:
        """How many there were when the waiting began: all, because Label Studio deletes them in one transaction."""
        begun = time.monotonic()
        count = left = self.model_versions(project).get(version, 0)
        while left:
            if time.monotonic() - begun > LONG_SECONDS:
                raise StudioCutShort(f"{version} is still being deleted from project {project}.")
            time.sleep(AGAIN_SECONDS)
            left = self.model_versions(project).get(version, 0)
        return count

    def export(self, project: int, *, tasks: Sequence[int] | None = None) -> Tasks:
        """Tasks with an annotation (skipped ones too), each annotation with the prediction it began from. tasks: only these."""
        if tasks is None:
            return self._export(project, {})
        found: Tasks = []
        for start in range(0, len(tasks), EXPORT_IDS):
            found += self._export(project, {"ids[]": list(tasks[start : start + EXPORT_IDS])})
        return found

    def task_bodies(self, project: int) -> Iterator[dict[str, Any]]:
        """Every task of a project with data, annotations, predictions, and the drafts that the token's owner has, by pages.

        The listing has predictions whole and of annotations nothing but their ids, so that those come from an export (measured, 1.23.2).
        """
        params = {"project": project, "page_size": BODIES_PAGE, "fields": "all", "include": "id,data,annotations,predictions,drafts"}
        for tasks in task_pages(self.api, params):
            answered = [int(each["id"]) for each in tasks if each.get("annotations")]
            whole = {int(each["id"]): each["annotations"] for each in self.export(project, tasks=answered)} if answered else {}
            yield from ({**each, "annotations": whole.get(int(each["id"]), [])} for each in tasks)

    def _export(self, project: int, only: Mapping[str, Any]) -> Tasks:
        params = {"exportType": "JSON", **only}
        return list(self.api.json("GET", f"/api/projects/{project}/export", params=params, timeout=LONG_SECONDS))


def task_pages(api: ApiClient, params: Mapping[str, Any]) -> Iterator[Tasks]:
    """The pages of the task listing. params: with project and page_size."""
    seen = 0
    for page in range(1, 10_000):
        try:
            reply = api.json("GET", "/api/tasks", params={**params, "page": page}, timeout=LONG_SECONDS)
        except StudioRefused as error:
            if error.status == 404 and page > 1:
                return
            raise
        yield reply["tasks"]
        seen += len(reply["tasks"])
        if not reply["tasks"] or seen >= int(reply["total"]):
            return
