"""Faults by text: each can be named, wrong texts say what is possible, and times are kept."""

import asyncio
import inspect
import re

import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import GetCapital
from hummingbot.connector.exchange.backpack.api.models import OrderBookState
from hummingbot.connector.exchange.backpack.simulator.fault_core import FAULT_METHODS
from hummingbot.connector.exchange.backpack.simulator.fault_script import (
    describe_faults,
    fault_kinds,
    parse_fault,
)
from hummingbot.connector.exchange.backpack.simulator.faults import Faults, RefusalReason
from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange

PING = "GET /api/v1/ping"
# What the server calls; everything else that is public is a fault.
MACHINERY = {"around", "stop", "refuses_websocket"}
# A value for each parameter that must be given.
REQUIRED = {
    "delay": "20ms",
    "status": "502",
    "body": "<html>",
    "code": "NO",
    "message": "No, and no",
    "symbol": "SOL_USDC",
    "offset": "-3s",
    "rate": "1.5",
}


def smallest_text(kind):
    """The shortest script of a fault."""
    required = [p.name for p in kind.parameters.values() if p.is_required]
    return f"{kind.name}:" + ",".join(f"{name}={REQUIRED[name]}" for name in required)


def test_every_fault_has_a_name():
    methods = {name for name, _ in inspect.getmembers(Faults, inspect.isfunction)}
    public = {name for name in methods if not name.startswith("_")}

    assert set(FAULT_METHODS.values()) == public - MACHINERY
    assert len(FAULT_METHODS) == len(public - MACHINERY)


@pytest.mark.parametrize("name", FAULT_METHODS)
async def test_every_fault_can_be_started_and_stopped_by_its_text(exchange, name):
    faults = exchange.faults
    script = exchange.scripts.start(smallest_text(fault_kinds()[name]))
    await asyncio.sleep(0)
    if script.plan.kind.is_instant:
        await asyncio.wait_for(script.wait_end(), 10)
    else:
        await asyncio.wait_for(until(lambda: script.is_in_force), 10)
        await asyncio.wait_for(exchange.scripts.stop(script.number), 10)

    assert script.is_over
    assert script.strikes == 1
    await asyncio.wait_for(until(lambda: not exchange.scripts.scripts), 10)
    assert (faults.rest, faults.frames, faults.admissions) == ([], [], [])


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("name", FAULT_METHODS)
def test_every_fault_is_in_the_help(name):
    kind = fault_kinds()[name]
    assert f"  {kind.usage}\n      {kind.summary}" in describe_faults()
    assert kind.summary.endswith(".")


