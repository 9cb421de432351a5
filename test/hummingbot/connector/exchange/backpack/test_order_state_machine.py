"""No order is lost, whatever happens in whatever order: a model-based test of the lifecycle."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hummingbot.connector.exchange.backpack import backpack_order_tracker
from hummingbot.connector.exchange.backpack.api.errors import Outcome, TransportError
from hummingbot.connector.exchange.backpack.backpack_order_lifecycle import OrderLifecycle
from hummingbot.connector.exchange.backpack.backpack_translation import report_of_order
from hummingbot.connector.exchange.backpack.backpack_unknown_orders import UnknownOrders
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from .model.machine import OrderStateMachine
from .model.virtual_time import virtual_time

# For long runs, which then differ from each other: BACKPACK_MODEL_EXAMPLES=5000.
EXAMPLES = os.environ.get("BACKPACK_MODEL_EXAMPLES")
STEPS = int(os.environ.get("BACKPACK_MODEL_STEPS", "40"))

PROFILE = settings(
    max_examples=int(EXAMPLES or 120),
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setenv("BACKPACK_REST_URL", "http://exchange.invalid")
    monkeypatch.setenv("BACKPACK_WS_URL", "ws://exchange.invalid")
    with virtual_time() as virtual:
        yield virtual


@pytest.mark.timeout(7200)
def test_no_order_is_lost_in_any_order_of_events(clock):
    """Whatever happens: once all is well again, connector and exchange tell the same story."""
    run_state_machine_as_test(lambda: OrderStateMachine(clock), settings=PROFILE)


# === the machine finds what breaks the rules


def take_a_time_out_for_a_failure(monkeypatch):
    monkeypatch.setattr(TransportError, "outcome", Outcome.REJECTED)


def repeat_a_write_blindly(monkeypatch):
    async def resend(self, order, request, error):
        return report_of_order(await self._rest.send(request))

    monkeypatch.setattr(UnknownOrders, "resolve", resend)


def count_trades_twice(monkeypatch):
    record = InFlightOrder.update_with_trade_update

    def recorded(self, update):
        return record(self, update._replace(trade_id=f"{update.trade_id}/{len(self.order_fills)}"))

    monkeypatch.setattr(InFlightOrder, "update_with_trade_update", recorded)


def let_states_go_back(monkeypatch):
    monkeypatch.setattr(backpack_order_tracker, "_is_progress", lambda order, state: True)


def end_orders_without_their_fills(monkeypatch):
    async def none(self, order, amount):
        order.completely_filled_event.set()

    monkeypatch.setattr(OrderLifecycle, "_complete_fills", none)


@pytest.mark.parametrize(
    "break_it",
    [
        take_a_time_out_for_a_failure,
        repeat_a_write_blindly,
        count_trades_twice,
        let_states_go_back,
        end_orders_without_their_fills,
    ],
)
def test_the_machine_finds_a_connector_that_breaks_a_rule(clock, monkeypatch, break_it):
    """A machine that cannot fail proves nothing; it takes some dozen examples of any kind."""
    break_it(monkeypatch)
    profile = settings(PROFILE, phases=[Phase.generate], max_examples=1500, derandomize=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(lambda: OrderStateMachine(clock), settings=profile)
