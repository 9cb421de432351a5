"""What every test needs: our modules in Hummingbot's place, no way out of this machine, no leak."""

import socket
import sys
import types
import unittest
from pathlib import Path

import pytest

from .secret_watch import SecretWatch

REPOSITORY = Path(__file__).resolve().parents[1]
LOOPBACK = ("127.", "::1", "localhost")


def _activate_the_overlay() -> None:
    """Start the import hook as an installed plugin's .pth file does, unless it is installed."""
    if any(type(finder).__name__ == "HummingbotBackpackOverlay" for finder in sys.meta_path):
        return
    if str(REPOSITORY) not in sys.path:
        sys.path.insert(0, str(REPOSITORY))
    for line in (REPOSITORY / "hummingbot_backpack" / "overlay.pth").read_text().splitlines():
        if line.startswith("import "):
            exec(line)  # what Python's site module does with the lines of a .pth file


def _provide_what_the_suites_import() -> None:
    """Hummingbot's connector suites need a module of its own test folder, which is not shipped."""

    class IsolatedAsyncioWrapperTestCase(unittest.IsolatedAsyncioTestCase):
        """The standard test case under the name that the suites know."""

    module = types.ModuleType("test.isolated_asyncio_wrapper_test_case")
    module.IsolatedAsyncioWrapperTestCase = IsolatedAsyncioWrapperTestCase
    sys.modules[module.__name__] = module


_activate_the_overlay()
_provide_what_the_suites_import()
_SECRETS = SecretWatch()
_SECRETS.install()


def pytest_configure(config):
    config.pluginmanager.register(_SECRETS)


@pytest.fixture(autouse=True, scope="session")
def _no_signature_in_log_files(tmp_path_factory):
    """Look through what bots and exchanges in processes of their own have logged."""
    yield
    assert _SECRETS.logs_with_signatures(tmp_path_factory.getbasetemp()) == []


@pytest.fixture
def secret_watch():
    """What looks through every log record of this process."""
    return _SECRETS


@pytest.fixture(autouse=True)
def _stay_on_this_machine(monkeypatch):
    """Fail a test that connects to anything but the loopback interface."""
    connect = socket.socket.connect

    def guarded(self, address):
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(host, str) and host and not host.startswith(LOOPBACK):
            msg = f"a test tried to reach {host}"
            raise AssertionError(msg)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
