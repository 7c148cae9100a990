"""Jobs: real child processes, a table that outlives crashes, cancelling that reaches grandchildren, and no secret in what is kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.child import born
from backend.errors import JobUnknown
from backend.job_table import Job
from backend.jobs import Jobs
from tests.waiting import eventually
from vision.errors import SettingsError

TOKEN = "0123456789abcdef-token-of-label-studio"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """Makes Jobs on one folder, with a program of the test's."""
    made: list[Jobs] = []

    def jobs(code: str = "print('Trained.')", *, start: bool = True, **options: Any) -> Jobs:
        environment = {**os.environ, "DINOLABEL_STUDIO_TOKEN": TOKEN}
        given = {"program": [sys.executable, "-c", code], "environment": environment, "exports": tmp_path / "exports"} | options
        made.append(Jobs(tmp_path / "jobs", **given))
        if start:
            made[-1].start()
        return made[-1]

    yield jobs
    for each in made:
        each.stop()


def ended(jobs: Jobs, job: str) -> Job:
    eventually(lambda: not jobs.get(job).active)
    return jobs.get(job)


def test_export_then_training_as_a_person_would_type_them(desk: Callable[..., Jobs], tmp_path: Path) -> None:
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


def test_the_token_travels_by_environment_and_stays_out_of_table_and_log(desk: Callable[..., Jobs], tmp_path: Path) -> None:
    jobs = desk("import os, sys; assert len(os.environ['DINOLABEL_STUDIO_TOKEN']) == 38; print('Has it.')")
    job = ended(jobs, jobs.train(7, why="asked"))
    assert (job.state, job.progress) == ("done", "Has it.")
    kept = [path for path in (tmp_path / "jobs").rglob("*") if path.is_file()]
    assert {"jobs.sqlite", "huey.sqlite", f"{job.id}.log"} <= {each.name for each in kept}
    assert [each.name for each in kept if TOKEN.encode() in each.read_bytes()] == []


def test_children_are_polite(desk: Callable[..., Jobs]) -> None:
    jobs = desk(
        "import os; print(os.getpriority(os.PRIO_PROCESS, 0), os.environ['OMP_NUM_THREADS'], os.getpgid(0) == os.getpid())", threads=3
    )
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert ended(jobs, jobs.train(1, why="asked")).progress in {f"{min(19, nice)} 3 True" for nice in (10, here)} or here > 10


def test_a_command_that_fails_ends_the_job_with_its_last_words(desk: Callable[..., Jobs]) -> None:
    jobs = desk("import sys; print('reading'); sys.exit('Not enough names: 1 more of lacy.')")
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, job.progress, job.step) == ("failed", "Not enough names: 1 more of lacy.", 0)


def test_a_command_that_is_not_there(desk: Callable[..., Jobs]) -> None:
    jobs = desk(program=["/nowhere/python"])
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, "could not be started" in job.progress) == ("failed", True)


def test_progress_is_the_last_line_without_colours(desk: Callable[..., Jobs]) -> None:
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


def grandchild(jobs: Jobs, job: str) -> int:
    eventually(lambda: jobs.get(job).progress.startswith("pid "))
    return int(jobs.get(job).progress.split()[1])


def test_cancelling_ends_the_whole_group(desk: Callable[..., Jobs]) -> None:
    jobs = desk(GRANDCHILD)
    job = jobs.train(1, why="asked")
    pid = grandchild(jobs, job)
    assert jobs.cancel(job).state == "cancelled"
    eventually(lambda: born(pid) is None)
    eventually(lambda: jobs.get(job).pid is None)


def test_cancelling_what_waits_keeps_it_from_running(desk: Callable[..., Jobs]) -> None:
    jobs = desk("import time; time.sleep(60)")
    first, second = jobs.train(1, why="asked"), jobs.train(2, why="asked")
    eventually(lambda: jobs.get(first).state == "running")
    jobs.cancel(second)
    jobs.cancel(first)
    third = jobs.train(3, why="asked")
    eventually(lambda: jobs.get(third).state == "running")
    assert jobs.get(second).started_at is None
    jobs.cancel(third)


def test_what_has_ended_cannot_be_cancelled_any_more(desk: Callable[..., Jobs]) -> None:
    jobs = desk()
    job = ended(jobs, jobs.train(1, why="asked"))
    assert jobs.cancel(job.id).state == "done"
    with pytest.raises(JobUnknown):
        jobs.cancel("nobody")
    with pytest.raises(JobUnknown):
        jobs.log_of("../../etc/passwd")


def test_the_time_limit_ends_it(desk: Callable[..., Jobs]) -> None:
    jobs = desk("import time; time.sleep(60)", time_limit=0.6)
    job = ended(jobs, jobs.train(1, why="asked"))
    assert (job.state, "time limit" in job.progress) == ("failed", True)


def test_one_training_per_project_at_a_time(desk: Callable[..., Jobs]) -> None:
    jobs = desk(start=False)
    first = jobs.train(1, why="asked")
    assert jobs.train(1, why="asked again") == first
    assert jobs.train(2, why="asked") != first
    assert [each.project for each in jobs.all()] == [2, 1]


