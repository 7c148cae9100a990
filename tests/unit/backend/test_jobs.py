"""Jobs: real child processes, a table that outlives crashes, cancelling that reaches grandchildren, and no secret in what is kept."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dinolabel.backend.errors import JobTableUnavailable, JobUnknown
from dinolabel.backend.jobs.process import start_time
from dinolabel.backend.jobs.runner import JobLimits, JobRunner
from dinolabel.backend.jobs.table import Job, JobTable
from dinolabel.vision.errors import SettingsError
from tests.waiting import eventually

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "jobs-0.1.0"
OUT_OF_MEMORY = "Killed by SIGKILL, as the system does when memory runs out."
TOKEN = "0123456789abcdef-token-of-label-studio"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., JobRunner]]:
    """Makes Jobs on one folder, with a program of the test's."""
    made: list[JobRunner] = []

    def jobs(code: str = "print('Trained.')", *, start: bool = True, **options: Any) -> JobRunner:
        environment = {**os.environ, "DINOLABEL_STUDIO_TOKEN": TOKEN}
        given = {"program": [sys.executable, "-c", code], "environment": environment, "exports": tmp_path / "exports"} | options
        made.append(JobRunner(tmp_path / "jobs", **given))
        if start:
            made[-1].start()
        return made[-1]

    yield jobs
    for each in made:
        each.stop()


def ended(jobs: JobRunner, job: str) -> Job:
    eventually(lambda: not jobs.get(job).active)
    return jobs.get(job)


