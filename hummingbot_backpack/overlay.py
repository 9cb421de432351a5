"""Make Hummingbot import our Backpack modules in place of its own, editing none of its files.

Hummingbot finds connectors by folder and imports them by name. The distribution's ``.pth`` file
(``overlay.pth``) puts a finder in front of Python's own ones, in every process of the environment;
it asks ``find`` about each module below ``hummingbot``, and ``find`` answers for exactly the names
of ``OVERLAID``. Uninstalling the plugin removes the file, and the built-in modules are back.

Nothing of this may import Hummingbot: it runs in the middle of Hummingbot's own imports.
"""

import os
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

DISABLE_VARIABLE = "HUMMINGBOT_BACKPACK_DISABLE"

# Each name is taken over when our tree holds its file, and left to Hummingbot when it does not.
OVERLAID = frozenset(
    {
        "hummingbot.connector.derivative.backpack_perpetual",
        "hummingbot.connector.exchange.backpack",
        # Reads the exchange through the connector, in ways that only the built-in one allows.
        "hummingbot.core.rate_oracle.sources.backpack_rate_source",
        # Has the live host built in; ours goes where the connector goes.
        "hummingbot.data_feed.candles_feed.backpack_spot_candles",
    },
)


def find(name: str) -> ModuleSpec | None:
    """Answer where one of our modules is.

    Args:
        name: dotted name of the module about to be imported.

    Returns:
        The place of our module, or ``None`` for a name that is Hummingbot's, and for every name
        while ``HUMMINGBOT_BACKPACK_DISABLE`` is set (empty and ``0`` count as not set): that
        gives one process the built-in connector, for a comparison.
    """
    if name not in OVERLAID or os.environ.get(DISABLE_VARIABLE, "0") not in {"", "0"}:
        return None
    place = tree().joinpath(*name.split("."))
    package = place / "__init__.py"
    if package.is_file():
        return spec_from_file_location(name, package, submodule_search_locations=[str(place)])
    module = place.with_suffix(".py")
    return spec_from_file_location(name, module) if module.is_file() else None


def tree() -> Path:
    """Return the folder that holds our ``hummingbot/`` tree and our strategies in ``scripts/``.

    In an installed wheel they lie inside this package; in a checkout beside it.
    """
    package = Path(__file__).resolve().parent
    packed = package / "tree"
    return packed if packed.is_dir() else package.parent
