"""What pytest needs to run the scenarios against either connector, and to tell how they end.

Loaded by `compare` (``pytest -p hummingbot_backpack.compare_plugin``). While the import hook is
disabled it gives Hummingbot's own `backpack` package our `api` and `simulator`, and nothing else
of ours: the exchange is the same for both connectors.
"""

import importlib
import importlib.util
import json
import os
import sys

import pytest

from hummingbot_backpack import overlay

_CONNECTOR = "hummingbot.connector.exchange.backpack"
_SHARED = ("api", "simulator")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `compare` says to this plugin."""
    group = parser.getgroup("compare")
    group.addoption("--results-fd", type=int, required=True, help="file descriptor to tell")
    group.addoption("--scenario", default="", help="words in the name of the scenarios to run")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Have the exchange importable beside the built-in connector, before any test is loaded."""
    if overlay.find(_CONNECTOR) is not None:
        return
    connector = importlib.import_module(_CONNECTOR)
    for name in _SHARED:
        folder = overlay.tree().joinpath(*_CONNECTOR.split("."), name)
        full_name = f"{_CONNECTOR}.{name}"
        spec = importlib.util.spec_from_file_location(
            full_name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            msg = f"{folder} is no package"
            raise ImportError(msg)
        module = importlib.util.module_from_spec(spec)
        sys.modules[full_name] = module
        spec.loader.exec_module(module)
        setattr(connector, name, module)


def pytest_configure(config: pytest.Config) -> None:
    """Tell from now on."""
    config.pluginmanager.register(_Teller(config.getoption("results_fd")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the scenarios that are asked for."""
    words = config.getoption("scenario").lower()
    dropped = [item for item in items if words not in scenario_of(item.nodeid).lower()]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


class _Teller:
    """Writes a line of JSON for each thing that happens.

    Args:
        results_fd: where to.
    """

    def __init__(self, results_fd: int) -> None:
        self._results_fd = results_fd

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell which scenarios there are."""
        self._tell({"scenarios": [scenario_of(item.nodeid) for item in session.items]})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell how one part of a scenario ended: its set-up, the scenario itself, its end."""
        if report.when == "call" or not report.passed:
            self._tell(
                {
                    "scenario": scenario_of(report.nodeid),
                    "outcome": report.outcome,
                    "words": words_of(report),
                    "duration_s": round(report.duration, 2),
                }
            )

    def _tell(self, message: dict[str, object]) -> None:
        os.write(self._results_fd, json.dumps(message).encode() + b"\n")


def scenario_of(node_id: str) -> str:
    """A test's name in words."""
    name, _, variant = node_id.rpartition("::test_")[2].replace("_", " ").partition("[")
    return f"{name}, {variant.removesuffix(']')}" if variant else name


def words_of(report: pytest.TestReport) -> str:
    """What went wrong, in one line: an assertion's own words, or the error's."""
    if report.passed:
        return ""
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    first_line = text.strip().partition("\n")[0]
    return first_line.removeprefix("AssertionError: ").removeprefix("Failed: ")