def test_export_then_training_as_a_person_would_type_them(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    jobs = desk("import sys; print('ran', *sys.argv[1:])")
    job = ended(jobs, jobs.train(7, why="asked"))
    folder = tmp_path / "exports" / "7"
    assert (job.state, job.step, job.why) == ("done", 1, "asked")
    assert jobs.log_of(job.id).read_text().splitlines() == [
        f"$ dinolabel export crops --project 7 --out {folder}",
        f"ran export crops --project 7 --out {folder}",
        f"$ dinolabel train --manifest {folder} --project 7",
        f"ran train --manifest {folder} --project 7",
    ]


def test_the_token_travels_by_environment_and_stays_out_of_table_and_log(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    jobs = desk("import os, sys; assert len(os.environ['DINOLABEL_STUDIO_TOKEN']) == 38; print('Has it.')")
    job = ended(jobs, jobs.train(7, why="asked"))
    assert (job.state, job.progress) == ("done", "Has it.")
    kept = [path for path in (tmp_path / "jobs").rglob("*") if path.is_file()]
    assert {"jobs.sqlite", f"{job.id}.log"} <= {each.name for each in kept}
    assert [each.name for each in kept if TOKEN.encode() in each.read_bytes()] == []


def test_children_are_polite(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(
        "import os; print(os.getpriority(os.PRIO_PROCESS, 0), os.environ['OMP_NUM_THREADS'], os.getpgid(0) == os.getpid())",
        limits=JobLimits(threads=3),
    )
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert ended(jobs, jobs.train(1, why="asked")).progress in {f"{min(19, nice)} 3 True" for nice in (10, here)} or here > 10


def test_a_command_that_fails_ends_the_job_with_its_last_words(desk: Callable[..., JobRunner]) -> None:
    jobs = desk("import sys; print('reading'); sys.exit('Not enough names: 1 more of lacy.')")
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, job.progress, job.step) == ("failed", "Not enough names: 1 more of lacy.", 0)


def test_a_command_that_is_not_there(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(program=["/nowhere/python"])
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, "could not be started" in job.progress) == ("failed", True)


def test_progress_is_the_last_line_without_colours(desk: Callable[..., JobRunner]) -> None:
    said = [r"\x1b[32mEmbedding\x1b[0m 3 of 9", "   ", '{"event": 1}']
    jobs = desk(f"import time; print({said[0]!r}, {said[1]!r}, {said[2]!r}, sep=chr(10), flush=True); time.sleep(30)".replace("\\\\", "\\"))
    job = jobs.train(1, why="asked")
    eventually(lambda: jobs.get(job).progress == "Embedding 3 of 9")
    assert jobs.cancel(job).state == "cancelled"


GRANDCHILD = (
    "import subprocess, sys, time, pathlib; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print('pid', child.pid, flush=True); time.sleep(60)"
)


def grandchild(jobs: JobRunner, job: str) -> int:
    eventually(lambda: jobs.get(job).progress.startswith("pid "))
    return int(jobs.get(job).progress.split()[1])


def test_cancelling_ends_the_whole_group(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(GRANDCHILD)
    job = jobs.train(1, why="asked")
    pid = grandchild(jobs, job)
    assert jobs.cancel(job).state == "cancelled"
    eventually(lambda: start_time(pid) is None)
    eventually(lambda: jobs.get(job).pid is None)


def test_cancelling_what_waits_keeps_it_from_running(desk: Callable[..., JobRunner]) -> None:
    jobs = desk("import time; time.sleep(60)")
    first, second = jobs.train(1, why="asked"), jobs.train(2, why="asked")
    eventually(lambda: jobs.get(first).state == "running")
    jobs.cancel(second)
    jobs.cancel(first)
    third = jobs.train(3, why="asked")
    eventually(lambda: jobs.get(third).state == "running")
    assert jobs.get(second).started_at is None
    jobs.cancel(third)


def test_what_has_ended_cannot_be_cancelled_any_more(desk: Callable[..., JobRunner]) -> None:
    jobs = desk()
    job = ended(jobs, jobs.train(1, why="asked"))
    assert jobs.cancel(job.id).state == "done"
    with pytest.raises(JobUnknown):
        jobs.cancel("nobody")
    with pytest.raises(JobUnknown):
        jobs.log_of("../../etc/passwd")


def test_the_time_limit_ends_it(desk: Callable[..., JobRunner]) -> None:
    jobs = desk("import time; time.sleep(60)", limits=JobLimits(seconds=0.6))
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, "time limit" in job.progress) == ("failed", True)


def test_one_training_per_project_at_a_time(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(start=False)
    first = jobs.train(1, why="asked")
    assert jobs.train(1, why="asked again") == first
    assert jobs.train(2, why="asked") != first
    assert [each.project for each in jobs.all()] == [2, 1]


def test_a_program_that_ignores_sigterm_is_ended_all_the_same(desk: Callable[..., JobRunner], monkeypatch: pytest.MonkeyPatch) -> None:
    import dinolabel.backend.jobs.process

    monkeypatch.setattr(dinolabel.backend.jobs.process.terminate_group, "__defaults__", (0.3,))
    jobs = desk("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)")
    job = jobs.train(1, why="asked")
    eventually(lambda: jobs.get(job).progress == "deaf")
    pid = jobs.get(job).pid
    assert pid is not None
    jobs.cancel(job)
    eventually(lambda: start_time(pid) is None)


def test_stopping_the_server_ends_the_group_and_the_job_counts_as_lost(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(GRANDCHILD)
    job = jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00")
    pid = grandchild(jobs, job)
    jobs.stop()
    assert start_time(pid) is None
    assert jobs.get(job).state == "lost"
    assert jobs.seen_until(1) is None, "a training that was cut off has seen nothing: it is due again"


def test_what_waited_when_the_server_stopped_runs_on_the_next(desk: Callable[..., JobRunner]) -> None:
    waiting = desk(start=False).train(1, why="asked")
    jobs = desk()
    assert ended(jobs, waiting).state == "done"


def test_what_was_taken_and_had_not_begun_runs_on_the_next(desk: Callable[..., JobRunner]) -> None:
    """A kill between the row's turn and its first command: nothing of it ran, so it waits again."""
    jobs = desk(start=False)
    job = jobs.train(1, why="asked")
    assert JobTable(jobs._folder / "jobs.sqlite").take(1.0) == jobs.get(job)
    assert jobs.get(job).state == "running"
    assert ended(desk(), job).state == "done"
    assert [each.id for each in jobs.all()] == [job]


CRASHING = """
import os, sys, time
from pathlib import Path
from dinolabel.backend.jobs.runner import JobLimits, JobRunner
jobs = JobRunner(Path(sys.argv[1]), program=[sys.executable, "-c", sys.argv[2]], environment=dict(os.environ), exports=Path(sys.argv[1]))
jobs.start()
job = jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00")
while not jobs.get(job).progress.startswith("pid "): time.sleep(0.02)
print("running", job, jobs.get(job).progress.split()[1], flush=True)
time.sleep(60)
"""


def crash(*arguments: str, at: str) -> list[str]:
    """Run a server that prints a line beginning with `at`, kill it then (-9), and give the line's words."""
    server = subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    while not (line := server.stdout.readline()).startswith(at):
        assert line, "the server ended by itself"
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    return line.split()


def test_after_kill_9_the_orphans_are_ended_and_the_job_is_lost(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    _, job, number = crash(CRASHING, str(tmp_path / "jobs"), GRANDCHILD, at="running")
    pid = int(number)
    assert start_time(pid) is not None, "nobody ended the grandchild yet"
    jobs = desk()
    assert (jobs.get(job).state, start_time(pid)) == ("lost", None)
    assert jobs.active(1) is None


KILLED_AT = """
import os, sys, time
from pathlib import Path
from dinolabel.backend.jobs import runner as module
folder, moment = Path(sys.argv[1]), sys.argv[2]
def await_the_kill(*given, **values):
    print("here", flush=True)
    time.sleep(60)
if moment == "take": module.ChildProcess = await_the_kill
if moment == "child": module.JobTable.change = await_the_kill
if moment == "end": module.JobRunner._end = await_the_kill
jobs = module.JobRunner(folder, program=[sys.executable, "-c", ""], environment=dict(os.environ), exports=folder)
if moment != "insert": jobs.start()
jobs.train(1, why="asked")
if moment == "insert": await_the_kill()
time.sleep(60)
"""


@pytest.mark.parametrize(("moment", "state"), [("insert", "done"), ("take", "done"), ("child", "done"), ("end", "lost")])
def test_a_kill_9_at_any_moment_forgets_nothing(desk: Callable[..., JobRunner], tmp_path: Path, moment: str, state: str) -> None:
    """insert: nobody took it yet. take: taken, no child yet. child: started, not noted yet. end: ended, not noted yet."""
    crash(KILLED_AT, str(tmp_path / "jobs"), moment, at="here")
    jobs = desk()
    (job,) = jobs.all()
    assert ended(jobs, job.id).state == state
    assert ended(jobs, jobs.train(1, why="asked again")).state == "done"


OTHER = """
import os, sys
from pathlib import Path
from dinolabel.backend.jobs.table import JobTable
table = JobTable(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while job := table.take(1.0): print(job.id, flush=True)
"""


def test_each_job_is_taken_once_and_in_order_however_many_take(tmp_path: Path) -> None:
    table = JobTable(tmp_path / "jobs.sqlite")
    given = [f"j{at}" for at in range(60)]
    for at, each in enumerate(given):
        table.add(Job(each, "train", at, "queued", "asked", (), None, created_at=1000.0 - at))  # a clock that was put back
    command = [sys.executable, "-c", OTHER, str(tmp_path / "jobs.sqlite")]
    takers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for each in takers:
        assert each.stdout and each.stdout.readline() == "ready\n"
    for each in takers:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    taken = [each.communicate(timeout=60)[0].split() for each in takers]
    assert sorted(taken[0] + taken[1]) == sorted(given)
    assert all(each == sorted(each, key=given.index) for each in taken)
    assert {each.state for each in table.all()} == {"running"}


def test_what_waits_runs_in_the_order_of_asking(desk: Callable[..., JobRunner]) -> None:
    jobs = desk(start=False)
    asked = [jobs.train(project, why="asked") for project in (3, 1, 2)]
    jobs._table.change(asked[0], created_at=9e9)
    jobs.start()
    started = [ended(jobs, each).started_at or 0.0 for each in asked]
    assert 0.0 < started[0] < started[1] < started[2]


def test_asking_wakes_the_worker(desk: Callable[..., JobRunner], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinolabel.backend.jobs.runner.POLL_SECONDS", 3600.0)
    jobs = desk()
    for project in (1, 2):
        assert ended(jobs, jobs.train(project, why="asked")).state == "done"
    began = time.monotonic()
    jobs.stop()
    assert time.monotonic() - began < 10, "stopping wakes it, too"


def test_a_job_that_another_process_asked_for_is_found(desk: Callable[..., JobRunner]) -> None:
    jobs, other = desk(), desk(start=False)
    job = other.train(1, why="asked")
    assert ended(jobs, job).state == "done"


def test_processes_agree_on_the_one_training_of_a_project(desk: Callable[..., JobRunner]) -> None:
    jobs, other = desk(start=False), desk(start=False)
    job = jobs.train(1, why="asked")
    assert other.train(1, why="asked") == job
    jobs.cancel(job)
    assert other.train(1, why="asked") != job


def test_a_stop_between_turn_and_start_puts_it_back(desk: Callable[..., JobRunner], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = desk(start=False)
    job, take = jobs.train(1, why="asked"), JobTable.take

    def take_and_stop(table: JobTable, now: float) -> Job | None:
        jobs._stopping.set()
        return take(table, now)

    monkeypatch.setattr(JobTable, "take", take_and_stop)
    jobs.start()
    eventually(lambda: not jobs._worker.is_alive())
    assert (jobs.get(job).state, jobs.get(job).started_at) == ("queued", None)


def test_a_table_that_fails_for_a_while_costs_no_job(desk: Callable[..., JobRunner], monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: the child is watched on, cancelling reaches it afterwards, and what ends meanwhile is noted when there is room."""
    monkeypatch.setattr("dinolabel.backend.jobs.runner.POLL_SECONDS", 0.1)
    jobs = desk("import sys, time; time.sleep(60 if '1' in sys.argv else 0)", limits=JobLimits(threads=1))
    first = jobs.train(1, why="asked")
    eventually(lambda: jobs.get(first).pid)
    pid, change = jobs.get(first).pid, JobTable.change
    failures: list[str] = []
    assert pid

    def fail(*_given: object, **_values: object) -> bool:
        failures.append("full")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(JobTable, "change", fail)
    eventually(lambda: len(failures) > 2)
    monkeypatch.setattr(JobTable, "change", change)
    assert (jobs.get(first).state, start_time(pid) is not None) == ("running", True)
    jobs.cancel(first)
    eventually(lambda: jobs.get(first).pid is None)
    assert start_time(pid) is None
    monkeypatch.setattr(JobTable, "change", fail)
    second, before = jobs.train(2, why="asked"), len(failures)
    eventually(lambda: len(failures) > before + 2)
    monkeypatch.setattr(JobTable, "change", change)
    assert ended(jobs, second).state == "lost", "so that it is asked for again"
    assert ended(jobs, jobs.train(2, why="asked again")).state == "done"


@pytest.mark.parametrize("where", ["verdicts", "on_end"])
def test_a_surprise_ends_its_own_job_only(desk: Callable[..., JobRunner], where: str) -> None:
    def surprise(*_given: object) -> Any:
        raise KeyError("bundle")

    jobs = desk(**({"verdicts": surprise} if where == "verdicts" else {}))
    if where == "on_end":
        jobs.on_end = surprise
    states = [ended(jobs, jobs.train(project, why="asked")).state for project in (1, 2)]
    assert states == ["failed" if where == "verdicts" else "done"] * 2


def test_a_log_that_cannot_be_written_ends_the_job(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    jobs = desk(start=False)
    job = jobs.train(1, why="asked")
    (tmp_path / "jobs" / f"{job}.log").mkdir()
    jobs.start()
    assert (ended(jobs, job).state, "could not be started" in jobs.get(job).progress) == ("failed", True)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "random": lambda data: bytes(at * 37 % 251 for at in range(20_000)),
    "text": lambda data: b"this was never a database " * 500,
    "cut": lambda data: data[:3000],
    "page": lambda data: data[:4096] + b"\xff" * 4096 + data[8192:],
    "row": lambda data: data.replace(b'[["dinolabel"', b'[["dinolabel}'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_table_is_set_aside_and_begun_anew(desk: Callable[..., JobRunner], tmp_path: Path, kind: str) -> None:
    asked = desk(start=False)
    asked.train(1, why="asked")
    path = tmp_path / "jobs" / "jobs.sqlite"
    damaged = DAMAGE[kind](path.read_bytes())
    path.write_bytes(damaged)
    with capture_logs() as logs:
        jobs = desk()
        assert jobs.all() == []
    assert path.with_name("jobs.sqlite.damaged").read_bytes() == damaged
    (told,) = [each for each in logs if each["event"] == "job_table_damaged"]
    assert "jobs.sqlite.damaged" in str(told)
    assert ended(jobs, jobs.train(1, why="asked again")).state == "done"


def test_a_table_that_cannot_be_opened_is_not_taken_for_damaged(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.mkdir()
    with pytest.raises(JobTableUnavailable, match="table of jobs"):
        JobTable(path)
    assert path.is_dir() and not path.with_name("jobs.sqlite.damaged").exists()


def test_a_folder_of_the_version_with_huey_opens_and_its_jobs_run(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    """Recorded by that version, killed (-9) while the first of three ran."""
    shutil.copytree(RECORDED, tmp_path / "jobs")
    jobs = desk("import sys; print('ran', *sys.argv[1:])")
    third, second, first = jobs.all()
    assert (first.state, first.project) == ("lost", 1)
    for each in (second, third):
        assert ended(jobs, each.id).state == "done"
        assert jobs.get(each.id).progress == f"ran train --manifest exports/{each.project} --project {each.project}"
    assert [path.name for path in (tmp_path / "jobs").iterdir() if "huey" in path.name] == []


def test_two_servers_on_one_folder_are_one_too_many(desk: Callable[..., JobRunner]) -> None:
    first = desk()
    with pytest.raises(SettingsError, match="Another backend"):
        desk()
    first.stop()
    assert ended(desk(), first.train(1, why="asked")).state == "done"


def test_a_stranger_with_the_old_pid_is_left_alone(desk: Callable[..., JobRunner]) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        jobs = desk(start=False)
        job = jobs.train(1, why="asked")
        jobs._table.change(job, state="running", pid=stranger.pid, born=1.0)
        jobs.start()
        assert jobs.get(job).state == "lost"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_verdict_of_this_training_is_kept_with_it(desk: Callable[..., JobRunner], tmp_path: Path) -> None:
    told = tmp_path / "verdicts"
    told.write_text("old\n")
    code = f"open({str(told)!r}, 'a').write('new\\n')"
    jobs = desk(code, verdicts=lambda project: [{"reason": line, "published": True} for line in told.read_text().split()])
    assert ended(jobs, jobs.train(1, why="asked")).verdict == {"reason": "new", "published": True}
    jobs.stop()
    silent = desk("pass", verdicts=lambda project: [{"reason": "old"}])
    assert ended(silent, silent.train(2, why="asked")).verdict is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('Epoch 3.', flush=True); os.kill(os.getpid(), 9)", f"{OUT_OF_MEMORY} Last it said: Epoch 3."),
        ("os.kill(os.getpid(), 9)", OUT_OF_MEMORY),
        ("os.kill(os.getpid(), 15)", "Killed by SIGTERM."),
        ("sys.exit(3)", "Exit code 3."),
    ],
)  # fmt: skip
def test_what_killed_a_child_is_said(desk: Callable[..., JobRunner], code: str, words: str) -> None:
    jobs = desk(f"import os, sys; {code}")
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, job.progress) == ("failed", words)


@pytest.mark.parametrize(("code", "seen"), [("pass", True), ("import sys; sys.exit(6)", True)])
def test_a_training_that_ended_by_itself_has_seen_the_approvals(desk: Callable[..., JobRunner], code: str, seen: bool) -> None:
    jobs = desk(code)
    ended(jobs, jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00"))
    assert (jobs.seen_until(1) is not None) is seen
    assert jobs.seen_until(2) is None