def test_a_program_that_ignores_sigterm_is_ended_all_the_same(desk: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch) -> None:
    import backend.child

    monkeypatch.setattr(backend.child.end_group, "__defaults__", (0.3,))
    jobs = desk("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)")
    job = jobs.train(1, why="asked")
    eventually(lambda: jobs.get(job).progress == "deaf")
    pid = jobs.get(job).pid
    assert pid is not None
    jobs.cancel(job)
    eventually(lambda: born(pid) is None)


def test_stopping_the_server_ends_the_group_and_the_job_counts_as_lost(desk: Callable[..., Jobs]) -> None:
    jobs = desk(GRANDCHILD)
    job = jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00")
    pid = grandchild(jobs, job)
    jobs.stop()
    assert born(pid) is None
    assert jobs.get(job).state == "lost"
    assert jobs.seen_until(1) is None, "a training that was cut off has seen nothing: it is due again"


def test_what_waited_when_the_server_stopped_runs_on_the_next(desk: Callable[..., Jobs]) -> None:
    waiting = desk(start=False).train(1, why="asked")
    jobs = desk()
    assert ended(jobs, waiting).state == "done"


def test_what_the_queue_lost_runs_on_the_next(desk: Callable[..., Jobs], tmp_path: Path) -> None:
    """Huey's SQLite storage deletes an entry before it runs it: a crash in between leaves a row and no entry."""
    jobs = desk(start=False)
    job = jobs.train(1, why="asked")
    jobs._huey.flush()
    assert ended(desk(), job).state == "done"
    assert [each.id for each in jobs.all()] == [job]


CRASHING = """
import os, sys, time
from pathlib import Path
from backend.jobs import Jobs
jobs = Jobs(Path(sys.argv[1]), program=[sys.executable, "-c", sys.argv[2]], environment=dict(os.environ), exports=Path(sys.argv[1]))
jobs.start()
job = jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00")
while not jobs.get(job).progress.startswith("pid "): time.sleep(0.02)
print(job, jobs.get(job).progress.split()[1], flush=True)
time.sleep(60)
"""


def test_after_kill_9_the_orphans_are_ended_and_the_job_is_lost(desk: Callable[..., Jobs], tmp_path: Path) -> None:
    command = [sys.executable, "-c", CRASHING, str(tmp_path / "jobs"), GRANDCHILD]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    while not (line := server.stdout.readline()).startswith(tuple("0123456789abcdef")) or len(line.split()) != 2:
        assert line, "the server ended by itself"
    job, pid = line.split()[0], int(line.split()[1])
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    assert born(pid) is not None, "nobody ended the grandchild yet"
    jobs = desk()
    assert (jobs.get(job).state, born(pid)) == ("lost", None)
    assert jobs.active(1) is None


def test_two_servers_on_one_folder_are_one_too_many(desk: Callable[..., Jobs]) -> None:
    first = desk()
    with pytest.raises(SettingsError, match="Another backend"):
        desk()
    first.stop()
    assert ended(desk(), first.train(1, why="asked")).state == "done"


def test_a_stranger_with_the_old_pid_is_left_alone(desk: Callable[..., Jobs]) -> None:
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


def test_the_verdict_of_this_training_is_kept_with_it(desk: Callable[..., Jobs], tmp_path: Path) -> None:
    told = tmp_path / "verdicts"
    told.write_text("old\n")
    code = f"open({str(told)!r}, 'a').write('new\\n')"
    jobs = desk(code, verdicts=lambda project: [{"reason": line, "published": True} for line in told.read_text().split()])
    assert ended(jobs, jobs.train(1, why="asked")).verdict == {"reason": "new", "published": True}
    jobs.stop()
    silent = desk("pass", verdicts=lambda project: [{"reason": "old"}])
    assert ended(silent, silent.train(2, why="asked")).verdict is None


@pytest.mark.parametrize(("code", "seen"), [("pass", True), ("import sys; sys.exit(6)", True)])
def test_a_training_that_ended_by_itself_has_seen_the_approvals(desk: Callable[..., Jobs], code: str, seen: bool) -> None:
    jobs = desk(code)
    ended(jobs, jobs.train(1, why="asked", until="2026-11-22T12:00:00+00:00"))
    assert (jobs.seen_until(1) is not None) is seen
    assert jobs.seen_until(2) is None


def test_the_queue_holds_no_pickle(desk: Callable[..., Jobs], tmp_path: Path) -> None:
    import sqlite3

    jobs = desk(start=False)
    job = jobs.train(1, why="asked")
    with sqlite3.connect(tmp_path / "jobs" / "huey.sqlite") as connection:
        (data,) = connection.execute("SELECT data FROM task").fetchone()
    assert bytes(data).startswith(b"[") and job.encode() in bytes(data)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A Redis of our own, by a socket; the address of it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server here")
    socket = tmp_path / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
    eventually(socket.exists, 60)
    yield f"unix://{socket}"
    process.terminate()
    process.wait(30)


def test_the_queue_may_be_in_a_redis(desk: Callable[..., Jobs], redis: str, tmp_path: Path) -> None:
    made = desk(queue=redis)
    assert ended(made, made.train(1, why="test")).state == "done"
    assert not (tmp_path / "jobs" / "huey.sqlite").exists()


@pytest.mark.parametrize(("address", "said"), [("nonsense", "no address"), ("redis://127.0.0.1:1/0", "does not answer")])
def test_a_redis_that_is_none_is_said_at_start(desk: Callable[..., Jobs], address: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        desk(queue=address)
