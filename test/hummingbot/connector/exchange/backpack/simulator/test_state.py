"""Funds, orders and fills over a restart."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.api.endpoints import ExecuteOrder
from hummingbot.connector.exchange.backpack.api.models import OrderType, Side, Symbol
from hummingbot.connector.exchange.backpack.simulator import memory
from hummingbot.connector.exchange.backpack.simulator.engine import Engine
from hummingbot.connector.exchange.backpack.simulator.events import Refusal
from hummingbot.connector.exchange.backpack.simulator.local import (
    AccountSettings,
    LiquidityKind,
    LocalExchange,
    Settings,
    StateFileError,
)
from hummingbot.connector.exchange.backpack.simulator.markets import known_markets
from hummingbot.connector.exchange.backpack.simulator.state import EngineState, check
from hummingbot.connector.exchange.backpack.simulator.state_file import StateFile, encode

SOL = Symbol("SOL_USDC")
BID, ASK = Side.BID, Side.ASK
FUNDS = {"USDC": Decimal(100_000), "SOL": Decimal(1_000)}
NAMES = ("main", "other")


def order(side, price, quantity, **more):
    return ExecuteOrder(
        symbol=SOL,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        quantity=Decimal(quantity),
        **more,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "demo.json"


@pytest.fixture
def remembering(path):
    """Settings of a quiet exchange with a state file."""

    def build(**more):
        accounts = tuple(AccountSettings(name=name, balances=FUNDS) for name in NAMES)
        defaults = {
            "markets": (SOL,),
            "liquidity": LiquidityKind.NONE,
            "accounts": accounts,
            "state_file": path,
            "tell": lambda level, text: None,
        }
        return Settings(**(defaults | more))

    return build


def trade_a_little(engine):
    """A fill on both sides, a partly filled order, one that rests and one that is cancelled."""
    engine.place("main", order(BID, "100", "10", client_id=7))
    engine.place("other", order(ASK, "100", "4"))
    engine.place("other", order(ASK, "102", "3", client_id=8))
    gone = engine.place("main", order(BID, "99", "1"))
    engine.cancel("main", SOL, order_id=gone.order_id)


def account_of(engine, name):
    return (
        engine.balances(name),
        engine.open_orders(name),
        engine.order_history(name, limit=10_000),
        engine.fills(name, limit=10_000),
    )


async def test_everything_is_there_after_a_restart(remembering):
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
        before = [account_of(exchange.engine, name) for name in NAMES]
        fees = exchange.engine.collected_fees
        book = exchange.engine.depth(SOL, 100)[:2]

    async with LocalExchange(remembering()) as exchange:
        engine = exchange.engine
        assert [account_of(engine, name) for name in NAMES] == before
        assert engine.collected_fees == fees
        assert engine.depth(SOL, 100)[:2] == book

        used = {o.order_id for name in NAMES for o in engine.order_history(name)[0]}
        fills = {fill.trade_id for fill in engine.fills("main")[0]}
        with pytest.raises(Refusal, match="already exists"):
            engine.place("main", order(BID, "90", "1", client_id=7))
        placed = engine.place("other", order(ASK, "100", "6"))
        assert placed.order_id > max(used)
        assert engine.fills("main")[0][0].trade_id > max(fills)
        assert engine.open_orders("main") == []
        engine.cancel("other", SOL, client_id=8)
        assert all(locked == 0 for n in NAMES for _, locked in engine.balances(n).values())


async def test_exchange_that_is_opened_again_goes_on_where_it_was(remembering):
    exchange = LocalExchange(remembering())
    for _ in range(2):
        async with exchange:
            exchange.engine.place("main", order(BID, "90", "1"))
    async with LocalExchange(remembering()) as another:
        assert len(another.engine.open_orders("main")) == 2


async def test_settings_decide_where_nothing_was_saved(remembering, path):
    async with LocalExchange(remembering()) as exchange:
        assert exchange.engine.balances("main")["USDC"] == (100_000, 0)
    assert path.is_file()


async def test_without_a_file_nothing_is_written(open_exchange, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exchange = await open_exchange()
    trade_a_little(exchange.engine)
    await exchange.stop()
    assert list(tmp_path.iterdir()) == []


async def test_file_holds_no_key_and_is_its_owners_alone(remembering, path):
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
        keys = [account.api_key for account in exchange.accounts]
        secrets = [account.api_secret for account in exchange.accounts]
    content = path.read_text()
    for text in (*keys, *secrets):
        assert text not in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(content)["accounts"][0]["name"] == "main"


async def test_it_is_saved_while_running(remembering, path, monkeypatch, eventually):
    monkeypatch.setattr(
        "hummingbot.connector.exchange.backpack.simulator.memory._SAVE_EVERY_S", 0.02
    )
    async with LocalExchange(remembering()) as exchange:
        await eventually(path.exists)
        trade_a_little(exchange.engine)
        await eventually(lambda: len(json.loads(path.read_text())["accounts"][0]["orders"]) == 2)
        written = path.stat().st_mtime_ns
        await asyncio.sleep(0.1)
        assert path.stat().st_mtime_ns == written, "nothing has changed since"


async def test_file_that_cannot_be_written_is_told_and_the_old_one_stays(
    remembering, path, monkeypatch
):
    told = []
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    settings = remembering(tell=lambda level, text: told.append(text))
    async with LocalExchange(settings) as exchange:
        exchange.engine.cancel_all("main", SOL)
        monkeypatch.setattr(os, "fsync", full)
        for _ in range(3):
            exchange.save()
    (text,) = [text for text in told if "is not saved" in text]
    assert "No space left" in text
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


async def test_it_can_be_saved_by_an_exit_handler(remembering, path):
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
        exchange.save()
        assert len(StateFile(path).read().accounts[0].orders) == 2
    exchange.save()


async def test_exit_saves_what_a_save_under_way_did_not_get_to_write(
    remembering, path, monkeypatch, eventually
):
    """The loop ends while a save waits for its thread, which then never begins."""
    monkeypatch.setattr(memory, "_SAVE_EVERY_S", 0.01)
    released = threading.Event()
    exchange = LocalExchange(remembering())
    await exchange.start()
    await eventually(path.exists)
    with ThreadPoolExecutor(1) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        threads.submit(released.wait)
        exchange.engine.place("main", order(BID, 90, 1))
        await eventually(lambda: not exchange._memory._has_changed)  # encoded, and not written
        exchange._memory._saver.cancel()
        await asyncio.wait([exchange._memory._saver])
        exchange.save()
        released.set()
    (account,) = (a for a in json.loads(path.read_text())["accounts"] if a["name"] == "main")
    assert [kept["side"] for kept in account["orders"]] == ["Bid"]
    exchange._memory._saver = None
    await exchange.stop()


def test_what_is_older_than_the_file_is_not_written(tmp_path):
    """A thread that was slow must not bring back what was before."""
    file = StateFile(tmp_path / "demo.json")
    file.write(b"new", 2)
    file.write(b"old", 1)
    assert file.path.read_bytes() == b"new"


async def test_two_exchanges_do_not_share_a_file(remembering, path):
    async with LocalExchange(remembering()):
        with pytest.raises(StateFileError, match="in use by another"):
            await LocalExchange(remembering()).start()
    async with LocalExchange(remembering()):
        assert path.exists()


async def test_accounts_that_are_not_opened_stay_in_the_file(remembering):
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
        before = account_of(exchange.engine, "other")
    only_main = remembering(accounts=(AccountSettings(name="main", balances=FUNDS),))
    async with LocalExchange(only_main) as exchange:
        assert exchange.engine.balances("main")["USDC"] == (99_000, 600)
    async with LocalExchange(remembering()) as exchange:
        assert account_of(exchange.engine, "other") == before


async def test_market_that_is_listed_no_more_is_still_shown(remembering, path, client_of):
    """As when a pair of the live market was traded and the next start is synthetic."""
    async with LocalExchange(remembering()) as exchange:
        trade_a_little(exchange.engine)
    renamed = path.read_text().replace("SOL_USDC", "NEW_USDC")
    path.write_text(renamed)
    async with LocalExchange(remembering()) as exchange:
        client = client_of(exchange)
        assert len((await client.get("/api/v1/markets")).json) == len(known_markets()) + 1
        (kept,) = exchange.engine.open_orders("main")
        assert kept.symbol == "NEW_USDC"
        exchange.engine.cancel("main", "NEW_USDC", order_id=kept.order_id)


def damages():
    """Ways in which a file can be wrong, by what they do to its content."""
    texts = {
        "empty": lambda text: "",
        "cut off": lambda text: text[: len(text) // 2],
        "no JSON": lambda text: "balances: lots",
        "another thing": lambda text: "[1, 2]",
        "another version": lambda text: text.replace('"version": 1', '"version": 2'),
        "no number": lambda text: text.replace('"100.00"', '"many"'),
        "binary": lambda text: "\x00\xff" * 50,
    }
    values = {
        "more money": lambda s: s["accounts"][0]["balances"]["USDC"].__setitem__(1, "1E6"),
        "infinite money": lambda s: s["accounts"][0]["balances"]["USDC"].__setitem__(0, "Infinity"),
        "debt": lambda s: s["accounts"][0]["balances"]["USDC"].__setitem__(0, "-1"),
        "an order twice": lambda s: s["accounts"][0]["orders"].append(
            s["accounts"][0]["orders"][0]
        ),
        "a client id twice": lambda s: s["accounts"][0]["orders"].append(
            s["accounts"][0]["orders"][0] | {"order_id": 1}
        ),
        "an order of the future": lambda s: s.__setitem__("next_order_id", 5),
        "a trade of the future": lambda s: s.__setitem__("next_trade_ids", {}),
        "no market": lambda s: s.__setitem__("markets", []),
        "an account twice": lambda s: s["accounts"].append(s["accounts"][0]),
        "filled and open": lambda s: s["accounts"][0]["orders"][0].__setitem__(
            "executed_quantity", "10"
        ),
        "market order that rests": lambda s: s["accounts"][0]["orders"][0].__setitem__(
            "order_type", "Market"
        ),
        "not a number": lambda s: s["accounts"][0]["orders"][0].__setitem__("price", "NaN"),
        "somebody else's order": lambda s: s["accounts"][0]["orders"][0].__setitem__(
            "account_id", "other"
        ),
    }

    def by_value(change):
        def damage(text):
            state = json.loads(text)
            change(state)
            return json.dumps(state)

        return damage

    return texts | {name: by_value(change) for name, change in values.items()}


@pytest.fixture(scope="module")
def sound():
    """The content of a sound file."""
    engine = Engine(known_markets(), clock_us=lambda: 0)
    for name in NAMES:
        engine.open_account(name, FUNDS, maker_fee_bps=Decimal(8), taker_fee_bps=Decimal(10))
    trade_a_little(engine)
    return encode(engine.state(NAMES)).decode()


@pytest.mark.parametrize("damage", damages().values(), ids=damages().keys())
def test_damaged_file_is_a_clear_error(remembering, path, sound, damage):
    path.parent.mkdir()
    path.write_text(sound)
    LocalExchange(remembering())
    path.write_text(damage(sound))

    with pytest.raises(StateFileError, match=r"is damaged .* Delete it"):
        LocalExchange(remembering())


@settings(max_examples=300)
@given(position=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_any_damage_is_noticed_or_harmless(sound, tmp_path_factory, position, byte):
    """A changed byte leads to an error, or to a state in which the money still adds up."""
    content = bytearray(sound.encode())
    content[position % len(content)] = byte
    file = StateFile(tmp_path_factory.mktemp("state") / "demo.json")
    file.path.write_bytes(content)
    try:
        state = file.read()
    except StateFileError:
        return
    engine = Engine(known_markets(), clock_us=lambda: 0)
    for name in NAMES:
        engine.open_account(name, FUNDS, maker_fee_bps=Decimal(8), taker_fee_bps=Decimal(10))
    engine.restore(state)
    for name in NAMES:
        for open_order in engine.open_orders(name):
            engine.cancel(name, open_order.symbol, order_id=open_order.order_id)
        assert all(locked == 0 for _, locked in engine.balances(name).values())


def test_folder_instead_of_a_file_is_a_clear_error(remembering, path):
    path.mkdir(parents=True)
    with pytest.raises(StateFileError, match="cannot be read"):
        LocalExchange(remembering())


async def test_place_that_cannot_be_written_is_a_clear_error(remembering, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFileError, match="cannot be"):
        await LocalExchange(remembering(state_file=tmp_path / "file" / "demo.json")).start()


# --- any moment -----------------------------------------------------------------------------------

commands = st.one_of(
    st.tuples(
        st.just("place"),
        st.sampled_from(NAMES),
        st.sampled_from(Side),
        st.integers(9_950, 10_050),
        st.integers(1, 500),
    ),
    st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.integers(0, 9)),
)


def carry_out(engine, command):
    name, account, *rest = command
    try:
        if name == "place":
            side, ticks, steps = rest
            step = Decimal("0.01")
            engine.place(account, order(side, ticks * step, steps * step))
        elif mine := engine.open_orders(account):
            engine.cancel(account, SOL, order_id=mine[rest[0] % len(mine)].order_id)
    except Refusal:
        pass


@given(st.lists(commands, max_size=30), st.lists(commands, max_size=10))
def test_restart_at_any_moment_changes_nothing_that_follows(before, after):
    clock = iter(range(1_000, 10**9, 1_000))
    engines = []
    for _ in range(2):
        engine = Engine(known_markets(), clock_us=lambda: next(clock))
        for name in NAMES:
            engine.open_account(name, FUNDS, maker_fee_bps=Decimal(-2), taker_fee_bps=Decimal(10))
        engines.append(engine)
    first, second = engines
    for command in before:
        carry_out(first, command)
    state = msgspec.json.decode(encode(first.state(NAMES)), type=EngineState)
    check(state)
    second.restore(state)

    for command in after:
        for engine in engines:
            carry_out(engine, command)

    def shown(engine):
        """Everything but the times."""
        return [
            (
                engine.balances(name),
                [(o.order_id, o.status, o.executed_quantity) for o in orders],
                [(f.trade_id, f.order_id, f.price, f.quantity, f.fee) for f in fills],
            )
            for name in NAMES
            for orders, fills in [
                (
                    engine.order_history(name, limit=1_000)[0],
                    engine.fills(name, limit=1_000)[0],
                )
            ]
        ] + [engine.depth(SOL, 1_000)[:2], engine.collected_fees]

    assert shown(first) == shown(second)


def test_long_histories_are_cut_but_open_orders_are_whole():
    engine = Engine(known_markets(), clock_us=lambda: 0)
    rich = {"USDC": Decimal(10**9), "SOL": Decimal(10**6)}
    for name in NAMES:
        engine.open_account(name, rich, maker_fee_bps=Decimal(0), taker_fee_bps=Decimal(0))
    first = engine.place("main", order(BID, "101", "1000"))
    engine.place("other", order(ASK, "101", "1"))
    second = engine.place("main", order(BID, "102", "1200"))
    for _ in range(1_100):
        engine.place("other", order(ASK, "102", "1"))
    state = engine.state(NAMES)
    check(state)

    main, other = state.accounts
    assert [o.order_id for o in main.orders] == [first.order_id, second.order_id]
    assert len(main.fills) == 1_101
    assert (len(other.orders), len(other.fills)) == (1_000, 1_000)


# --- processes ------------------------------------------------------------------------------------


@asynccontextmanager
async def running(*arguments):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hummingbot.connector.exchange.backpack.simulator"),
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_killed_process_leaves_a_sound_file(path, eventually):
    arguments = ("--liquidity", "none", "--balance", "USDC=5", "--state-file", str(path))
    async with running(*arguments) as process:
        assert await process.stdout.readline()
        await eventually(path.exists)
        async with running(*arguments) as second:
            assert await second.wait() == 2
            assert b"in use by another" in await second.stderr.read()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert StateFile(path).read().accounts[0].balances == {"USDC": (5, 0)}
    async with running("--liquidity", "none", "--state-file", str(path)) as process:
        assert await process.stdout.readline()
        process.terminate()
        _, log = await process.communicate()
    assert b"Balances and 0 open orders are those of" in log
    assert StateFile(path).read().accounts[0].balances == {"USDC": (5, 0)}
