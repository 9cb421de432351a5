# ruff: noqa: T201 (printing is what it does)
"""Measure what a local exchange costs: its start, and a mirror of one pair that nobody reads.

    cd test/hummingbot/connector/exchange/backpack/simulator
    ../../../../../../.venv/bin/python measure_mirror.py [seconds]

Source and mirror are processes of their own; CPU time is theirs, as the operating system counts it.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[6]
PACKAGE = "hummingbot.connector.exchange.backpack.simulator"
FRAMES_PER_SECOND = (30, 60)
STARTS = 5


def begin(*arguments):
    """A process of the exchange, and its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", PACKAGE, "--market", "SOL_USDC", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, json.loads(process.stdout.readline())


def cpu_share(process, seconds):
    """CPU time over wall time of a process."""
    counted = psutil.Process(process.pid)
    before, began_s = counted.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after, passed_s = counted.cpu_times(), time.monotonic() - began_s
    return (after.user + after.system - before.user - before.system) / passed_s


def measure_cpu(frames_per_second, seconds):
    source, ready = begin("--no-rate-limits", "--frames-per-second", str(frames_per_second))
    mirror, _ = begin(
        *("--liquidity", "mirror"),
        *("--source-rest-url", ready["rest"], "--source-ws-url", ready["ws"]),
    )
    try:
        time.sleep(3)  # candles and snapshot are in
        return cpu_share(mirror, seconds)
    finally:
        for process in (mirror, source):
            process.terminate()
            process.wait()


IMPORT = f"""
import time, sys
import hummingbot.connector.exchange.backpack.api.endpoints, aiohttp
from aiohttp import web
began = time.perf_counter()
from {PACKAGE}.local import LocalExchange, Settings
print(time.perf_counter() - began)
"""


def measure_import():
    """Seconds that importing the exchange adds to a connector, which has the wire layer already."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return float(run.stdout.split()[-1])


async def measure_start():
    from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange

    began_s = time.perf_counter()
    async with LocalExchange():
        return time.perf_counter() - began_s


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    imports = [measure_import() for _ in range(STARTS)]
    starts = [asyncio.run(measure_start()) for _ in range(STARTS)]
    print(f"import of the exchange: {min(imports):.3f} to {max(imports):.3f} s")
    print(f"start of a synthetic one (2 markets): {min(starts):.3f} to {max(starts):.3f} s")
    for rate in FRAMES_PER_SECOND:
        share = measure_cpu(rate, seconds)
        print(f"mirror of one pair, {rate} frames/s: {share:.1%} of a core over {seconds:.0f} s")


if __name__ == "__main__":
    main()
