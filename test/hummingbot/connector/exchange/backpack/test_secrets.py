"""With DEBUG logging on, no secret and no signature is told: in no log, warning, error or repr."""

import asyncio
import base64
import json
import logging
import os
import re
import traceback
import warnings
from decimal import Decimal
from urllib.parse import quote as percent_encoded

import pytest

from hummingbot.connector.exchange.backpack import backpack_utils, backpack_web_utils
from hummingbot.connector.exchange.backpack.api.signing import (
    CredentialsError,
    Signer,
    generate_key_pair,
)
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.simulator.frames import Frame
from hummingbot.connector.exchange.backpack.simulator.local import AccountSettings, Settings
from hummingbot.connector.exchange.backpack.simulator.replies import JSON, TEXT, Reply
from hummingbot.connector.exchange.backpack.simulator.sessions import Session
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder

PAIR = "SOL-USDC"
PLACE = "POST /api/v1/order"
CANCEL = "DELETE /api/v1/order"
# So many characters of a secret in a row are a leak, whatever is around them.
PART = 12


def forms_of_secret(secret):
    """A base64 secret in every form in which code might let it out."""
    seed = base64.b64decode(secret)
    pair = seed + base64.b64decode(Signer(_public_of(seed), secret).api_key)
    return {
        form
        for raw in (seed, pair)
        for form in (
            base64.b64encode(raw).decode(),
            base64.urlsafe_b64encode(raw).decode(),
            raw.hex(),
            raw.hex().upper(),
            raw.decode("latin-1"),
            repr(raw.decode("latin-1"))[1:-1],
            repr(raw)[2:-1],
            str(list(raw))[1:-1],
        )
    }


def forms_of_signature(signature):
    raw = base64.b64decode(signature)
    return {
        signature,
        base64.urlsafe_b64encode(raw).decode(),
        percent_encoded(signature, safe=""),
        raw.hex(),
        repr(raw)[2:-1],
    }


def _public_of(seed):
    return generate_key_pair(seed)[0]


