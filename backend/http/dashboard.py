"""The human page and its JSON: what Label Studio shows nowhere. Projects and their progress, verdicts, versions, jobs.

Turns what the service knows into words; changes nothing.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Request, render_template

from dinolabel.backend.errors import presentable
from dinolabel.backend.inference.interactive import PromptRequest
from dinolabel.backend.jobs.reviewed_answers import NameCount, Summary
from dinolabel.backend.jobs.table import Job
from dinolabel.backend.project_status import ProjectStatus
from dinolabel.backend.timestamps import EPOCH, parse_timestamp
from dinolabel.studio.reviews.people import PersonCounts

if TYPE_CHECKING:
    from dinolabel.backend.service import Service

JOBS_SHOWN = 20
VERSIONS_SHOWN = 8
VERDICTS_SHOWN = 8
TONES = {"synced": "good", "backfilling": "busy", "pending": "busy", "paused": "calm", "standby": "calm"}
STATES = {
    "synced": "up to date",
    "backfilling": "putting boxes in",
    "pending": "waiting",
    "standby": "another backend writes",
    "not_found": "not found",
    "unreachable": "Label Studio is away",
    "failed": "needs attention",
    "rejected": "needs attention",
}
FORMER_STATES = {  # what /jobs said in 0.1, for one release more, beside "phase"
    "synced": "in step",
    "backfilling": "filling",
    "pending": "waiting",
    "standby": "standing by",
    "not_found": "gone",
    "rejected": "refused",
}
JOB_TONES = {"running": "busy", "queued": "calm", "done": "good", "failed": "bad", "lost": "bad", "cancelled": "calm"}


def render_page(service: Service, nonce: str) -> str:
    """The page. nonce: of its content security policy."""
    return render_template("page.html", nonce=nonce, **_context(service))


def render_body(service: Service) -> str:
    """What changes on it, for the refresh."""
    return render_template("body.html", **_context(service))


def wants_html(request: Request) -> bool:
    """A browser asks for HTML first; everybody else gets JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def as_json(service: Service) -> dict[str, Any]:
    """/jobs for programs."""
    jobs = [job_json(each) for each in service.jobs.all()]
    return {"jobs": jobs, "projects": [_project_json(service, each.project) for each in service.projects.all()]}


def job_json(job: Job) -> dict[str, Any]:
    """One job, without the paths in its words."""
    return {
        "id": job.id,
        "kind": job.kind,
        "project": job.project,
        "state": job.state,
        "why": job.why,
        "progress": presentable(job.progress),
        "step": min(job.step + 1, len(job.commands)),
        "steps": len(job.commands),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "verdict": None if job.verdict is None else presentable(str(job.verdict.get("reason", ""))),
        "published": None if job.verdict is None else bool(job.verdict.get("published")),
        "commands": [presentable(shlex.join(each)) for each in job.commands],
    }


def _project_json(service: Service, project: int) -> dict[str, Any]:
    status = service.board.get(project)
    return {
        "project": project,
        "title": status.title,
        "state": FORMER_STATES.get(status.state, status.state),
        "phase": status.state,
        "note": presentable(status.note),
        "hint": presentable(status.hint),
        "shown": status.shown,
        "wanted": status.wanted,
        "bundle": status.bundle,
        "done": status.done,
        "total": status.total,
        "failed": status.failed,
        "eta_seconds": status.eta_seconds,
        "approvals": status.approvals,
        "answers": None if status.answers is None else asdict(status.answers),
    }


def _context(service: Service) -> dict[str, Any]:
    running = service.running
    return {
        "projects": [_project(service, each.project) for each in service.projects.all()],
        "jobs": [_job(each) for each in service.jobs.all()[:JOBS_SHOWN]],
        "weights": [("Detector", running.detector), ("Embedder", running.embedder)],
        "device": " · ".join(filter(None, (running.device, running.precision, running.engine))),
        "studio": None if service.studio is None else service.studio.url,
        "train_after": service.train_after,
    }


def _project(service: Service, project: int) -> dict[str, Any]:
    status, entry = service.board.get(project), service.projects.get(project)
    verdicts = service.store.verdicts(str(project))
    return {
        "id": project,
        "title": status.title or (entry.title if entry else "") or f"Project {project}",
        "colours": entry.colours if entry else {},
        "state": STATES.get(status.state, status.state),
        "tone": TONES.get(status.state, "bad"),
        "busy": status.state == "backfilling",
        "note": presentable(status.note),
        "hint": presentable(status.hint) if status.note else "",
        "shown": status.shown or "nothing",
        "wanted": status.wanted,
        "in_step": status.shown == status.wanted,
        "done": status.done,
        "total": status.total,
        "counted": status.total or status.state == "synced",
        "percent": round(100 * status.done / status.total) if status.total else 0,
        "failed": status.failed,
        "eta": format_duration(status.eta_seconds) if status.state == "backfilling" else "",
        "approvals": status.approvals,
        "suppressed": status.suppressed,
        "approvals_percent": _progress(status, service.train_after),
        "training": None if (job := service.jobs.active(project)) is None else _job(job),
        **_answers(status, service.judged_pictures),
        "verdict": _verdict(verdicts[-1]) if verdicts else None,
        "verdicts": [_verdict(each) for each in reversed(verdicts[-VERDICTS_SHOWN - 1 : -1])],
        "versions": _versions(service, project),
        "wishes": [_prompt_row(each) for each in service.typing.requests(project)],
        "link": None if service.studio is None else f"{service.studio.url}/projects/{project}/data",
    }