def test_values_become_what_the_method_takes():
    plan = parse_fault(
        "server-error:operation=POST /api/v1/order,times=3,executed=yes,"
        "after=500ms,every=2m,for=1.5s,probability=0.25,seed=7"
    )
    assert plan.kind.method == "server_error"
    assert plan.arguments == {"operation": "POST /api/v1/order", "times": 3, "executed": True}
    assert (plan.after_s, plan.every_s, plan.for_s) == (0.5, 120.0, 1.5)
    assert (plan.probability, plan.seed) == (0.25, 7)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("delay-replies:delay=250ms", {"delay_s": 0.25}),
        ("clock-skew:offset=-30s", {"offset_ms": -30_000}),
        ("clock-drift:rate=0.99", {"rate": 0.99}),
        ("skip-frames:topic=depth.SOL_USDC,times=all", {"topic": "depth.SOL_USDC", "times": None}),
        ("outage:announced=yes", {"is_announced": True}),
        (
            "halt-market:symbol=SOL_USDC,state=CancelOnly",
            {"symbol": "SOL_USDC", "state": OrderBookState.CANCEL_ONLY},
        ),
        (
            "refuse-subscriptions:reason=invalid-stream",
            {"reason": RefusalReason.INVALID_STREAM},
        ),
        (
            'answer:status=200,body={"a":1,"b":2},content-type=text/html',
            {"status": 200, "body": '{"a":1,"b":2}', "content_type": "text/html"},
        ),
    ],
)
def test_each_kind_of_value_is_read(text, arguments):
    assert parse_fault(text).arguments == arguments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown fault ''; known are: delay-replies, "),
        ("drop-sw", "unknown fault 'drop-sw' (did you mean 'drop-ws'?)"),
        ("drop-ws:evry=3s", "drop-ws has no parameter 'evry' (did you mean 'every'?)"),
        ("drop-ws:every", "no parameter 'every'"),
        ("drop-ws:every=3", "drop-ws: every='3' is not a duration, such as 20s"),
        ("drop-ws:every=0s", "is not a duration above 0"),
        ("drop-ws:every=nan", "is not a duration"),
        ("drop-ws:after=-1s", "after='-1s' is not a duration"),
        ("drop-ws:for=3s", "happens in an instant"),
        ("drop-ws:every=3s,every=4s", "every is given twice"),
        ("drop-ws:probability=0.5", "a probability needs `every`"),
        ("drop-ws:every=1s,seed=3", "a seed without a probability"),
        ("silence:every=3s,for=4s", "`for` is longer than `every`"),
        ("silence:probability=1.5", "is not a probability"),
        ("silence:probability=0", "is not a probability"),
        ("delay-replies", "delay-replies needs delay, as in delay-replies:delay=DURATION"),
        ("delay-replies:delay=soon", "delay='soon' is not a duration"),
        ("server-error:operation=POST /api/v1/ordr", "did you mean 'POST /api/v1/order'?"),
        ("server-error:executed=true", "executed='true' is not yes or no"),
        ("server-error:times=0", "times='0' is not a number of times above 0, or all"),
        ("answer:status=99,body=x", "is not an HTTP status"),
        ("skip-frames:topic=dept.SOL_USDC", "is not the name of a stream"),
        ("halt-market:symbol=SOLUSDC", "did you mean 'SOL_USDC'?"),
        ("halt-market:symbol=SOL_USDC,state=Shut", "is not one of Open, Closed"),
        ("clock-drift:rate=0", "is not a factor above 0"),
    ],
)
def test_a_wrong_text_says_what_is_possible(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_fault(text)


def test_wrong_scripts_are_refused_before_the_start(quiet):
    with pytest.raises(ValueError, match="did you mean 'drop-ws'"):
        LocalExchange(quiet(faults=("drop-sw",)))


async def test_scripts_of_the_settings_are_in_force_from_the_start(open_exchange, client_of):
    exchange = await open_exchange(faults=(f"rate-limited:operation={PING},times=all",))
    client = client_of(exchange)

    assert (await client.get("/api/v1/ping")).status == 429
    assert (await client.call(GetCapital())).status == 200
    (script,) = exchange.scripts.scripts
    assert (script.is_in_force, script.hits) == (True, 1)


async def test_a_fault_lasts_as_long_as_it_says(client, exchange, eventually):
    script = exchange.scripts.start(f"server-error:operation={PING},times=all,for=100ms")
    await eventually(lambda: script.is_in_force)
    assert (await client.get("/api/v1/ping")).status == 500
    await asyncio.wait_for(script.wait_end(), 10)
    assert (await client.get("/api/v1/ping")).text == "pong"
    assert script.hits == 1


async def test_a_fault_comes_again_and_again(stream, exchange, client, open_stream, eventually):
    script = exchange.scripts.start("drop-ws:every=50ms")
    assert await stream.settled() == [], "not at once"
    await eventually(lambda: exchange.connections == 0)
    await open_stream(client)
    await eventually(lambda: script.strikes >= 3)
    await eventually(lambda: exchange.connections == 0)


async def test_each_time_is_counted_anew(client, exchange, eventually):
    script = exchange.scripts.start(f"server-error:operation={PING},every=300ms,after=0s")
    await eventually(lambda: script.is_in_force)
    assert [(await client.get("/api/v1/ping")).status for _ in range(2)] == [500, 200]
    await eventually(lambda: script.strikes == 2)
    assert (await client.get("/api/v1/ping")).status == 500
    assert script.hits == 2


async def test_a_fault_may_wait(client, exchange):
    script = exchange.scripts.start(f"server-error:operation={PING},after=60s")
    assert (await client.get("/api/v1/ping")).status == 200
    await exchange.scripts.stop(script.number)
    assert script.strikes == 0


async def test_chance_decides_the_same_way_with_the_same_seed(open_exchange, client_of):
    async def statuses(seed):
        exchange = await open_exchange()
        text = f"server-error:operation={PING},times=all,probability=0.5,seed={seed}"
        exchange.scripts.start(text)
        await asyncio.sleep(0)
        client = client_of(exchange)
        return [(await client.get("/api/v1/ping")).status for _ in range(25)]

    first = await statuses(1)

    assert set(first) == {200, 500}
    assert await statuses(1) == first
    assert await statuses(2) != first


async def test_chance_decides_each_time_of_a_fault_without_hits(exchange, eventually):
    never = exchange.scripts.start("drop-ws:every=1ms,probability=0.000001")
    often = exchange.scripts.start("drop-ws:every=1ms,probability=1")
    await eventually(lambda: often.strikes > 20)
    assert never.strikes == 0


async def test_stopping_the_exchange_ends_all_scripts(quiet):
    exchange = LocalExchange(quiet())
    await exchange.start()
    scripts = [exchange.scripts.start(text) for text in ("outage", "silence", "drop-ws:every=1s")]
    await until(lambda: scripts[0].is_in_force)
    await exchange.stop()
    assert all(script.is_over for script in scripts)
    assert exchange.scripts.scripts == []
