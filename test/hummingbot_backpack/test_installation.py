"""``pip install .`` and ``pip uninstall``, for real, into a fresh environment with Hummingbot."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from hummingbot_backpack import home, overlay

ROOT = Path(__file__).parents[2]
SPOT = "hummingbot.connector.exchange.backpack"


class Environment:
    """A new environment that sees this one's packages, except the plugin.

    Compiling Hummingbot takes minutes, so it is shared; what is installed here goes into the new
    environment alone.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.packages = Path(
            self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"),
        )
        shared = folder / "shared"
        shared.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if "hummingbot_backpack" not in entry.name:
                (shared / entry.name).symlink_to(entry)
        (self.packages / "shared.pth").write_text(f"{shared}\n")

    def run(self, *arguments: object) -> str:
        result = subprocess.run(
            [self.python, *map(str, arguments)],
            env={k: v for k, v in os.environ.items() if k != overlay.DISABLE_VARIABLE},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert "Error" not in result.stderr, result.stderr
        return result.stdout.strip()

    def pip(self, *arguments: object) -> None:
        # No network: hatchling builds the wheel from this environment.
        self.run("-m", "pip", "--disable-pip-version-check", *arguments)

    def place_of(self, module: str) -> Path:
        return Path(self.run("-c", f"import {module} as m; print(m.__file__)"))

    def files(self) -> set[str]:
        return {
            str(file.relative_to(self.packages))
            for file in self.packages.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def files_before(fresh: Environment) -> set[str]:
    return fresh.files()


@pytest.fixture(scope="module")
def installed(fresh: Environment, files_before: set[str]) -> Environment:
    fresh.pip("install", "--no-index", "--no-deps", "--no-build-isolation", ROOT)
    return fresh


def test_without_the_plugin_the_connector_is_the_built_in_one(fresh, files_before):
    """The starting point, so that the tests below prove something."""
    assert fresh.place_of(SPOT).is_relative_to(fresh.folder / "shared" / "hummingbot")


def test_installed_ours_is_used(installed):
    tree = installed.packages / "hummingbot_backpack/tree/hummingbot"
    assert installed.place_of(SPOT).is_relative_to(tree)
    assert installed.place_of(f"{SPOT}.api").is_relative_to(tree)
    for name in overlay.OVERLAID - {"hummingbot.connector.derivative.backpack_perpetual"}:
        assert installed.place_of(name).is_relative_to(tree), name


def test_no_file_of_hummingbots_distribution_is_written(installed, files_before):
    added = installed.files() - files_before
    tops = {name.split("/")[0] for name in added}
    (metadata,) = [top for top in tops if top.endswith(".dist-info")]
    assert tops == {metadata, "hummingbot_backpack", "hummingbot_backpack_overlay.pth"}


def test_the_wheel_is_complete(installed):
    """Everything the checkout's packages hold, and nothing that is only for development."""
    expected = {
        f"hummingbot_backpack/tree/{file.relative_to(ROOT)}"
        for folder in (ROOT / "hummingbot",)
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    expected |= {f"hummingbot_backpack/tree/scripts/{name}" for name in home.STRATEGIES}
    expected |= {
        str(file.relative_to(ROOT)) for file in (ROOT / "hummingbot_backpack").rglob("*.py")
    }
    present = {name for name in installed.files() if name.startswith("hummingbot_backpack/")}
    assert present == expected


def test_the_installed_command_makes_a_home(installed):
    command = installed.folder / "bin" / "hummingbot-backpack"
    subprocess.run([command, "--help"], check=True, capture_output=True)
    code = (
        "from pathlib import Path; from hummingbot_backpack import home; home.prepare(Path('home'))"
    )
    installed.run("-c", code)
    for strategy in home.STRATEGIES:
        link = installed.folder / "home/scripts" / strategy
        assert link.resolve() == installed.packages / "hummingbot_backpack/tree/scripts" / strategy


def test_uninstalled_the_built_in_is_back_and_nothing_is_left(installed, files_before):
    installed.pip("uninstall", "--yes", "hummingbot-backpack")
    assert installed.place_of(SPOT).is_relative_to(installed.folder / "shared" / "hummingbot")
    assert installed.files() == files_before
    assert "Backpack" not in installed.run("-c", "import sys; print(sys.meta_path)")


def test_an_editable_installation_uses_the_checkout(fresh, files_before):
    fresh.pip("install", "--no-index", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    try:
        ours = ROOT / "hummingbot/connector/exchange/backpack"
        assert fresh.place_of(SPOT).is_relative_to(ours)
        tops = {name.split("/")[0] for name in fresh.files() - files_before}
        assert "hummingbot_backpack" not in tops, "no copies that could be taken for the checkout"
    finally:
        fresh.pip("uninstall", "--yes", "hummingbot-backpack")
    assert fresh.files() == files_before


def test_this_environment_has_the_plugin_installed():
    """Every other test relies on it."""
    code = f"import {SPOT} as m; print(m.__file__)"
    place = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(place.stdout.strip()).is_relative_to(overlay.tree())