class Listener(logging.Handler):
    """Keeps everything that any log record holds, as text."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []
        self.sources = set()
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))

    def emit(self, record):
        self.sources.add((record.name.split(".")[0], record.levelno))
        # Handlers of others may write the arguments in their own way.
        self.texts += [self.format(record), repr(record.args), repr(vars(record))]
        if record.exc_info and record.exc_info[1] is not None:
            self.texts += texts_of_error(record.exc_info[1])


def texts_of_error(error):
    """An error as a log, a crash report or a debugger without locals shows it."""
    return [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]


class Wire:
    """What is sent over the wire, signatures and all."""

    def __init__(self):
        self.signatures = set()

    def note_call(self, call):
        if "x-signature" in call.headers:
            self.signatures.add(call.headers["x-signature"])

    def note_message(self, message):
        signature = json.loads(message).get("signature")
        if signature is not None:
            self.signatures.add(signature[1])


@pytest.fixture
def listener():
    """Everything at DEBUG, of everybody."""
    listener = Listener()
    root = logging.getLogger()
    named = [logging.getLogger(name) for name in ("hummingbot", "asyncio", "aiohttp", "backpack")]
    levels = [(logger, logger.level, logger.disabled) for logger in (root, *named)]
    root.addHandler(listener)
    for logger, _, _ in levels:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
    logging.captureWarnings(capture=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield listener
    logging.captureWarnings(capture=False)
    root.removeHandler(listener)
    for logger, level, is_disabled in levels:
        logger.setLevel(level)
        logger.disabled = is_disabled


@pytest.fixture
def wire(exchange, calls, monkeypatch):
    """Every signature that arrives at the exchange, of requests and of subscriptions."""
    wire = Wire()
    handle = Session.handle

    def noted(self, message):
        wire.note_message(message)
        handle(self, message)

    monkeypatch.setattr(Session, "handle", noted)

    async def note(call, proceed):
        wire.note_call(call)
        return await proceed()

    exchange.faults.rest.append(note)
    return wire


@pytest.fixture
def nothing_is_told(listener, wire, exchange, capfd):
    """Check all that was said so far, and more texts, for what must not be said."""

    def check(*texts, secrets=()):
        printed = capfd.readouterr()
        said = "\n".join((*listener.texts, *texts, printed.out, printed.err))
        for secret in {exchange.api_secret, *secrets}:
            for form in forms_of_secret(secret):
                parts = {form[i : i + PART] for i in range(len(form) - PART + 1)}
                # No part of one's own text is shown, which would put the secret into this log.
                assert not any(part in said for part in parts), "a secret was told"
        for signature in wire.signatures:
            found = [form for form in forms_of_signature(signature) if form in said]
            assert not found, _around(said, found[0])

    return check


def _around(said, form):
    start = said.index(form)
    return f"a signature was told: …{said[max(0, start - 300) : start + len(form) + 100]}…"


async def trade(trader, quote, eventually):
    """A little of everything that a bot does."""
    connector = trader.connector
    filled = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("100.10"))
    await trader.done(filled)
    connector.sell(PAIR, Decimal(1), OrderType.MARKET, Decimal("NaN"))
    resting = connector.buy(PAIR, Decimal(1), OrderType.LIMIT_MAKER, Decimal("99.50"))
    await trader.open(resting)
    connector.cancel(PAIR, resting)
    await trader.done(resting)
    batch = connector.batch_order_create(
        [LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(p), Decimal(1)) for p in (98, 99)]
    )
    for order in batch:
        await trader.open(order.client_order_id)
    refused = connector.buy(PAIR, Decimal("0.000001"), OrderType.LIMIT, Decimal(99))
    await eventually(lambda: trader.events.names(refused))
    await connector._update_order_status()
    await connector._update_balances()
    await connector.cancel_all(5)


def told_by_itself(trader, exchange):
    """Everything that stands for a connector in a log or a debugger."""
    connector = trader.connector
    signer = connector.auth._signer
    parts = (
        connector,
        connector.auth,
        signer,
        connector.environment,
        connector.rest,
        connector.health,
        connector._web_assistants_factory,
        exchange,
        exchange.settings,
        exchange.accounts,
    )
    states = [vars(part) for part in parts if hasattr(part, "__dict__")]
    return [
        *(f"{part!r} {part!s}" for part in parts),
        *(repr(state) for state in states),
        json.dumps(connector.tracking_states),
    ]


async def test_a_whole_life_tells_nothing(
    listener, wire, nothing_is_told, exchange, trader, quote, eventually, monkeypatch
):
    """Start, trading and stop; asyncio itself in debug mode shows every callback it runs."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "slow_callback_duration", 0.0)
    loop.set_debug(True)
    await trade(trader, quote, eventually)
    shown = told_by_itself(trader, exchange)
    await trader.stop()
    loop.set_debug(False)

    assert len(wire.signatures) > 10
    assert {("hummingbot", logging.INFO), ("asyncio", logging.WARNING)} <= listener.sources
    assert trader.connector.logger().isEnabledFor(logging.DEBUG)
    nothing_is_told(*shown)


def _echo_as_json(call):
    said = json.dumps({"code": "INVALID_SIGNATURE", "message": f"Invalid: {dict(call.headers)}"})
    return said.encode(), JSON


def _echo_as_text(call):
    lines = "\n".join(f"{name}: {value}" for name, value in sorted(call.headers.items()))
    # The beginning is what errors quote.
    return f"x-signature: {call.headers.get('x-signature')}\n{lines}".encode(), TEXT


def _echo_unknown_code(call):
    said = {"code": call.headers.get("x-signature"), "message": call.headers.get("x-signature")}
    return json.dumps(said).encode(), JSON


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("echo", [_echo_as_json, _echo_as_text, _echo_unknown_code])
async def test_an_exchange_that_echoes_headers_makes_nobody_tell_them(
    little_patience,
    quick_reconnects,
    listener,
    nothing_is_told,
    exchange,
    trader,
    eventually,
    status,
    echo,
):
    """Some servers repeat a bad request in their error; that must not get into the log."""
    seen = []

    async def echoed(call, proceed):
        if "x-signature" not in call.headers:
            return await proceed()
        seen.append(call.operation)
        body, content_type = echo(call)
        return Reply(status, body, content_type)

    exchange.faults.rest.insert(0, echoed)
    order_id = trader.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    batch = trader.connector.batch_order_create(
        [LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(99), Decimal(1))]
    )
    await eventually(lambda: PLACE in seen and "POST /api/v1/orders" in seen)
    trader.connector.request_reconciliation()
    await eventually(lambda: "GET /api/v1/capital" in seen)
    await trader.connector.cancel_all(0.3)
    exchange.faults.rest.remove(echoed)
    for placed in (order_id, batch[0].client_order_id):
        await eventually(
            lambda placed=placed: (
                trader.order(placed) is not None and placed not in trader.connector._placing
            )
        )
    await trader.stop()

    errors = [event.error_message for event in trader.events.all if hasattr(event, "error_message")]
    nothing_is_told(*errors)


