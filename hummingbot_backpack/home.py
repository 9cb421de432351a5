"""Create and repair a Hummingbot home: a folder of one's own to run an installed Hummingbot in.

Hummingbot keeps ``conf``, ``logs``, ``data`` and ``scripts`` beside its own package. For a pip
installation that is ``site-packages``, where a bot's files do not belong. It finds that place from
``hummingbot/__init__.py``, links resolved, so a folder with

* ``hummingbot/__init__.py`` as a real copy and links to the rest of the installed package,
* ``conf/``, ``logs/``, ``data/``, ``scripts/`` and ``controllers/``

is a complete Hummingbot of its own when Python runs inside it. The installed package is only read.
"""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from hummingbot_backpack import overlay

HOME_VARIABLE = "HUMMINGBOT_BACKPACK_HOME"

# Hummingbot strategies that the plugin brings along; links to them go into the home's scripts/.
STRATEGIES = ("simple_pmm.py",)

# Runs V2 controllers; Hummingbot's own is not part of its installation.
_CONTROLLER_RUNNER = "v2_with_controllers.py"

_FOLDERS = (
    "conf/connectors",
    "conf/controllers",
    "conf/scripts",
    "conf/strategies",
    "controllers/directional_trading",
    "controllers/generic",
    "controllers/market_making",
    "data",
    "logs",
    "scripts",
)

# Only what differs from Hummingbot's defaults: it completes the file when it first reads it.
_CLIENT_CONFIG = """\
# Values are shown in USDC, which Backpack quotes in, at prices from Backpack.
rate_oracle_source:
  name: backpack
global_token:
  global_token_name: USDC
  global_token_symbol: $
# `backpack_paper_trade` trades Backpack's order books with play money.
paper_trade:
  paper_trade_exchanges:
  - backpack
# Nothing about this bot is sent to anybody.
anonymized_metrics_mode: anonymized_metrics_disabled
send_error_logs: false
"""


class HomeError(Exception):
    """The folder cannot be made into a home; the message says why and what to do."""


def default_path() -> Path:
    """Return the home's place: ``$HUMMINGBOT_BACKPACK_HOME``, or ``~/.hummingbot-backpack``."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".hummingbot-backpack"


def prepare(path: Path) -> Path:
    """Make a folder a Hummingbot home, or bring an existing home up to date.

    Running it again repairs what a Hummingbot upgrade or a moved environment has broken. Files of
    the user (configuration, keys, own strategies, logs, data) are never touched.

    Args:
        path: the folder; made if it does not exist.

    Returns:
        The folder, absolute and with links resolved.

    Raises:
        HomeError: Hummingbot is not installed, or the folder is somebody else's.
        OSError: the folder cannot be written.
    """
    package = installed_package()
    home = path.expanduser().resolve()
    _refuse_foreign_folder(home, package)
    # Configuration holds API keys (encrypted): nobody else's business.
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in _FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
    _mirror_package(home / "hummingbot", package)
    for strategy in STRATEGIES:
        _place_strategy(home / "scripts" / strategy, overlay.tree() / "scripts" / strategy)
    runner = Path(__file__).with_name(_CONTROLLER_RUNNER)
    _place_strategy(home / "scripts" / _CONTROLLER_RUNNER, runner)
    # hbot looks for controllers beside this file of their package.
    package_file = home / "controllers" / "__init__.py"
    if not package_file.exists():
        _write(package_file, b"")
    client_config = home / "conf" / "conf_client.yml"
    if not client_config.exists():
        _write(client_config, _CLIENT_CONFIG.encode())
    return home


def environment(home: Path) -> dict[str, str]:
    """Return the environment in which Python finds Hummingbot in a home.

    To be used together with the home as the working directory, by which Hummingbot finds its
    strategies. Child processes that Hummingbot starts inherit both.
    """
    variables = dict(os.environ)
    # PYTHONSAFEPATH keeps the working directory off the search path; Hummingbot would then run
    # from site-packages and write there.
    variables.pop("PYTHONSAFEPATH", None)
    others = variables.get("PYTHONPATH")
    variables["PYTHONPATH"] = os.pathsep.join([str(home), others] if others else [str(home)])
    return variables


def installed_package() -> Path:
    """Return the folder of the installed ``hummingbot`` package, seen from anywhere.

    Raises:
        HomeError: this Python has no Hummingbot.
    """
    spec = importlib.util.find_spec("hummingbot")
    while spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent
        # Inside a home the package found is the home's own, and its parts are links.
        package = (found / "client").resolve().parent
        if (package / "__init__.py").is_file():
            return package
        # A home whose Hummingbot has gone: look behind it.
        others = [entry for entry in sys.path if Path(entry).resolve() != found.parent.resolve()]
        following = importlib.machinery.PathFinder.find_spec("hummingbot", others)
        spec = None if following is None or following.origin == spec.origin else following
    raise HomeError(
        f"Hummingbot is not installed for {sys.executable}. "
        "Install it with `pip install hummingbot`, or run this from the environment it is in.",
    )


def _refuse_foreign_folder(home: Path, package: Path) -> None:
    if home == package.parent or home.is_relative_to(package):
        raise HomeError(
            f"{home} is where Hummingbot is installed. Choose a folder of your own, or run that "
            "Hummingbot directly: the plugin works there too.",
        )
    if not home.exists():
        return
    if not home.is_dir():
        raise HomeError(f"{home} is a file. Choose a folder for the Hummingbot home.")
    mirror = home / "hummingbot"
    if not mirror.exists() and any(home.iterdir()):
        raise HomeError(
            f"{home} is not empty and is no Hummingbot home. Choose a new or an empty folder.",
        )
    own = {"__init__.py", "__pycache__"}
    real = sorted(
        entry.name
        for entry in (mirror.iterdir() if mirror.is_dir() else ())
        if entry.name not in own and not entry.is_symlink()
    )
    if real:
        raise HomeError(
            f"{mirror} holds files of its own ({', '.join(real[:3])}), so it is a Hummingbot "
            "already or has been changed by hand. Choose another folder, or move them away.",
        )


def _mirror_package(mirror: Path, package: Path) -> None:
    """Make ``mirror`` a copy of the package's ``__init__.py`` and links to all the rest."""
    mirror.mkdir(exist_ok=True)
    wanted = {
        entry.name: entry
        for entry in package.iterdir()
        if entry.name not in {"__init__.py", "__pycache__"}
    }
    for name, target in wanted.items():
        _link(mirror / name, target)
    for entry in mirror.iterdir():
        # What an earlier Hummingbot had and this one has not.
        if entry.is_symlink() and entry.name not in wanted:
            entry.unlink(missing_ok=True)
    # Last, because from here on the folder counts as a package.
    source = (package / "__init__.py").read_bytes()
    copy = mirror / "__init__.py"
    if not copy.is_file() or copy.read_bytes() != source:
        _write(copy, source)


def _place_strategy(place: Path, source: Path) -> None:
    """Link to one of our strategies, unless the user has a file of that name."""
    if place.is_symlink() or not place.exists():
        _link(place, source)


def _link(place: Path, target: Path) -> None:
    if place.is_symlink() and place.readlink() == target:
        return
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as folder:
        # Renamed into place, so that a bot starting at this moment finds the old or the new one.
        fresh = Path(folder, place.name)
        fresh.symlink_to(target)
        fresh.replace(place)


def _write(place: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as folder:
        fresh = Path(folder, place.name)
        fresh.write_bytes(content)
        fresh.replace(place)
