"""The demo itself: Hummingbot, the connector and the local exchange, each as its own process."""

import fcntl
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from hummingbot_backpack import demo_guard, home

STARTING_S = 90  # on a busy machine
FIGURES = {
    *("orders placed", "filled", "cancelled", "fills", "of them buying"),
    *("volume, USDC", "fees, USDC", "PnL before fees, USDC", "PnL after fees, USDC"),
    *("SOL bought less sold", "USDC received less paid"),
}


class Run:
    """A demo that has been started."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        # In a session of its own, like a terminal's: a signal then reaches the demo alone.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hummingbot_backpack.demo", "--home", home, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def read_until(self, text: str) -> None:
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        pytest.fail(f"{text!r} was never said, but:\n{self.output}")

    def wait(self) -> int:
        self.output += self.process.communicate(timeout=STARTING_S)[0]
        return self.process.returncode

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=STARTING_S)

    def figures(self) -> dict[str, tuple[str, ...]]:
        """The summary's table: figure to one value, or to Hummingbot's and the exchange's."""
        summary = self.output.partition("Summary")[2]
        rows = re.findall(r"^  +(\S.*?)  +(-?[\d.]+)(?:  +(-?[\d.]+))?$", summary, re.MULTILINE)
        return {name: tuple(filter(None, values)) for name, *values in rows}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that goes its time and one to be interrupted, side by side to save theirs."""
    folder = tmp_path_factory.mktemp("demo")
    quick = ("--spread", "0.0001", "--refresh-time", "3")
    started = {
        "whole": Run(folder / "whole", "--minutes", "0.3", *quick),
        "interrupted": Run(folder / "interrupted", *quick),
    }
    yield started
    for run in started.values():
        run.end()


def running_in(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(home):
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.timeout(2 * STARTING_S)
def test_interrupted_it_ends_in_order_at_once(runs):
    run = runs["interrupted"]
    run.read_until("Connection")
    interrupted_s = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0, run.output
    assert time.monotonic() - interrupted_s < 60

    assert "Stopping early." in run.output
    assert "both sides agree to the last digit" in run.output
    assert run.figures()["orders left in the market"] == ("0",)
    assert running_in(run.home) == []


@pytest.mark.timeout(2 * STARTING_S)
def test_it_trades_and_both_sides_agree(runs):
    run = runs["whole"]
    assert run.wait() == 0, run.output

    for said in ("hbot connect backpack", "hbot start", "hbot stop"):
        assert said in run.output
    for label in ("Mid price", "Quotes", "Fills", "Profit and loss", "Balances", "Connection"):
        assert run.output.count(f"  {label}  ") >= 3
    figures = run.figures()
    assert figures.keys() >= FIGURES
    for name in FIGURES:
        ours, theirs = figures[name]
        assert ours == theirs, name
    assert int(figures["orders placed"][0]) >= 4
    assert int(figures["fills"][0]) >= 1
    assert float(figures["volume, USDC"][0]) > 0
    for name in ("lost orders", "orders left in the market", "tracebacks in the logs"):
        assert figures[name] == ("0",)
    assert "Traceback" not in run.output
    assert running_in(run.home) == []


@pytest.mark.timeout(2 * STARTING_S)
def test_the_keys_are_encrypted_and_nowhere_else(runs):
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger

    run = runs["whole"]
    run.wait()
    stored = yaml.safe_load((run.home / "conf/connectors/backpack.yml").read_text())
    manager = ETHKeyFileSecretManger("demo")
    names = ("backpack_api_key", "backpack_api_secret")
    secrets = [manager.decrypt_secret_value(name, stored[name]) for name in names]
    assert [len(secret) for secret in secrets] == [44, 44]

    for secret in secrets:
        assert secret not in run.output
        for folder in ("conf", "data", "logs"):
            for file in (run.home / folder).rglob("*"):
                assert file.is_dir() or secret.encode() not in file.read_bytes(), file


def test_killed_it_leaves_nothing_running(tmp_path):
    run = Run(tmp_path / "home")
    try:
        run.read_until("hbot connect")
        assert running_in(run.home)
    finally:
        run.process.kill()
        run.process.wait()
        run.process.stdout.close()
    deadline_s = time.monotonic() + 30
    while left := running_in(run.home):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.05)


def test_the_guard_ends_what_runs_in_this_home_and_nothing_else(tmp_path):
    homes = [tmp_path / name for name in ("one", "other")]
    processes = []
    try:
        for home in homes:
            home.mkdir()
            for command in (
                ["-m", demo_guard.SIMULATOR, "--liquidity", "none"],
                ["-c", "import time; print('ready', flush=True); time.sleep(600)"],
            ):
                process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=home,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                processes.append(process)
        for process in processes:
            assert process.stdout.readline()
        demo_guard.end_all(homes[0])
        assert [process.poll() is None for process in processes] == [False, True, True, True]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


# === where it cannot run


def refused(*arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "hummingbot_backpack.demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_folder_that_it_has_not_made_is_left_alone(tmp_path):
    (tmp_path / "conf").mkdir()
    keys = tmp_path / "conf/backpack.yml"
    keys.write_text("real keys\n")
    assert "was not made by the demo" in refused("--home", str(tmp_path))
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [keys]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    said = refused("--home", str(tmp_path / "file/home"))
    assert "cannot be made a Hummingbot home" in said


def test_two_demos_do_not_share_a_home(tmp_path):
    with (home.prepare(tmp_path) / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another demo is running" in refused("--home", str(tmp_path))


def test_a_port_in_use_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("--port", str(port), "--home", str(tmp_path / "home"))
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "The home is kept" in said
