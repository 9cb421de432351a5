"""The demo by ``hbot``, from an empty home and without a network, as a person types it."""

import json
import re
import shutil
import time
from decimal import Decimal
from pathlib import Path

import pytest

from hummingbot_backpack import demo_note

CONFIGURATIONS = Path(__file__).parent / "demo_configurations"
QUOTES = (  # for the brought-along market maker: near enough to the price to be filled soon
    "--set=exchange=backpack_demo",
    "--set=trading_pair=SOL-USDC",
    "--set=order_amount=0.1",
    "--set=bid_spread=0.0001",
    "--set=ask_spread=0.0001",
    "--set=order_refresh_time=3",
)
FILLED = "has been filled"


def row(table, first):
    """Cells of the line of a Markdown table that begins with something, by column."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    rows = [cells for cells in rows if cells]
    (found,) = [cells for cells in rows if cells[0] == first]
    return dict(zip(rows[0], found, strict=True))


def created(log):
    """Orders that were placed, as sentences without their numbers."""
    return set(re.findall(r"Created (\w+ \w+) order", log))


def demo_lines(log):
    return [line for line in log.splitlines() if "backpack_exchange.BackpackExchange" in line]


def open_orders(state_file):
    (account,) = json.loads(state_file.read_text())["accounts"]
    return sum(order["status"] == "New" for order in account["orders"])


@pytest.mark.timeout(300)
def test_from_an_empty_home_to_a_stop(hbot):
    hbot.connect_demo()
    assert row(hbot.run("connect"), "backpack_demo")["keys_confirmed"] == "yes"
    balances = hbot.run("balance")
    assert row(balances, "USDC")["total"] == "10000"
    assert row(balances, "SOL")["total"] == "50"
    hbot.run("create", "simple_pmm", "--name=demo.yml", *QUOTES)
    hbot.run("start")
    hbot.wait_for_log("demo", FILLED, "Successfully canceled order")

    status = hbot.run("status")
    assert demo_note.NOTE in status
    assert "Demo money: no order is real." in status
    assert "backpack_demo" in status
    told = row(hbot.run("history"), "backpack_demo")
    assert int(told["trades"]) >= 1
    assert Decimal(told["fees"]) > 0
    hbot.run("stop")

    log = hbot.log("demo")
    assert created(log) == {"LIMIT_MAKER BUY", "LIMIT_MAKER SELL"}
    assert log.count("a synthetic one is used") == 1
    lines = [line for line in demo_lines(log) if "The market list could not" not in line]
    assert [line for line in lines if demo_note.PREFIX not in line] == []
    hbot.check_that_all_was_well()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("connector", "take_if_crossed", "kind"),
    [("backpack_demo", "null", "LIMIT_MAKER"), ("backpack", "true", "LIMIT")],
)
def test_pure_market_making_of_hummingbot_v1(hbot, connector, take_if_crossed, kind):
    """`backpack` without keys is told by what is said beside Hummingbot's own tables."""
    if connector == "backpack":
        hbot.connect_without_keys()
        hbot.run("balance")
        assert demo_note.PREFIX in hbot.said
    else:
        hbot.connect_demo()
    text = (CONFIGURATIONS / "pmm.yml").read_text().replace("backpack_demo", connector)
    text = text.replace("take_if_crossed: null", f"take_if_crossed: {take_if_crossed}")
    (hbot.home / "conf/strategies/pmm.yml").write_text(text)
    hbot.run("start", "pmm.yml")
    hbot.wait_for_log("pmm", FILLED, "Successfully canceled order")
    status = hbot.run("status")
    assert demo_note.NOTE in status
    assert connector in status
    assert int(row(hbot.run("history"), connector)["trades"]) >= 1
    hbot.run("stop")
    assert created(hbot.log("pmm")) == {f"{kind} BUY", f"{kind} SELL"}
    hbot.check_that_all_was_well()


