"""A refused subscription is an error that a trader sees, and not silence."""

import logging

import pytest

from hummingbot.connector.exchange.backpack.simulator.stream_faults import RefusalReason

CODES = {
    RefusalReason.PARSE_ERROR: ("4002", "Parse error"),
    RefusalReason.INVALID_SIGNATURE: ("4003", "Invalid signature"),
    RefusalReason.INVALID_STREAM: ("4006", "Invalid stream"),
    RefusalReason.INVALID_DEPTH_WINDOW: ("4008", "Invalid depth window"),
}


def errors(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and "hummingbot" in record.name
    ]


@pytest.mark.parametrize("topic", [None, "depth.SOL_USDC"], ids=["account", "market data"])
@pytest.mark.parametrize("reason", RefusalReason)
async def test_refusal_is_told_with_its_code_until_the_stream_is_accepted(
    quick_reconnects, exchange, trader, eventually, caplog, reason, topic
):
    """Not ready meanwhile, tried again and again, and ready at once when it is let in."""
    code, text = CODES[reason]
    connects = trader.connector.health.reconnects
    with exchange.faults.refuse_subscriptions(topic, reason=reason, times=None) as fault:
        exchange.faults.drop_websockets()
        await eventually(lambda: fault.hits >= 3)
        assert not trader.connector.ready
    await trader.ready()
    assert trader.connector.health.reconnects >= connects + 3

    told = [line for line in errors(caplog) if code in line and text in line]
    missing = "No order or balance events" if topic is None else "No market data"
    assert told
    assert all(missing in line for line in told)
    assert len(errors(caplog)) == len(told)