def _answers(status: ProjectStatus, judged_pictures: int | None) -> dict[str, Any]:
    """What people answered: a row for each name and each person, pictures by the number of answers, disagreements."""
    found = status.answers
    if found is None:
        return {"names": [], "by_answers": "", "disagreements": 0, "unread": 0, "people": []}
    names = [{"name": each.name, "boxes": each.boxes, "lacks": _lacks(each, judged_pictures)} for each in found.names]
    people = [_person(each) for each in found.people] if len(found.people) > 1 else []
    told = {"by_answers": _by_answers(found), "disagreements": found.disagreements, "unread": found.unread}
    return {"names": names, "people": people, "disputed_tab": status.disputed_tab, **told}


def _person(counts: PersonCounts) -> dict[str, Any]:
    keys, agreement = counts.keys_per_box, counts.agreement
    return {
        "who": counts.who,
        "pictures": counts.answers,
        "boxes": counts.boxes,
        "keys_a_box": "–" if keys is None else f"{keys:.2f}",
        "agreement": None if agreement is None else round(100 * agreement),
        "compared": counts.compared,
    }


def _lacks(name: NameCount, judged_pictures: int | None) -> str:
    """What a name lacks until the gate can judge it: only a share of its pictures is held out for that, so it is about so many."""
    left = (judged_pictures or 0) - name.pictures
    return f"about {left} more picture{'' if left == 1 else 's'} until it can be judged" if left > 0 else ""


def _by_answers(found: Summary) -> str:
    """`12 without an answer, 5 with 1 of 2, 3 with 2 of 2`; `12 without an answer, 3 with one` where one is all that is asked for."""
    if not sum(found.by_answers):
        return ""
    answered = ["with one"] if found.asked == 1 else [f"with {number} of {found.asked}" for number in range(1, found.asked + 1)]
    said = ["without an answer", *answered]
    return ", ".join(f"{count} {words}" for count, words in zip(found.by_answers, said, strict=True))


def _progress(status: ProjectStatus, train_after: int) -> int:
    return min(100, round(100 * (status.approvals or 0) / train_after)) if train_after else 0


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    published = bool(verdict.get("published"))
    return {
        "word": "Published" if published else "Not published",
        "tone": "good" if published else "calm",
        "reason": presentable(str(verdict.get("reason", ""))),
        "when": format_age(parse_timestamp(verdict.get("at")).timestamp()) if parse_timestamp(verdict.get("at")) > EPOCH else "",
    }


def _versions(service: Service, project: int) -> list[dict[str, Any]]:
    """Bundles, newest first, each with what it is to the project."""
    store, name = service.store, str(project)
    marks = {"current": store.current(name), "pinned": store.pinned(name), "newest": store.newest(name)}
    return [
        {
            "id": each.id,
            "labels": ", ".join(each.labels),
            "when": format_age(parse_timestamp(each.at).timestamp()),
            "badges": [word for word, marked in marks.items() if marked == each.id],
        }
        for each in store.heads(name)[: -VERSIONS_SHOWN - 1 : -1]
    ]


def _prompt_row(wish: PromptRequest) -> dict[str, Any]:
    """What somebody typed while annotating. found: whether it is worth a button that makes it the project's."""
    tasks = len(wish.tasks)
    limits = [f"{name} threshold {value:g}" for name, value in (("box", wish.box), ("text", wish.text)) if value is not None]
    boxes = f"{wish.boxes} box{'' if wish.boxes == 1 else 'es'}"
    found = [f"{boxes} on 1 task" if tasks == 1 else f"{boxes} on the last of {tasks} tasks"]
    return {"words": wish.words, "told": ", ".join(limits + found), "box": wish.box, "text": wish.text, "found": wish.boxes > 0}


def _job(job: Job) -> dict[str, Any]:
    end = job.finished_at or time.time()
    return {
        **job_json(job),
        "tone": JOB_TONES[job.state],
        "active": job.active,
        "when": format_age(job.created_at),
        "took": format_duration(end - job.started_at) if job.started_at else "",
    }


def format_duration(seconds: float | None) -> str:
    """A length of time, roughly."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_age(at: float) -> str:
    seconds = time.time() - at
    return (
        "just now"
        if seconds < 5
        else f"{format_duration(seconds)} ago"
        if seconds < 86400
        else time.strftime("%d %b %Y", time.localtime(at))
    )
