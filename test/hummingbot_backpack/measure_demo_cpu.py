"""Processor time of a whole demo bot that watches one live pair and does nothing else.

    python test/hummingbot_backpack/measure_demo_cpu.py [SECONDS]

A second local exchange, a process of its own, stands for the live one. The bot is started by hbot
in an empty home with two orders far from the market. Printed is the processor time of its process,
in per cent of one core, and beside it that of the same bot connected to that exchange with keys:
what the exchange inside the process adds is the difference.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

PYTHON = sys.executable
WARM_UP_S = 15
STRATEGY = """\
script_file_name: simple_pmm.py
controllers_config: []
exchange: {connector}
trading_pair: SOL-USDC
order_amount: 0.1
bid_spread: 0.01
ask_spread: 0.01
order_refresh_time: 100000
price_type: mid
"""
FIELDS = ("balances", "market", "fees", "state_file")


@contextmanager
def exchange():
    """A busy exchange; yields what it says of itself."""
    command = [PYTHON, "-m", "hummingbot.connector.exchange.backpack.simulator"]
    with subprocess.Popen(
        [*command, "--market", "SOL_USDC", "--balance", "USDC=10000", "--balance", "SOL=50"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


class Bot:
    def __init__(self, folder, outside, connector, keys):
        self._folder = Path(folder)
        self._environment = os.environ | {
            "BACKPACK_REST_URL": outside["rest"],
            "BACKPACK_WS_URL": outside["ws"],
            "HBOT_PASSWORD": "secret",
        }
        self._hbot("connect", connector, "--keys-stdin", text=json.dumps(keys))
        config = self._folder / "conf/scripts/idle.yml"
        config.write_text(STRATEGY.format(connector=connector))

    def _hbot(self, *arguments, text=""):
        return subprocess.run(
            [PYTHON, "-m", "hummingbot_backpack", "--home", self._folder, *arguments],
            input=text,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def share_of_a_core(self, seconds_s):
        self._hbot("start", "idle.yml")
        try:
            bot = psutil.Process(int((self._folder / "data/bot/bot.pid").read_text()))
            time.sleep(WARM_UP_S)
            before = bot.cpu_times()
            began_s = time.monotonic()
            time.sleep(seconds_s)
            after, took_s = bot.cpu_times(), time.monotonic() - began_s
            status = json.loads(self._hbot("status", "--json"))["format_status"]
            assert "bid 0.1 at" in status, status  # it was alive
            print(status.splitlines()[-1].strip())  # noqa: T201
            return (after.user + after.system - before.user - before.system) / took_s
        finally:
            self._hbot("stop", "--force")


def main():
    seconds_s = float(sys.argv[1]) if sys.argv[1:] else 60.0
    with exchange() as outside:
        keys = {f"backpack_{name}": outside[name] for name in ("api_key", "api_secret")}
        demo = {f"backpack_demo_{name}": "" for name in FIELDS} | {"backpack_demo_market": "live"}
        for title, connector, answers in (
            ("demo on a mirror", "backpack_demo", demo),
            ("no demo", "backpack", keys),
        ):
            with tempfile.TemporaryDirectory() as folder:
                share = Bot(folder, outside, connector, answers).share_of_a_core(seconds_s)
            print(f"{title:18} {share:6.2%} of a core over {seconds_s:g} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
