from __future__ import annotations

from pathlib import Path

import pytest

from dinolabel import __main__
from dinolabel.cli.plan import Plan
from dinolabel.settings import FormerSettings, Settings
from dinolabel.vision.errors import SettingsError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_default_then_file_then_environment_then_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().port == 9090
    (tmp_path / ".env").write_text("DINOLABEL_PORT=1\n")
    assert Settings.load().port == 1
    monkeypatch.setenv("DINOLABEL_PORT", "2")
    assert Settings.load().port == 2
    assert Settings.load(port=3).port == 3
    assert Settings.load(port=None).port == 2


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"DINOLABEL_{name.upper()}", "")
    empty = Settings.load()
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DINOLABEL_{name.upper()}")
    assert empty == Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [("DINOLABEL_PORT", "70000"), ("DINOLABEL_BOX_THRESHOLD", "1.5"), ("DINOLABEL_BATCH_SIZE", "0"), ("DINOLABEL_SEED", "x")],
)
def test_nonsense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name.removeprefix("DINOLABEL_").lower()):
        Settings.load()


@pytest.mark.parametrize("value", ["[x", '["a"', '{"a": 1}', "[1]", '[["a"]]'])
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_list_that_is_none_is_named_with_how_to_write_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, source: str
) -> None:
    if source == "file":
        (tmp_path / ".env").write_text(f"DINOLABEL_NO_PROXY={value}\n")
    else:
        monkeypatch.setenv("DINOLABEL_NO_PROXY", value)
    with pytest.raises(SettingsError, match="no_proxy") as told:
        Settings.load()
    assert "DINOLABEL_NO_PROXY=one,another" in (told.value.hint or "")


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if isinstance(field.default, tuple)])
def test_a_list_is_read_as_people_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for written in (
        '["one", "another"]',
        "one,another",
        "one, another",
        "one another",
        " one ,another, ",
        "'one','another'",
        '"one" "another"',
    ):
        monkeypatch.setenv(f"DINOLABEL_{name.upper()}", written)
        assert getattr(Settings.load(), name) == ("one", "another"), written
    monkeypatch.setenv(f"DINOLABEL_{name.upper()}", "one")
    assert getattr(Settings.load(), name) == ("one",)
    (tmp_path / ".env").write_text(f"DINOLABEL_{name.upper()}=one,another\n")
    monkeypatch.delenv(f"DINOLABEL_{name.upper()}")
    assert getattr(Settings.load(), name) == ("one", "another")


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("cdn.example.com", ("cdn.example.com",)),
        ("https://cdn.example.com/pictures,b.org:8443", ("cdn.example.com", "b.org:8443")),
        ("[::1]:8080 a.org", ("[::1]:8080", "a.org")),
        ("[::1];a.org; b.org;", ("[::1]", "a.org", "b.org")),
        ('["a.org", "http://b.org"]', ("a.org", "b.org")),
    ],
)
def test_hosts_are_hosts_however_they_were_copied(monkeypatch: pytest.MonkeyPatch, written: str, hosts: tuple[str, ...]) -> None:
    monkeypatch.setenv("DINOLABEL_MEDIA_HOSTS", written)
    assert Settings.load().media_hosts == hosts


@pytest.mark.parametrize("written", ["*.example.com", "*", "a.org/pictures", "https://"])
def test_a_pattern_is_no_host(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("DINOLABEL_MEDIA_HOSTS", written)
    with pytest.raises(SettingsError, match="is no host") as told:
        Settings.load()
    assert "DINOLABEL_MEDIA_HOSTS=cdn.example.com,img.example.org" in told.value.hint


def test_a_secret_is_not_in_an_error_or_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", "top-secret-token")
    assert "top-secret-token" not in repr(Settings.load())


def test_a_child_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings.load(
        studio_url="http://x/",
        studio_token="t0ken",
        studio_aliases=("http://a", "http://b"),
        train_after=0,
        models_dir=Path("/m"),
        input_size=None,
    )
    for name, value in before.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == before
    assert before.environment()["DINOLABEL_STUDIO_TOKEN"] == "t0ken"
    assert "DINOLABEL_INPUT_SIZE" not in before.environment()


def test_the_address_has_no_trailing_slash() -> None:
    assert Settings.load(studio_url="http://x:8080/").studio_url == "http://x:8080"


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_setting_of_an_earlier_version_is_ignored_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    plain = Settings.load()
    assert FormerSettings.farewells() == []
    if source == "file":
        (tmp_path / ".env").write_text("DINOLABEL_QUEUE=redis://:hunter2@queue:6379/0\n")
    else:
        monkeypatch.setenv("DINOLABEL_QUEUE", "redis://:hunter2@queue:6379/0")
    assert Settings.load() == plain
    assert "DINOLABEL_QUEUE" not in Settings.load().environment()
    assert FormerSettings.farewells() == ["DINOLABEL_QUEUE is not used any more: jobs are kept in the data folder."]


def test_an_empty_setting_of_an_earlier_version_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOLABEL_QUEUE", "")
    assert FormerSettings.farewells() == []


def test_serve_says_once_what_it_does_not_use(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DINOLABEL_QUEUE", "redis://:hunter2@queue:6379/0")
    assert __main__.run(["serve", "--host", "0.0.0.0"]) == 2, "no secret"
    told = capsys.readouterr().err
    assert told.count("DINOLABEL_QUEUE is not used any more") == 1
    assert "hunter2" not in told


def test_a_data_folder_that_is_made_is_of_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinolabel import factory

    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    for name, rights in (("deep/made", 0o700), ("there", 0o755)):
        monkeypatch.setenv("DINOLABEL_DATA_DIR", str(tmp_path / name))
        assert factory.data_dir(Settings.load(), "exports", "1").is_dir()
        assert (tmp_path / name).stat().st_mode & 0o777 == rights


@pytest.mark.parametrize("name", ["STUDIO_URL", "STUDIO_ALIASES", "PROXY", "CA_BUNDLE"])
def test_a_file_of_the_folder_does_not_say_where_the_environments_token_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Somebody else's folder may have a `.env`."""
    (tmp_path / ".env").write_text(f"DINOLABEL_{name}=http://elsewhere.example\n")
    monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", "f" * 40)
    with pytest.raises(SettingsError, match=f"DINOLABEL_{name}") as told:
        Settings.load()
    assert str(tmp_path / ".env") in str(told.value)
    assert "f" * 40 not in str(told.value) + told.value.hint


@pytest.mark.parametrize("place", ["token in the file", "address in the environment", "no token", "address by a flag"])
def test_a_file_that_redirects_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    file = "DINOLABEL_STUDIO_URL=http://here.example\n" + ("DINOLABEL_STUDIO_TOKEN=of-the-file\n" if place == "token in the file" else "")
    (tmp_path / ".env").write_text(file)
    if place in ("address in the environment", "address by a flag"):
        monkeypatch.setenv("DINOLABEL_STUDIO_TOKEN", "f" * 40)
    if place == "address in the environment":
        monkeypatch.setenv("DINOLABEL_STUDIO_URL", "http://there.example")
    loaded = Settings.load(studio_url="http://there.example" if place == "address by a flag" else None)
    assert loaded.studio_url == ("http://there.example" if place.startswith("address") else "http://here.example")


def test_a_plan_says_which_file_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Plan.of("Do something").show()
    assert ".env" not in capsys.readouterr().err
    (tmp_path / ".env").write_text("DINOLABEL_PORT=9\n")
    Plan.of("Do something").show()
    assert str(tmp_path / ".env") in capsys.readouterr().err.replace("\n", "")
