"""Hummingbot's command line in homes of their own, on a computer without a network."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from hummingbot_backpack import demo_log, home

PASSWORD = "secret"
COMMAND_WITHIN_S = 150
FIELDS = ("balances", "market", "fees", "state_file")


class Hbot:
    """``hbot`` as a person has it: ``scripts/hummingbot --home FOLDER COMMAND``."""

    def __init__(self, folder):
        self.home = home.prepare(folder)
        self.said = ""  # everything that any command has shown, on both outputs
        self.environment = os.environ | {
            "HBOT_PASSWORD": PASSWORD,
            "BACKPACK_REST_URL": "http://127.0.0.1:9",  # nobody answers there
            "BACKPACK_WS_URL": "ws://127.0.0.1:9",
        }

    def run(self, *arguments, text="", code=0):
        """What a command prints; its exit code is checked."""
        result = subprocess.run(
            [sys.executable, "-m", "hummingbot_backpack", "--home", self.home, *arguments],
            input=text,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_WITHIN_S,
        )
        self.said += result.stdout + result.stderr
        assert result.returncode == code, f"{arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def funds(self, connector="backpack_demo"):
        """Total and available balance by asset."""
        found = json.loads(self.run("balance", "--json"))["connectors"][connector]["assets"]
        return {asset["asset"]: (asset["total"], asset["available"]) for asset in found}

    def connect_demo(self, **answers):
        """Enter at every question, but for some answers."""
        given = {f"backpack_demo_{name}": str(answers.get(name, "")) for name in FIELDS}
        return self.run("connect", "backpack_demo", text=json.dumps(given))

    def connect_without_keys(self):
        keys = {"backpack_api_key": "", "backpack_api_secret": ""}
        return self.run("connect", "backpack", text=json.dumps(keys))

    @property
    def pid(self):
        return int((self.home / "data/bot/bot.pid").read_text())

    def log(self, name, pid=""):
        """What the bots of a configuration have logged, or one of them."""
        file = self.home / f"logs/logs_{name}.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return "\n".join(line for line in lines if f" - {pid}" in line)

    def wait_for_log(self, name, *texts, within_s=90):
        """Wait until the bot that runs has logged all of some texts."""
        deadline_s = time.monotonic() + within_s
        pid = self.pid
        while missing := [text for text in texts if text not in self.log(name, pid)]:
            assert psutil.pid_exists(pid), f"it ended:\n{self.log(name)[-3000:]}"
            assert time.monotonic() < deadline_s, f"{missing} not in:\n{self.log(name)[-3000:]}"
            time.sleep(0.2)

    def kill(self):
        """End the bot without any goodbye."""
        bot = psutil.Process(self.pid)
        bot.send_signal(signal.SIGKILL)
        bot.wait(10)

    def check_that_all_was_well(self):
        """No error and no traceback, neither shown nor in any file."""
        report = demo_log.report_of(
            [*(self.home / "logs").iterdir(), self.home / "data/bot/bot.log"]
        )
        assert (report.tracebacks, report.errors) == (0, [])
        for bad in ("Traceback", " - ERROR - ", "Unclosed", "never awaited"):
            assert bad not in self.said
            for file in (self.home / "logs").iterdir():
                assert bad not in file.read_text()
        assert (self.home / "data/bot/bot.log").read_text() == ""

    def end(self):
        """Leave nothing running."""
        file = self.home / "data/bot/bot.pid"
        if file.exists() and psutil.pid_exists(int(file.read_text())):
            bot = psutil.Process(int(file.read_text()))
            if any("hummingbot.cli.engine" in part for part in bot.cmdline()):
                bot.kill()


@pytest.fixture
def make_hbot(tmp_path):
    """Makes homes by name."""
    made = []

    def make(name="home"):
        made.append(Hbot(tmp_path / name))
        return made[-1]

    yield make
    for hbot in made:
        hbot.end()


@pytest.fixture
def hbot(make_hbot):
    """One empty home."""
    return make_hbot()
