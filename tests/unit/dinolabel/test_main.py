from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from dinolabel import __main__, commands, overview
from dinolabel.vision.errors import DinolabelError, SettingsError

HEAVY = {"torch", "transformers", "flask", "gradio", "sklearn", "matplotlib", "label_studio_sdk", "cv2", "supervision", "requests"}


def each_command() -> Iterator[tuple[str, object]]:
    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
        yield " ".join(path), command
        for name, each in getattr(command, "commands", {}).items():
            if each.hidden:
                continue
            yield from walk(each, (*path, name))

    yield from walk(typer.main.get_command(__main__.application()), ("dinolabel",))


def test_every_file_is_a_command() -> None:
    files = {each.stem.replace("_", "-") for each in Path(commands.__path__[0]).glob("*.py")} - {"--init--"}
    assert set(overview.command_names()) == files
    there = typer.main.get_command(__main__.application()).commands  # type: ignore[attr-defined]
    assert {name for name, each in there.items() if not each.hidden} == files
    assert {name for name, each in there.items() if each.hidden} == set(__main__.RENAMED)


OLD = {
    **{name: __main__.RENAMED[name][0] for name in __main__.RENAMED},
    **{f"models {each}": f"heads {each}" for each in ("list", "show", "diff", "pin", "unpin", "rollback")},
    **{f"models {each}": f"weights {each}" for each in ("fetch", "convert")},
}