@pytest.mark.timeout(300)
def test_a_controller_of_hummingbot_v2_that_closes_with_market_orders(hbot):
    hbot.connect_demo()
    shutil.copy(CONFIGURATIONS / "quotes.py", hbot.home / "controllers/market_making")
    shutil.copy(CONFIGURATIONS / "quotes.yml", hbot.home / "conf/controllers")
    hbot.run("start", "quotes.yml")
    hbot.wait_for_log("quotes", FILLED, "Created MARKET", "Successfully canceled order")
    status = hbot.run("status")
    assert "Controller: quotes" in status
    assert "Demo money: no order is real." in status
    price = float(re.findall(r"Created LIMIT BUY order .* at ([\d.]+\d)", hbot.log("quotes"))[-1])
    for name in ("backpack", "backpack_demo"):
        close = re.search(rf"candles of {name}: 30, last close (\S+)", status)
        assert float(close[1]) == pytest.approx(price, rel=0.01)
    assert int(row(hbot.run("history"), "backpack_demo")["trades"]) >= 1
    hbot.run("config", "manual_kill_switch", "true")
    hbot.wait_for_log("quotes", "Controller quotes is stopped: its manual_kill_switch is on")
    hbot.run("stop")
    assert {"LIMIT BUY", "LIMIT SELL"} < created(hbot.log("quotes"))
    hbot.check_that_all_was_well()


def test_a_controllers_configuration_can_be_made(hbot):
    shutil.copy(CONFIGURATIONS / "quotes.py", hbot.home / "controllers/market_making")
    said = hbot.run("create", "quotes", "--with-defaults", "--name=mine.yml")
    assert "created controller" in said
    assert (hbot.home / "conf/controllers/mine.yml").is_file()


@pytest.mark.timeout(300)
def test_with_a_state_file_balances_and_orders_outlive_the_bot(hbot):
    hbot.connect_demo(state_file="demo.json")
    # Far from the price, and not renewed while the test looks.
    far = [f"--set={side}_spread=0.01" for side in ("bid", "ask")]
    far.append("--set=order_refresh_time=1000")
    hbot.run("create", "simple_pmm", "--name=near.yml", *QUOTES)
    hbot.run("create", "simple_pmm", "--name=far.yml", *QUOTES, *far)

    hbot.run("start", "near.yml")
    hbot.wait_for_log("near", FILLED)
    hbot.run("stop")
    left = hbot.funds()
    assert left["USDC"] != (10_000, 10_000)
    assert all(total == free for total, free in left.values())  # a stop cancels all orders
    assert hbot.funds() == left

    # Killed: its orders stay in the market, as they do on the real exchange.
    hbot.run("start", "far.yml")
    hbot.wait_for_log("far", "Created LIMIT_MAKER BUY", "Created LIMIT_MAKER SELL")
    ids = set(re.findall(r"Created LIMIT_MAKER \w+ order (\w+)", hbot.log("far")))
    deadline_s = time.monotonic() + 20
    while open_orders(hbot.home / "demo.json") < len(ids):  # it is saved every 2 seconds
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    hbot.kill()
    killed = hbot.funds()
    for asset, (total, free) in killed.items():
        assert (total, free < total) == (left[asset][0], True)

    # The same bot finds them again, and cancels them when it is stopped.
    hbot.run("start", "far.yml")
    hbot.wait_for_log("far", "2 open orders are those of", "Created LIMIT_MAKER SELL")
    hbot.run("stop")
    for order_id in ids:
        assert f"Successfully canceled order {order_id}" in hbot.log("far")
    assert hbot.funds() == left
    hbot.check_that_all_was_well()


@pytest.mark.timeout(300)
def test_two_bots_in_two_processes_do_not_see_each_other(make_hbot):
    first, second = make_hbot("first"), make_hbot("second")
    for hbot in (first, second):
        hbot.connect_demo()
        hbot.run("create", "simple_pmm", "--name=demo.yml", *QUOTES)
    first.run("start", "demo.yml")
    first.wait_for_log("demo", FILLED)
    config = second.home / "conf/scripts/demo.yml"
    config.write_text(re.sub(r"spread: .*", "spread: 0.01", config.read_text()))
    second.run("start", "demo.yml")
    second.wait_for_log("demo", "Created LIMIT_MAKER BUY", "Created LIMIT_MAKER SELL")
    said = json.loads(second.run("status", "--json"))
    assert said["balances"]["backpack_demo"] == {"USDC": 10000.0, "SOL": 50.0}
    assert said["format_status"].count("SOL-USDC buy") <= 1
    assert json.loads(first.run("status", "--json"))["balances"]["backpack_demo"]["SOL"] != 50
    second.run("stop")
    first.run("stop")
    assert FILLED not in second.log("demo")
