"""The interactive client in a terminal: connect the demo with Enter, trade, look, leave."""

import codecs
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot_backpack import demo_log, demo_note, home

WAIT_S = 40
PATIENCE_S = 90
ROWS, COLUMNS = 70, 220
_PIECE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[()].|\x1b.|[\s\S]")
PURE_MARKET_MAKING = Path(__file__).parent / "demo_configurations/pmm.yml"
STRATEGY = """\
script_file_name: simple_pmm.py
controllers_config: []
exchange: backpack_demo
trading_pair: SOL-USDC
order_amount: 0.1
bid_spread: 0.0001
ask_spread: 0.0001
order_refresh_time: 3
price_type: mid
"""


class Screen:
    """What a terminal shows of what is written to it: as much of one as the client uses."""

    def __init__(self):
        self._rows = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._rest = ""

    def write(self, text):
        text = self._rest + text
        # The beginning of a sequence of which the end is still to come.
        cut = re.search(r"\x1b(\[[?0-9;]*|\][^\x07]*|[()])?$", text)
        self._rest = text[cut.start() :] if cut else ""
        for piece in _PIECE.finditer(text[: cut.start()] if cut else text):
            if piece[2]:
                self._command(piece[2], [int(n or 0) for n in piece[1].strip("?").split(";")])
            elif len(piece[0]) == 1:
                self._put(piece[0])

    def _command(self, letter, numbers):
        steps = numbers[0] or 1
        moves = {"A": (-steps, 0), "B": (steps, 0), "C": (0, steps), "D": (0, -steps)}
        if letter in moves:
            down, right = moves[letter]
            self._move(self._row + down, self._column + right)
        elif letter == "H":
            self._move(steps - 1, (numbers[1] or 1) - 1 if len(numbers) > 1 else 0)
        elif letter in "JK":
            self._rows[self._row][self._column :] = [" "] * (COLUMNS - self._column)
            if letter == "J":
                first = 0 if numbers[0] == 2 else self._row + 1
                self._rows[first:] = [[" "] * COLUMNS for _ in range(ROWS - first)]

    def _put(self, character):
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._move(self._row + 1, self._column)
        elif character == "\b":
            self._move(self._row, self._column - 1)
        elif character >= " ":
            self._rows[self._row][self._column] = character
            self._move(self._row, self._column + 1)

    def _move(self, row, column):
        self._row = min(max(row, 0), ROWS - 1)
        self._column = min(max(column, 0), COLUMNS - 1)

    def __str__(self):
        return "\n".join("".join(row).rstrip() for row in self._rows)