@pytest.mark.parametrize("old", OLD)
def test_a_word_of_the_last_release_is_understood_and_no_longer_shown(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.run([*old.split(), "--nonsense"]) == 2
    assert "No such option: --nonsense" in capsys.readouterr().err
    command = typer.main.get_command(__main__.application(old.split()[0]))
    for name in old.split():
        command = command.commands[name]  # type: ignore[attr-defined]
    assert command.hidden and f"`dinolabel {OLD[old]}`" in str(command.deprecated)
    assert __main__.run(["--help"]) == 0
    assert not re.search(rf"(?<![\w-]){old}(?![\w-])", capsys.readouterr().out)


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from dinolabel.__main__ import run
assert run(["--help"]) == 0
loaded = sorted({HEAVY!r} & set(sys.modules))
print("loaded:", loaded, file=sys.stderr)
sys.exit(bool(loaded))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_overview_imports_no_command() -> None:
    code = """
import sys
from dinolabel.__main__ import run
assert run(["--help"]) == 0
found = sorted(each for each in sys.modules if each.startswith("dinolabel.commands.") or each == "numpy")
print("loaded:", found, file=sys.stderr)
sys.exit(bool(found))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("name", "command"), list(each_command()))
def test_every_help_has_an_example(name: str, command: object) -> None:
    text = str(getattr(command, "help", None) or "")
    assert "Example: dinolabel " in text, f"{name} --help shows no example"
    if " " in name:
        assert name in text.split("Example: ", 1)[1]


@pytest.mark.parametrize(("name", "command"), list(each_command()))
def test_every_option_is_explained(name: str, command: object) -> None:
    silent = [each.name for each in command.params if not getattr(each, "help", None)]  # type: ignore[attr-defined]
    assert not silent, f"{name}: no help for {silent}"


class Odd(DinolabelError):
    hint = "Do the even thing."


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """A `dinolabel fail` that raises what the list holds."""
    raised: list[BaseException] = []

    def application() -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(__main__._overall)

        @app.command()
        def fail() -> None:
            raise raised[0]

        return app

    monkeypatch.setattr(__main__, "application", application)
    return raised


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Odd("It is odd."), 1, ["It is odd.", "Do the even thing."]),
        (SettingsError("Setting x is bad."), 2, ["Setting x is bad.", "settings table"]),
        (OSError(28, "No space left on device", "/data/bundles/pinned"), 1, ["no room on the disk for pinned", "Make room"]),
        (OSError(122, "Disk quota exceeded"), 1, ["no room on the disk", "Make room"]),
        (ValueError("inner [detail] Token 0123456789abcdef"), 70, ["ValueError: inner [detail] Token •••", "--debug"]),
        (KeyboardInterrupt(), 130, []),
        (typer.Exit(3), 3, []),
    ],
)
def test_an_error_is_a_sentence_a_hint_and_a_code(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: list[str]
) -> None:
    failing.append(error)
    assert __main__.run(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err
    for each in said:
        assert each in captured.err


def test_debug_shows_where_it_came_from(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(Odd("It is odd."))
    assert __main__.run(["fail", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--help"], 0), (["nonsense"], 2), (["models", "--nonsense"], 2)])
def test_the_command_line_itself(arguments: list[str], code: int) -> None:
    assert __main__.run(arguments) == code


def test_results_go_to_stdout_and_work_to_stderr(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path))
    assert __main__.run(["heads", "list", "--project", "1"]) == 0
    captured = capsys.readouterr()
    assert "No head yet" in captured.out and captured.err == ""


def test_ctrl_c_in_a_process_of_its_own_is_130() -> None:
    code = textwrap.dedent(
        """
        import os, signal, sys
        import typer
        # As at a terminal, wherever the tests were started: a script's background jobs inherit an ignored SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from dinolabel import __main__ as main
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(main._overall)
        @app.command()
        def wait() -> None:
            os.kill(os.getpid(), signal.SIGINT)
        main.application = lambda: app
        sys.argv = ["dinolabel", "wait"]
        main.main()
        """
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 130 and "Traceback" not in ended.stderr, ended.stderr


def test_the_help_fits_a_screen_and_names_every_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert __main__.run(["--help"]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    assert not [name for name in overview.command_names() if not re.search(rf"\b{name}\b", told)]
    common = [line.split()[0] for line in told.split("Common commands:\n")[1].split("\n\n")[0].splitlines()]
    assert common == ["up", "init", "attach", "detect", "app", "train", "export", "import", "doctor"]


def test_a_command_that_the_overview_does_not_know_is_named_too() -> None:
    told = overview.text(["up", "detect", "sketch"], width=80)
    assert "others      sketch" in told and "export" not in told


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_help_keeps_to_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert __main__.run([]) == 2
    assert __main__.run(["help"]) == 0
    assert "Common commands:" in capsys.readouterr().out


def test_help_all_says_what_every_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.run(["help", "--all"]) == 0
    told = capsys.readouterr().out
    assert not [name for name in overview.command_names() if f"│ {name} " not in told]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["help", "detect"], 0, "Usage: dinolabel detect"),
        (["help", "models", "export"], 0, "Usage: dinolabel models export"),
        (["help", "predict"], 2, "Did you mean 'detect' (one folder) or 'preannotate' (a project)?"),
        (["help", "models", "nonsense"], 2, "There is no command dinolabel models nonsense"),
        (["predict"], 2, "No such command 'predict'. Did you mean 'detect' (one folder) or 'preannotate' (a project)?"),
        (["Predict", "a.jpg"], 2, "Did you mean 'detect'"),
        (["label", "photos"], 2, "Did you mean 'up' (a folder of photos)"),
        (["start"], 2, "Did you mean 'up' (a folder of photos)"),
        (["traing"], 2, "Did you mean 'train'"),
        (["version"], 2, "Did you mean '--version'"),
        (["qqq"], 2, "No such command 'qqq'"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_other_tools_call_it_leads_to_the_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    assert __main__.run(arguments) == code
    captured = capsys.readouterr()
    assert words in " ".join(re.sub("[│╭╮╰╯─]", " ", captured.out + captured.err).split())


def test_every_suggestion_is_a_command_and_none_hides_one() -> None:
    there = {name.removeprefix("dinolabel ") for name, _ in each_command()}
    meant = {name for meant in overview.SYNONYMS.values() for name in meant}
    assert meant - there == {"--version"}
    assert not set(overview.SYNONYMS) & set(overview.command_names())


def test_the_shell_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, wanted in (
        ("dinolabel det", {"detect", "detach"}),
        ("dinolabel detect --mod", {"--model"}),
        ("dinolabel models ex", {"export"}),
    ):
        environment = {**os.environ, "_DINOLABEL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
        ended = subprocess.run([sys.executable, "-m", "dinolabel"], env=environment, capture_output=True, text=True, check=False)
        assert set(ended.stdout.split()) == wanted, ended.stderr
