"""Fuzzers of others: schemathesis on the routes as our OpenAPI describes them, atheris on parsers, led by coverage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-the-fuzzer"
CHECKS = "status_code_conformance,response_schema_conformance"
"""A named 502 or 503 is described, and an answer; what nobody foresaw is counted in the log."""
Row = dict[str, Any]


def schemathesis(home: Path, *, seed: int, examples: int = 60) -> list[Row]:
    """A real `dinolabel serve` without a Label Studio, asked whatever its description allows and much of what it does not."""
    program = home / "schemathesis" / "bin" / "schemathesis"
    if not program.exists():
        return [{"what": "schemathesis", "value": "not installed", "goal": "runs", "holds": False}]
    with tempfile.TemporaryDirectory() as folder:
        server, url = serve(Path(folder))
        try:
            report = Path(folder) / "report.json"
            command = [str(program), "run", f"{url}/v1/openapi.json", "--header", f"Authorization: Bearer {SECRET}", "--seed", str(seed)]
            command += [
                "--max-examples",
                str(examples),
                "--checks",
                "not_a_server_error,status_code_conformance,response_schema_conformance",
            ]
            command += ["--report", "ndjson", "--report-ndjson-path", str(report), "--request-timeout", "5", "--continue-on-failure"]
            command += ["--exclude-path", "/ready", "--suppress-health-check", "all"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=600)
            told = done.stdout + done.stderr
            alive = server.poll() is None
        finally:
            server.terminate()
            server.wait(30)
        log = (Path(folder) / "serve.log").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"(\d[\d,]*) generated", told)
    cases, tracebacks = int(found[1].replace(",", "")) if found else 0, log.count("answered_unforeseen")
    failed = re.search(r"(\d+) found (?:\d+ )?unique failures|❌ *(.*)", told)
    (home / "schemathesis.log").write_text(told, encoding="utf-8")
    timeouts = told.count("timed out") + told.count("Timeout")
    return [
        {"what": "requests by schemathesis", "value": cases, "goal": "> 0", "holds": cases > 0},
        {"what": "of them answered 500", "value": tracebacks, "goal": "0", "holds": tracebacks == 0 and alive},
        {"what": "of them longer than 5 s", "value": timeouts, "goal": "0", "holds": timeouts == 0},
        {"what": "disagreements with our OpenAPI", "value": len(re.findall(r"^_{3,} ", told, re.MULTILINE)), "goal": "0",
         "holds": done.returncode == 0 and failed is None},
    ]  # fmt: skip


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """`dinolabel serve` on the embedded models; it and its address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINOLABEL_")}
    given = {"DINOLABEL_DATA_DIR": str(folder / "data"), "DINOLABEL_SECRET": SECRET, "HF_HUB_OFFLINE": "1"}
    with (folder / "serve.log").open("wb") as log:
        command = [sys.executable, "-P", "-m", "dinolabel", "serve", "--port", "0", "--weights", "nano"]
        server = subprocess.Popen(command, env=kept | given | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log, cwd=folder)
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        if found := re.search(r"at (http://[\d.]+:\d+)", (folder / "serve.log").read_text(encoding="utf-8", errors="replace")):
            with urllib.request.urlopen(f"{found[1]}/health", timeout=10):
                return server, found[1]
        time.sleep(0.2)
    raise RuntimeError((folder / "serve.log").read_text(encoding="utf-8", errors="replace")[-2000:])


def atheris(home: Path, *, seed: int, runs: int = 20_000, seconds: int = 60) -> list[Row]:
    """libFuzzer, led by what of our code each input reaches."""
    if not (home / "atheris" / "atheris").is_dir():
        return [{"what": "atheris", "value": "not installed", "goal": "runs", "holds": False}]
    rows: list[Row] = []
    for name in ("label_config", "request", "annotations"):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.fuzz.by_coverage", name, f"-runs={runs}", f"-seed={seed + 1}", "-timeout=5"]
            command += [f"-max_total_time={seconds}", "-rss_limit_mb=2048", f"-artifact_prefix={folder}/"]
            path = os.pathsep.join([str(ROOT), str(home / "atheris")])
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": path})
            kept = sorted(Path(folder).iterdir())
        counts = re.findall(r"^#(\d+)", done.stderr, re.MULTILINE)
        ran = max(map(int, counts), default=0)
        holds = done.returncode == 0 and not kept and ran > 0
        rows.append({"what": f"inputs by atheris, {name}", "value": ran, "goal": "0 unnamed, 0 hangs", "holds": holds})
        (home / f"atheris-{name}.log").write_text(done.stderr[-20_000:], encoding="utf-8")
    return rows
