"""A process that has imported one contender, and forks a fresh one for each measurement.

Run as ``python -m hummingbot_backpack.bench.worker CONTENDER``; it reads jobs from its input, one
JSON object a line, and writes a line of JSON for each: the figures, or why there are none.
"""

import asyncio
import gc
import importlib
import logging
import os
import sys
import traceback
from typing import Any

import msgspec

from .plan import Name

_LONGEST_S = 150.0
_LOG_FORMAT = "%(asctime)s - %(process)d - %(name)s - %(levelname)s - %(message)s"


class Job(msgspec.Struct):
    """One measurement.

    Attributes:
        function: of `cases`.
        arguments: of the function.
        markets: how many the server has.
        wire_port: of the server.
        control_port: of the server.
    """

    function: str
    arguments: dict[str, Any]
    markets: int
    wire_port: int
    control_port: int


def main() -> None:
    """Import the contender that the command line names, then do jobs until the input ends."""
    contender = _contender(Name(sys.argv[1]))
    # The work of logging belongs to a connector: Hummingbot writes a file of level INFO.
    logging.basicConfig(
        level=logging.INFO,
        format=_LOG_FORMAT,
        stream=open(os.devnull, "w", encoding="utf-8"),  # noqa: PTH123, SIM115 (kept open)
        force=True,
    )
    importlib.import_module(f"{__package__}.cases")
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin.buffer:
        print(_in_a_fresh_process(contender, msgspec.json.decode(line, type=Job)), flush=True)


def _contender(name: Name) -> Any:  # noqa: ANN401 (a class of `contender.Contender`)
    if name is Name.LIMIT:
        return importlib.import_module(f"{__package__}.bare").Bare
    connectors = importlib.import_module(f"{__package__}.connectors")
    if connectors.is_ours() is (name is Name.BUILT_IN):
        msg = f"{name} was to be measured, and another connector was imported"
        raise RuntimeError(msg)
    return {
        Name.OURS: connectors.Ours,
        Name.FRAMEWORK: connectors.Framework,
        Name.BUILT_IN: connectors.BuiltIn,
    }[name]


def _in_a_fresh_process(contender: Any, job: Job) -> str:  # noqa: ANN401 (as above)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = msgspec.json.encode(asyncio.run(_measure(contender, job)))
        except BaseException:  # noqa: BLE001 (told to the other process)
            answer = msgspec.json.encode({"error": traceback.format_exc()})
        os.write(writer, answer)
        # Nothing of the connector needs to be stopped in order: its exchange is gone too.
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer.decode() or '{"error": "the process ended without an answer"}'


async def _measure(contender: Any, job: Job) -> dict[str, float | None]:  # noqa: ANN401 (as above)
    from .cases import Bench
    from .control import Control
    from .market import symbols

    bench = Bench(
        lambda: contender(job.wire_port, symbols(job.markets)),
        await Control.connect(job.control_port),
    )
    function = getattr(importlib.import_module(f"{__package__}.cases"), job.function)
    async with asyncio.timeout(_LONGEST_S):
        figures: dict[str, float | None] = await function(bench, **job.arguments)
    return figures


if __name__ == "__main__":
    main()
