"""The command line with packages beside it that bring commands and plug-ins, whole and broken."""

from __future__ import annotations

import pytest

from dinolabel import __main__
from dinolabel.doctor import machine
from dinolabel.settings import Settings
from tests.doubles.outside_package import DETECTOR, Bring
from tests.doubles.outside_package import bring as bring

HELLO = "def command(name: str = 'you') -> None:\n    'Say hello.'\n    print(f'hello {name}')"


def test_a_command_of_a_package_runs_and_is_listed(bring: Bring, capsys: pytest.CaptureFixture[str]) -> None:
    bring(
        "polite",
        {"polite.py": HELLO, "polite_boxes.py": DETECTOR},
        {"dinolabel.commands/hello": "polite", "dinolabel.detectors/p": "polite_boxes"},
    )
    assert __main__.run(["hello", "--name", "Jason"]) == 0
    assert capsys.readouterr().out == "hello Jason\n"
    assert __main__.run(["--help"]) == 0
    told = capsys.readouterr().out
    assert "  others      hello" in told
    assert [" ".join(line.split()) for line in told.splitlines() if "polite 1.0" in line] == [
        "detector p (polite 1.0)",
        "command hello (polite 1.0)",
    ]


def test_a_broken_command_costs_a_warning(bring: Bring, capsys: pytest.CaptureFixture[str]) -> None:
    bring("rude", {"rude.py": "import nothing_like_it"}, {"dinolabel.commands/rude": "rude"})
    assert __main__.run(["help"]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("Warning: The command rude of rude 1.0 cannot be imported: No module named 'nothing_like_it'")
    assert "Common commands:" in told.out
    assert __main__.run(["rude"]) == 2
    assert "command rude of rude 1.0 cannot be imported" in capsys.readouterr().err


def test_doctor_names_what_packages_bring(bring: Bring) -> None:
    assert list(machine.plugins_of_packages(Settings())) == []
    bring("good", {"good.py": DETECTOR}, {"dinolabel.detectors/good": "good", "dinolabel.detectors/owlv2": "good"})
    bring("bad", {"bad.py": "1/0"}, {"dinolabel.exporters/bad": "bad"})
    found = [(each.level, each.text) for each in machine.plugins_of_packages(Settings())]
    assert found == [
        ("ok", "detector: good (good 1.0)"),
        ("ok", "export format: bad (bad 1.0)"),
        ("warn", "The detector owlv2 of good 1.0 is not used: dinolabel has one of that name."),
        ("warn", "The export format bad of bad 1.0 cannot be imported: ZeroDivisionError: division by zero"),
    ]