@pytest.fixture
def short_timeout(monkeypatch):
    """Give up on a reply after a moment."""
    monkeypatch.setattr(backpack_web_utils, "REQUEST_TIMEOUT_S", 0.3)


async def test_network_failures_tell_nothing(
    short_timeout,
    little_patience,
    quick_reconnects,
    listener,
    wire,
    nothing_is_told,
    exchange,
    trader,
    eventually,
):
    """Time-outs, cuts, 5xx, unreadable replies, and a server that is gone."""
    connector = trader.connector

    def buy():
        return connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))

    faults = exchange.faults
    for fault in (
        faults.accept_then_hang(PLACE, times=1),
        faults.cut_before_arrival(PLACE, times=1),
        faults.cut_after_execution(PLACE, times=1),
        faults.server_error(PLACE, executed=True),
        faults.answer(200, b'{"id": 1', PLACE, executed=True),
        faults.answer(502, b"<html>", PLACE),
    ):
        with fault as hit:
            buy()
            await hit.wait_hit()
            await eventually(lambda: connector._unknown)
        await eventually(lambda: not connector._placing)
    with faults.server_error(CANCEL) as hit:
        await connector.cancel_all(5)
        await hit.wait_hit()
    faults.drop_websockets()
    await eventually(lambda: not connector.is_user_stream_up)
    await eventually(lambda: connector.is_user_stream_up)
    await exchange.stop()
    last = buy()
    await eventually(lambda: trader.events.names(last) == ["Failure"])
    await eventually(lambda: not connector.is_user_stream_up)
    with pytest.raises(OSError, match="no reply") as failed:
        await connector._update_balances()
    await trader.stop()

    nothing_is_told(trader.events.why_failed(last), *texts_of_error(failed.value))


async def test_refused_keys_tell_nothing(
    quick_reconnects, listener, wire, nothing_is_told, exchange, start_trader, eventually
):
    """A key pair that fits together, but is nobody's: requests and subscription are refused."""
    key, secret = generate_key_pair(os.urandom(32))
    stranger = await start_trader(
        exchange, ready=False, backpack_api_key=key, backpack_api_secret=secret
    )
    connector = stranger.connector
    await eventually(lambda: any("refused a stream" in text for text in listener.texts))
    await eventually(lambda: connector.trading_rules)
    order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
    await eventually(lambda: stranger.events.names(order_id) == ["Failure"])
    await stranger.stop()

    assert wire.signatures
    shown = told_by_itself(stranger, exchange)
    nothing_is_told(stranger.events.why_failed(order_id), *shown, secrets=[secret])


async def test_a_refused_subscription_that_echoes_its_signature_tells_nothing(
    quick_reconnects, listener, wire, nothing_is_told, exchange, trader, eventually, monkeypatch
):
    noted = Session.handle

    def refused(self, message):
        signature = json.loads(message).get("signature")
        if signature is None:
            noted(self, message)
            return
        wire.note_message(message)
        text = json.dumps({"id": None, "error": {"code": 4003, "message": f"Bad: {signature}"}})
        self.connection.send(Frame(text.encode()))

    with monkeypatch.context() as patched:
        patched.setattr(Session, "handle", refused)
        exchange.faults.drop_websockets()
        await eventually(lambda: any("refused a stream" in text for text in listener.texts))
    await eventually(lambda: trader.connector.is_user_stream_up)
    await trader.stop()

    nothing_is_told()