class Client:
    """Hummingbot's client with a terminal of its own, and what it has shown since last asked."""

    def __init__(self, folder, *, is_patient=False):
        self.home = home.prepare(folder)
        config = STRATEGY
        if is_patient:  # its orders are far away, and stay
            config = config.replace("spread: 0.0001", "spread: 0.01")
            config = config.replace("refresh_time: 3", "refresh_time: 1000")
        (self.home / "conf/scripts/demo.yml").write_text(config)
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        variables = dict(os.environ, TERM="xterm", BACKPACK_REST_URL="http://127.0.0.1:9")
        variables["BACKPACK_WS_URL"] = "ws://127.0.0.1:9"  # nobody there: a computer without net
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hummingbot_backpack", "--home", self.home],
            stdin=other,
            stdout=other,
            stderr=other,
            env=variables,
            start_new_session=True,
        )
        os.close(other)
        self._screen = Screen()
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def choose_a_password(self):
        """What the client asks at its first start."""
        for said in ("Welcome to Hummingbot", "PLEASE READ THIS", "SET A SECURE PASSWORD"):
            self.wait_for(said)
            self.answer("")
        for said in ("Enter your new password", "re-enter your password"):
            self.wait_for(said)
            self.answer("secret", is_shown=False)
            self.wait_for("******")
            self.answer("")
        self.wait_for(">>>")

    def give_the_password(self):
        """What the client asks at every later start."""
        self.wait_for("Enter your password")
        self.answer("secret", is_shown=False)
        self.wait_for("******")
        self.answer("")
        self.wait_for(">>>")

    def check_the_logs(self):
        """No error and no traceback in any of them."""
        report = demo_log.report_of((self.home / "logs").iterdir())
        assert (report.tracebacks, report.errors) == (0, [])

    def wait_for(self, text):
        """Wait until something is on the screen."""
        deadline_s = time.monotonic() + WAIT_S
        while text not in " ".join(str(self._screen).split()):
            if time.monotonic() > deadline_s or self.process.poll() is not None:
                pytest.fail(f"{text!r} was never shown, but:\n{self._screen}")
            self._read()

    def wait_for_rows(self, *texts):
        """Wait until texts are shown one under the other, at most two rows between them."""
        pattern = r".*\n(?:.*\n){,2}.*".join(map(re.escape, texts))
        deadline_s = time.monotonic() + WAIT_S
        while not re.search(pattern, str(self._screen)):
            assert time.monotonic() < deadline_s, f"{texts} never came:\n{self._screen}"
            self._read()

    def ask_until(self, command, text):
        """Give a command again and again until its answer shows something."""
        deadline_s = time.monotonic() + PATIENCE_S
        while text not in " ".join(str(self._screen).split()):
            assert time.monotonic() < deadline_s, f"{text!r} never came:\n{self._screen}"
            self.answer(command, is_shown=False)
            asked_s = time.monotonic()
            while time.monotonic() < asked_s + 2 and text not in str(self._screen):
                self._read()

    def wait_for_its_end(self):
        deadline_s = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, f"it did not end:\n{self._screen}"
            self._read()  # it could not end with a full terminal

    def _read(self):
        if select.select([self._terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):  # it has ended
                self._screen.write(self._decode(os.read(self._terminal, 65536)))

    def answer(self, text, *, clear=False, is_shown=True):
        """Type an answer and Enter; `clear` takes away what is proposed."""
        os.write(self._terminal, (("\x7f" * 40 if clear else "") + text).encode())
        if text and is_shown:
            self.wait_for(f">>> {text}")
        os.write(self._terminal, b"\r")

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def open_client(tmp_path):
    """Opens clients of one home, one after the other."""
    opened = []

    def open_one(**settings):
        opened.append(Client(tmp_path / "home", **settings))
        return opened[-1]

    yield open_one
    for client in opened:
        client.end()


@pytest.fixture
def client(open_client):
    return open_client()


@pytest.mark.timeout(240)
def test_a_demo_from_an_empty_home_to_exit(client):
    client.choose_a_password()
    client.answer("connect backpack_demo")
    client.wait_for("starting balances")
    client.answer("USDC=much", clear=True)
    client.wait_for("'much' is not a number")
    client.answer("")
    client.wait_for("Demo: market")
    client.answer("replay:nowhere", clear=True)
    client.wait_for("There is no file nowhere to replay")
    client.answer("")
    client.wait_for("Demo: fee tier")
    client.answer("cheap", clear=True)
    client.wait_for("'cheap' is not MAKER/TAKER")
    client.answer("")
    client.wait_for("file that keeps")
    client.answer("")
    client.wait_for("You are now connected to backpack_demo")

    client.answer("balance")
    client.wait_for("Exchanges Total")
    client.answer("start --v2 demo.yml")
    client.wait_for("Created LIMIT_MAKER BUY order")
    client.answer("status")
    client.wait_for("backpack_demo SOL")
    client.wait_for("Profit and loss")
    client.answer("order_book")
    client.wait_for("bid_volume")
    client.answer("ticker")
    client.wait_for("Best Ask")
    # There is nothing to tell before the first fill, and the market decides when that is.
    client.ask_until("history", "backpack_demo / SOL-USDC")
    client.answer("stop")
    client.wait_for("Hummingbot stopped")
    client.answer("exit")
    client.wait_for_its_end()

    client.check_the_logs()


@pytest.mark.timeout(240)
def test_pure_market_making_on_backpack_without_keys(client):
    """The connector's name says nothing of a demo, so the client says it beside every table."""
    text = PURE_MARKET_MAKING.read_text().replace("backpack_demo", "backpack")
    (client.home / "conf/strategies/pmm.yml").write_text(text)
    client.choose_a_password()
    client.answer("connect backpack")
    client.wait_for("Backpack API key")
    client.answer("")
    client.wait_for("Backpack API secret")
    client.answer("")
    client.wait_for("You are now connected to backpack")
    client.answer("balance")
    client.wait_for(demo_note.NOTE)
    client.answer("import pmm.yml")
    client.wait_for("Configuration from pmm.yml file is imported")
    client.answer("start")
    client.wait_for("Created LIMIT_MAKER BUY order")
    client.ask_until("history", "backpack / SOL-USDC")
    client.answer("status")
    client.wait_for_rows(demo_note.NOTE, "Markets:")
    client.answer("stop")
    client.wait_for("Hummingbot stopped")
    client.answer("exit")
    client.wait_for_its_end()
    client.check_the_logs()


def kept(client):
    """Balances and sides of the open orders in the state file of a client that has ended."""
    (account,) = json.loads((client.home / "demo.json").read_text())["accounts"]
    balances = {
        asset: (Decimal(available), Decimal(locked))
        for asset, (available, locked) in account["balances"].items()
    }
    return balances, [o["side"] for o in account["orders"] if o["status"] == "New"]


@pytest.mark.timeout(240)
def test_balances_and_orders_outlive_the_client(open_client):
    client = open_client(is_patient=True)
    client.choose_a_password()
    client.answer("connect backpack_demo")
    for said in ("starting balances", "Demo: market", "Demo: fee tier"):
        client.wait_for(said)
        client.answer("")
    client.wait_for("file that keeps")
    client.answer("demo.json")
    client.wait_for("You are now connected to backpack_demo")
    client.answer("start --v2 demo.yml")
    client.wait_for("Created LIMIT_MAKER SELL order")
    client.answer("exit -f")  # without cancelling
    client.wait_for_its_end()
    balances, sides = kept(client)
    assert sides == ["Bid", "Ask"]
    assert all(locked > 0 for _, locked in balances.values())

    # The next client has them again. Told to end, it cancels them as `exit` does.
    client = open_client(is_patient=True)
    client.give_the_password()
    client.answer("start --v2 demo.yml")
    client.wait_for("Created LIMIT_MAKER SELL order")
    logs = "".join(log.read_text() for log in (client.home / "logs").iterdir())
    assert "Balances and 2 open orders are those of demo.json" in logs
    client.process.terminate()
    client.wait_for_its_end()
    assert client.process.returncode == 0
    assert kept(client) == (
        {asset: (available + locked, 0) for asset, (available, locked) in balances.items()},
        [],
    )
    client.check_the_logs()
