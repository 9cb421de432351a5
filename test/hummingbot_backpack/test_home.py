"""The Hummingbot home: made, repaired, and never at the expense of somebody's files."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hummingbot_backpack import home, overlay

PACKAGE = home.installed_package()


def snapshot(folder: Path) -> dict[str, tuple[float, str]]:
    """Every entry of a folder: when it changed, and where it leads if it is a link."""
    return {
        str(entry.relative_to(folder)): (
            entry.lstat().st_mtime_ns,
            str(entry.readlink()) if entry.is_symlink() else "",
        )
        for entry in folder.rglob("*")
    }


def run_python(code: str, *search_path: Path, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search_path))},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def fake_hummingbot(folder: Path, *parts: str) -> Path:
    package = folder / "hummingbot"
    for part in ("client", *parts):
        (package / part).mkdir(parents=True)
    (package / "__init__.py").write_text(f"VERSION = {folder.name!r}\n")
    return package


def prepare_with(hummingbot: Path, folder: Path) -> None:
    """Prepare a home while another Hummingbot is the installed one."""
    code = (
        "from pathlib import Path; from hummingbot_backpack import home; "
        f"home.prepare(Path({str(folder)!r}))"
    )
    run_python(code, hummingbot.parent, cwd=folder.parent)


def test_a_new_home_has_all_that_hummingbot_looks_for(tmp_path):
    folder = home.prepare(tmp_path / "deep" / "home")

    for name in ("connectors", "controllers", "scripts", "strategies"):
        assert (folder / "conf" / name).is_dir()
    for name in ("controllers", "data", "logs", "scripts"):
        assert (folder / name).is_dir()
    assert (folder / "scripts" / "simple_pmm.py").samefile(overlay.tree() / "scripts/simple_pmm.py")
    runner = Path(home.__file__).with_name("v2_with_controllers.py")
    assert (folder / "scripts" / "v2_with_controllers.py").samefile(runner)
    for name in ("directional_trading", "generic", "market_making"):
        assert (folder / "controllers" / name).is_dir()
    assert (folder / "controllers/__init__.py").is_file()


def test_the_package_is_mirrored_by_links_around_a_real_init_file(tmp_path):
    mirror = home.prepare(tmp_path / "home") / "hummingbot"

    assert not mirror.is_symlink()
    assert not (mirror / "__init__.py").is_symlink()
    assert (mirror / "__init__.py").read_bytes() == (PACKAGE / "__init__.py").read_bytes()
    for entry in PACKAGE.iterdir():
        if entry.name not in {"__init__.py", "__pycache__"}:
            assert (mirror / entry.name).readlink() == entry


def test_other_people_of_the_machine_cannot_look_inside(tmp_path):
    folder = home.prepare(tmp_path / "home")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_client_configuration_starts_with_sensible_values(tmp_path):
    folder = home.prepare(tmp_path / "home")
    config = yaml.safe_load((folder / "conf/conf_client.yml").read_text())

    assert config["rate_oracle_source"] == {"name": "backpack"}
    assert config["global_token"]["global_token_name"] == "USDC"
    assert "backpack" in config["paper_trade"]["paper_trade_exchanges"]
    assert config["anonymized_metrics_mode"] == "anonymized_metrics_disabled"
    assert config["send_error_logs"] is False


def test_hummingbot_accepts_the_configuration_and_writes_into_the_home_only(tmp_path):
    before = {entry.name for entry in PACKAGE.parent.iterdir()}
    command = [sys.executable, "-m", "hummingbot_backpack", "--home", "home", "config"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr
    folder = tmp_path / "home"
    rows = {
        cells[1].strip(): cells[2].strip()
        for line in result.stdout.splitlines()
        if len(cells := line.split("|")) > 2
    }
    assert rows["log_file_path"] == str(folder / "logs")
    assert rows["rate_oracle_source.name"] == "backpack"
    # Hummingbot has rewritten the file in full; what it means must be the same.
    config = yaml.safe_load((folder / "conf/conf_client.yml").read_text())
    assert config["anonymized_metrics_mode"] == {}
    assert config["instance_id"]
    assert {entry.name for entry in PACKAGE.parent.iterdir()} == before


def test_preparing_again_changes_nothing(tmp_path):
    folder = home.prepare(tmp_path / "home")
    before = snapshot(folder)
    home.prepare(folder)
    assert snapshot(folder) == before


def test_files_of_the_user_are_left_alone(tmp_path):
    folder = home.prepare(tmp_path / "home")
    own = {
        "conf/conf_client.yml": "rate_oracle_source: {name: kraken}\n",
        "conf/connectors/backpack.yml": "secret\n",
        "controllers/__init__.py": "# mine\n",
        "data/trades.sqlite": "trades\n",
        "scripts/mine.py": "# mine\n",
        "scripts/simple_pmm.py": "# my version\n",
    }
    (folder / "scripts/simple_pmm.py").unlink()
    for name, text in own.items():
        (folder / name).write_text(text)
    home.prepare(folder)
    assert {name: (folder / name).read_text() for name in own} == own
    assert not (folder / "scripts/simple_pmm.py").is_symlink()


def test_missing_and_wrong_parts_are_repaired(tmp_path):
    folder = home.prepare(tmp_path / "home")
    before = {name: link for name, (_, link) in snapshot(folder).items()}
    (folder / "hummingbot/client").unlink()
    (folder / "hummingbot/core").unlink()
    (folder / "hummingbot/core").symlink_to("/nowhere")
    (folder / "hummingbot/__init__.py").write_text("# half wri")
    (folder / "scripts/simple_pmm.py").unlink()
    (folder / "scripts/simple_pmm.py").symlink_to("/nowhere")
    (folder / "logs").rmdir()
    (folder / "controllers/__init__.py").unlink()
    home.prepare(folder)
    assert {name: link for name, (_, link) in snapshot(folder).items()} == before


def test_a_home_follows_a_hummingbot_upgrade(tmp_path):
    old = fake_hummingbot(tmp_path / "old", "core", "gone")
    new = fake_hummingbot(tmp_path / "new", "core", "added")
    folder = tmp_path / "home"
    prepare_with(old, folder)
    (folder / "hummingbot/__pycache__").mkdir()
    prepare_with(new, folder)

    mirror = folder / "hummingbot"
    names = {entry.name for entry in mirror.iterdir()}
    assert names == {"__init__.py", "__pycache__", "added", "client", "core"}
    assert (mirror / "core").readlink() == new / "core"
    assert "new" in (mirror / "__init__.py").read_text()


def test_the_installed_package_is_found_from_inside_a_home(tmp_path):
    code = "from hummingbot_backpack import home; print(home.installed_package())"
    folder = home.prepare(tmp_path / "home")
    assert run_python(code, folder, cwd=folder) == str(PACKAGE)


def test_a_home_whose_hummingbot_has_gone_is_repaired_from_inside(tmp_path):
    gone = fake_hummingbot(tmp_path / "gone", "core")
    folder = tmp_path / "home"
    prepare_with(gone, folder)
    gone.parent.rename(tmp_path / "moved")
    code = "from pathlib import Path; from hummingbot_backpack import home; home.prepare(Path())"
    run_python(code, folder, cwd=folder)
    assert (folder / "hummingbot/client").readlink() == PACKAGE / "client"


def test_without_hummingbot_the_message_says_what_to_install(tmp_path):
    code = (
        "from hummingbot_backpack import home\n"
        "try: home.installed_package()\n"
        "except home.HomeError as e: print(e)"
    )
    # -S: no site-packages; the package itself comes from the search path.
    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(home.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Hummingbot is not installed" in result.stdout
    assert "pip install hummingbot" in result.stdout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "diary.txt").write_text("x"), "not empty"),
        (lambda folder: (folder / "hummingbot" / "core").mkdir(parents=True), "files of its own"),
        (lambda folder: folder.rmdir() or folder.write_text("x"), "is a file"),
    ],
    ids=["somebody's folder", "a Hummingbot checkout", "a file"],
)
def test_a_folder_that_is_no_home_is_refused_and_untouched(tmp_path, make, message):
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    before = snapshot(tmp_path)
    with pytest.raises(home.HomeError, match=message):
        home.prepare(folder)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("place", [PACKAGE.parent, PACKAGE, PACKAGE / "client"])
def test_hummingbots_own_folder_is_refused(place):
    with pytest.raises(home.HomeError, match="where Hummingbot is installed"):
        home.prepare(place)


def test_the_place_can_be_chosen_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv(home.HOME_VARIABLE, "~/bots/one")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home.default_path() == tmp_path / "bots/one"
    monkeypatch.delenv(home.HOME_VARIABLE)
    assert home.default_path() == tmp_path / ".hummingbot-backpack"


def test_the_environment_puts_the_home_in_front(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("PYTHONPATH", "/other")
    variables = home.environment(tmp_path)
    assert variables["PYTHONPATH"] == f"{tmp_path}{os.pathsep}/other"
    assert "PYTHONSAFEPATH" not in variables


def test_a_refused_home_ends_the_command_with_its_reason(tmp_path):
    (tmp_path / "diary.txt").write_text("x")
    command = [sys.executable, "-m", "hummingbot_backpack", "--home", str(tmp_path), "status"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("hummingbot-backpack: ")
    assert "not empty" in result.stderr