async def test_a_clock_that_is_off_tells_nothing(
    quick_reconnects, listener, wire, nothing_is_told, exchange, trader, eventually
):
    """Signatures are refused for their time, and told once more with another."""
    connector = trader.connector
    with exchange.faults.clock_skew(-30_000):
        await connector._update_balances()
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("99.50"))
        await trader.open(order_id)
        await connector.cancel_all(5)
    await trader.stop()

    nothing_is_told()


def _halves(secret):
    raw = base64.b64decode(secret)
    return base64.b64encode(raw[:31]).decode(), secret[:22]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key, secret: (secret, key),
        lambda key, secret: (secret, secret),
        lambda key, secret: (secret, ""),
        lambda key, secret: ("", secret),
        lambda key, secret: (generate_key_pair(os.urandom(32))[0], secret),
        lambda key, secret: (key, base64.b64decode(secret).hex()),
        lambda key, secret: (base64.b64decode(secret).hex(), secret),
        lambda key, secret: (key, "0x" + base64.b64decode(secret).hex().upper()),
        lambda key, secret: (key, _halves(secret)[0]),
        lambda key, secret: (key, _halves(secret)[1]),
        lambda key, secret: (key, secret + secret),
        lambda key, secret: (key, f'"{secret}"'),
        lambda key, secret: (key, secret.rstrip("=") + "\x00"),
        lambda key, secret: (f"{key}:{secret}", secret),
    ],
)
def test_keys_that_cannot_work_are_refused_without_telling_them(listener, nothing_is_told, spoil):
    """The error, its causes and its traceback are free of what was entered."""
    key, secret = generate_key_pair(os.urandom(32))
    with pytest.raises(CredentialsError) as refused:
        BackpackExchange(*spoil(key, secret), trading_pairs=[PAIR])
    logging.getLogger("hummingbot").error("not started", exc_info=refused.value)

    error, causes = refused.value, []
    while error is not None:
        causes += texts_of_error(error)
        error = error.__cause__ or error.__context__
    nothing_is_told(*causes, secrets=[secret])


def test_settings_hide_their_secrets(listener, nothing_is_told, exchange):
    """What a user enters and what an exchange is made from show no secret when printed."""
    key, secret = generate_key_pair(os.urandom(32))
    config = backpack_utils.BackpackConfigMap(backpack_api_key=key, backpack_api_secret=secret)
    settings = Settings(accounts=(AccountSettings(api_key=key, api_secret=secret),))
    shown = [f"{part!r} {part!s}" for part in (config, settings, settings.accounts)]
    assert re.search(r"backpack_api_secret=SecretStr\('\*+'\)", shown[0])
    nothing_is_told(*shown, config.model_dump_json(), secrets=[secret])


def debug_record(text, *arguments, error=None):
    """A log record that no other handler gets to see."""
    level = logging.DEBUG
    info = None if error is None else (type(error), error, None)
    return logging.LogRecord("hummingbot.connector", level, "", 0, text, arguments, info)


def test_the_check_finds_a_part_of_a_secret_in_any_form(listener, nothing_is_told, exchange):
    """A check that cannot fail proves nothing."""
    for form in forms_of_secret(exchange.api_secret):
        nothing_is_told()
        listener.handle(debug_record("connected with %s", form[: PART + 1]))
        with pytest.raises(AssertionError, match="a secret was told"):
            nothing_is_told()
        listener.texts.clear()


async def test_the_check_finds_a_signature(listener, wire, nothing_is_told, trader):
    """Inside an exception that nobody formats."""
    await trader.connector._update_balances()
    nothing_is_told()
    error = ValueError({"X-Signature": next(iter(wire.signatures))})
    listener.handle(debug_record("failed", error=error))
    with pytest.raises(AssertionError, match="a signature was told"):
        nothing_is_told()


async def test_the_watch_of_the_suite_knows_all_that_must_not_be_told(
    secret_watch, wire, exchange, trader, quote, eventually
):
    """Whatever way a signature is made in, and whoever makes the keys."""
    await trade(trader, quote, eventually)
    hidden = [exchange.api_secret, *wire.signatures]
    assert len(hidden) > 10
    logger = logging.getLogger("test_secrets")
    for text in hidden:
        logger.debug(text)
    found, secret_watch.found = secret_watch.found, []
    assert len(found) == len(hidden)
