"""Who may import whom.

Scripts → hummingbot_backpack → connector → api; simulator → api; perpetual → spot.
"""

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[5]
SPOT = "hummingbot.connector.exchange.backpack"
PERPETUAL = "hummingbot.connector.derivative.backpack_perpetual"
PURE = (sys.stdlib_module_names | {"msgspec", "nacl"}) - {
    *("asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "threading", "time"),
}
CLOCK = {"now", "today", "utcnow"}
# Hummingbot's objects that hold what the wire said, and the wire's words for what Hummingbot has
# words of its own for: only the translation may build the former or name the latter.
TRANSLATED = {"OrderBookTradeEvent", "TradeUpdate", "TradingRule"}
WORDS = {f"{SPOT}.api.models.{name}" for name in ("OrderType", "Side", "TimeInForce")}


def within(name, *packages):
    """Whether a dotted name is one of these packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(tree, module, *, is_package):
    """Absolute dotted names of everything that a module imports, wherever in it."""
    parents = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + is_package] if node.level else []
            prefix = [*base, *([node.module] if node.module else [])]
            yield from (".".join([*prefix, alias.name]) for alias in node.names)


def called(tree):
    """Last words of everything that a module calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", None))


def offences(module, names, calls):
    """What a module imports or calls that its place does not allow."""
    ours = {name for name in names if within(name, "hummingbot", "hummingbot_backpack", "scripts")}
    if within(module, f"{SPOT}.api"):
        yield from (ours - {name for name in ours if within(name, f"{SPOT}.api")})
        yield from (name for name in names - ours if name.split(".")[0] not in PURE)
        yield from CLOCK & calls
    elif within(module, f"{SPOT}.simulator"):
        allowed = (f"{SPOT}.api", f"{SPOT}.simulator")
        yield from (name for name in ours if not within(name, *allowed))
    elif within(module, "hummingbot"):
        yield from (name for name in ours if within(name, "hummingbot_backpack", "scripts"))
        if within(module, SPOT):
            yield from (name for name in ours if within(name, PERPETUAL))
        if within(module, SPOT, PERPETUAL) and not module.endswith("_translation"):
            yield from (TRANSLATED & calls) | (WORDS & names)
    elif within(module, "hummingbot_backpack"):
        yield from (name for name in ours if within(name, "scripts"))


def violations(root):
    """Every forbidden import below a repository, and who starts the simulator."""
    starters = set()
    for area in ("hummingbot", "hummingbot_backpack", "scripts"):
        for file in sorted((root / area).rglob("*.py")):
            is_package = file.name == "__init__.py"
            parts = file.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if is_package else parts)
            tree = ast.parse(file.read_text())
            names = set(imported(tree, module, is_package=is_package))
            for name in sorted(offences(module, names, set(called(tree)))):
                yield f"{module}: {name}"
            connector = within(module, SPOT, PERPETUAL) and not within(module, f"{SPOT}.simulator")
            if connector and any(within(name, f"{SPOT}.simulator") for name in names):
                starters.add(module)
    if len(starters) > 1:
        yield f"more than one starts the simulator: {sorted(starters)}"


def test_architecture_no_module_imports_what_it_must_not():
    """The arrows of the design, from the imports themselves."""
    assert len(list((REPOSITORY / Path(*SPOT.split(".")) / "api").glob("*.py"))) >= 9
    assert list(violations(REPOSITORY)) == []


@pytest.mark.parametrize(
    ("module", "source", "offence"),
    [
        (f"{SPOT}.api.models", "import asyncio", "asyncio"),
        (f"{SPOT}.api.models", "def f():\n    import logging.handlers", "logging.handlers"),
        (f"{SPOT}.api.models", "import aiohttp", "aiohttp"),
        (f"{SPOT}.api.models", "from datetime import datetime\ndatetime.now()", "now"),
        (f"{SPOT}.api.models", "from ..backpack_auth import A", f"{SPOT}.backpack_auth.A"),
        (f"{SPOT}.api.models", "from .. import simulator", f"{SPOT}.simulator"),
        (f"{SPOT}.api.models", "import hummingbot.core", "hummingbot.core"),
        (f"{SPOT}.simulator.engine", "from .. import backpack_auth", f"{SPOT}.backpack_auth"),
        (f"{SPOT}.simulator.engine", "from hummingbot.core import x", "hummingbot.core.x"),
        (f"{SPOT}.backpack_auth", "import hummingbot_backpack.home", "hummingbot_backpack.home"),
        (f"{SPOT}.backpack_auth", f"from {PERPETUAL} import x", f"{PERPETUAL}.x"),
        (f"{SPOT}.backpack_auth", "from .api.models import Side", f"{SPOT}.api.models.Side"),
        (f"{PERPETUAL}.backpack_perpetual_utils", "TradeUpdate()", "TradeUpdate"),
        ("hummingbot_backpack.home", "import scripts.demo", "scripts.demo"),
    ],
)
def test_architecture_forbidden_import_is_found(tmp_path, module, source, offence):
    """Each rule, broken once, wherever in the module."""
    file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert list(violations(tmp_path)) == [f"{module}: {offence}"]


def test_architecture_a_second_start_of_the_simulator_is_found(tmp_path):
    """One place starts it; the perpetual reaches it through the spot package."""
    package = tmp_path.joinpath(*SPOT.split("."))
    package.mkdir(parents=True)
    for name in ("backpack_a", "backpack_b"):
        assert list(violations(tmp_path)) == []
        (package / f"{name}.py").write_text("from .simulator.local import start")
    assert len(list(violations(tmp_path))) == 1


def test_architecture_allowed_imports_are_left_alone(tmp_path):
    """The arrows themselves."""
    allowed = {
        f"{SPOT}.api.endpoints": "from .models import Side\nimport msgspec\nimport nacl.bindings",
        f"{SPOT}.simulator.engine": "from ..api.models import Side\nfrom . import book",
        f"{SPOT}.backpack_translation": "from .api.models import Side\nTradeUpdate()",
        f"{SPOT}.__init__": "from .api import models",
        f"{PERPETUAL}.backpack_perpetual_utils": f"from {SPOT} import backpack_utils",
        "hummingbot_backpack.home": f"from {SPOT}.api import signing",
        "scripts.check": "from hummingbot_backpack import home",
    }
    for module, source in allowed.items():
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    assert list(violations(tmp_path)) == []
