# ruff: noqa: T201 (printing is what it does)
"""Measure what a local exchange costs: its start, and a mirror of one pair.

    cd test/hummingbot/connector/exchange/backpack/simulator
    ../../../../../../.venv/bin/python measure_mirror.py [seconds]

Source and mirror are processes of their own; CPU time is theirs, as the operating system counts it.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil

REPOSITORY = Path(__file__).resolve().parents[6]
PACKAGE = "hummingbot.connector.exchange.backpack.simulator"
FRAMES_PER_SECOND = (30, 60)
READERS = {
    "nobody reads": [],
    "a connector reads": ["depth.SOL_USDC", "trade.SOL_USDC"],
}
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


async def cpu_share(process, ws_url, topics, seconds):
    """CPU time over wall time of a process, and the frames that a reader of it got."""
    counted = psutil.Process(process.pid)
    async with aiohttp.ClientSession() as session, session.ws_connect(ws_url) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": topics})
        before, began_s = counted.cpu_times(), time.monotonic()
        frames = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await socket.receive()
                    frames += 1
        after, passed_s = counted.cpu_times(), time.monotonic() - began_s
    return (after.user + after.system - before.user - before.system) / passed_s, frames


def measure_cpu(frames_per_second, topics, seconds):
    source, ready = begin("--no-rate-limits", "--frames-per-second", str(frames_per_second))
    mirror, mirrored = begin(
        *("--liquidity", "mirror"),
        *("--source-rest-url", ready["rest"], "--source-ws-url", ready["ws"]),
    )
    try:
        time.sleep(3)  # candles and snapshot are in
        return asyncio.run(cpu_share(mirror, mirrored["ws"], topics, seconds))
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
        for name, topics in READERS.items():
            share, frames = measure_cpu(rate, topics, seconds)
            print(
                f"mirror of one pair, {rate} frames/s, {name} ({frames} frames): "
                f"{share:.1%} of a core over {seconds:.0f} s"
            )


if __name__ == "__main__":
    main()
