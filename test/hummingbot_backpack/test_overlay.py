"""The import hook: which module a process gets, and what that costs."""

import os
import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from hummingbot_backpack import overlay

SPOT = "hummingbot.connector.exchange.backpack"
PERPETUAL = "hummingbot.connector.derivative.backpack_perpetual"
PTH_FILE = Path(overlay.__file__).with_name("overlay.pth")


def fresh_python(code: str, **variables: str) -> str:
    """Run code in a new process of this environment, away from the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != overlay.DISABLE_VARIABLE}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | variables,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def place_of(module: str, **variables: str) -> Path:
    return Path(fresh_python(f"import {module} as m; print(m.__file__)", **variables))


def test_a_fresh_process_gets_our_connector():
    assert place_of(SPOT).parent == overlay.tree() / "hummingbot/connector/exchange/backpack"


def test_modules_below_come_from_the_same_place():
    place = place_of(f"{SPOT}.api.symbols")
    assert place.is_relative_to(overlay.tree() / "hummingbot/connector/exchange/backpack")


@pytest.mark.parametrize("value", ["1", "yes", "true"])
def test_a_variable_gives_one_process_the_built_in_connector(value):
    place = place_of(SPOT, **{overlay.DISABLE_VARIABLE: value})
    assert place.parts[-5:-1] == ("hummingbot", "connector", "exchange", "backpack")
    assert not place.is_relative_to(overlay.tree() / "hummingbot")


@pytest.mark.parametrize("value", ["", "0"])
def test_an_empty_or_zero_variable_changes_nothing(value):
    assert place_of(SPOT, **{overlay.DISABLE_VARIABLE: value}) == place_of(SPOT)


def test_the_rate_source_and_the_candle_feed_are_ours():
    ours = overlay.tree() / "hummingbot"
    names = sorted(overlay.OVERLAID - {SPOT, PERPETUAL})
    assert len(names) == 2
    for name in names:
        assert place_of(name).is_relative_to(ours), name


def test_a_module_we_do_not_ship_is_left_to_hummingbot():
    ours = overlay.tree().joinpath(*PERPETUAL.split("."), "__init__.py")
    place = place_of(PERPETUAL)
    assert (place == ours) is ours.is_file()
    # Whichever it is, it works, and the built-in one does so without the built-in spot connector.
    fresh_python(f"import {PERPETUAL}.backpack_perpetual_derivative")


@pytest.mark.parametrize(
    "name",
    ["hummingbot", "hummingbot.connector", f"{SPOT}_demo", f"{SPOT}.api", "backpack", ""],
)
def test_other_names_are_not_answered(name):
    assert overlay.find(name) is None


def test_a_process_without_hummingbot_loads_nothing_of_ours():
    loaded = fresh_python("import sys; print([m for m in sys.modules if 'backpack' in m])")
    assert loaded == "[]"


def test_the_hook_is_there_once_and_in_front():
    names = fresh_python("import sys; print([type(f).__name__ for f in sys.meta_path])")
    assert names.startswith("['HummingbotBackpackOverlay'")
    assert names.count("HummingbotBackpackOverlay") == 1


def test_the_hook_costs_far_less_than_two_milliseconds_at_start():
    """All that Python does for the plugin at start-up is to execute this line."""
    lines = PTH_FILE.read_text().splitlines()
    # A .pth file executes its lines one by one, and only those that begin with an import.
    (line,) = [line for line in lines if not line.startswith("#")]
    assert line.startswith("import ")
    finders = list(sys.meta_path)
    others = [f for f in finders if type(f).__name__ != "HummingbotBackpackOverlay"]

    def as_in_a_fresh_process():
        sys.meta_path[:] = others

    try:
        times_s = timeit.repeat(
            lambda: exec(line, {}),  # compiling it included, as in site.py
            setup=as_in_a_fresh_process,
            number=1,
            repeat=50,
        )
        assert len(sys.meta_path) == len(others) + 1
    finally:
        sys.meta_path[:] = finders
    # The quickest of many: what the machine does besides can only add.
    assert min(times_s) < 0.002


def test_the_packed_tree_wins_over_the_checkout(tmp_path):
    """An installed wheel must never take the built-in modules beside it for its own tree."""
    package = tmp_path / "hummingbot_backpack"
    (package / "tree").mkdir(parents=True)
    for name in ("__init__.py", "overlay.py"):
        (package / name).write_text(Path(overlay.__file__).with_name(name).read_text())
    code = "from hummingbot_backpack import overlay; print(overlay.tree())"
    assert fresh_python(code, PYTHONPATH=str(tmp_path)) == str(package / "tree")
