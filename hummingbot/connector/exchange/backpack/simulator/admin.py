"""The back door of the exchange, for tests in other processes; closed unless it is asked for.

    GET    /admin/faults            the fault scripts under way
    POST   /admin/faults            start one; the body is its text, such as drop-ws:every=20s
    DELETE /admin/faults            stop all
    DELETE /admin/faults/NUMBER     stop one
    GET    /admin/accounts/NAME     all orders and fills, open orders, balances of an account
    GET    /admin/books/SYMBOL      the whole book, and the id of its last change

Unsigned, uncounted, past all faults, and for callers on this machine only.
"""

import ipaddress
from collections.abc import Sequence

from ..api.models import Symbol
from . import wire, wire_account
from .engine import Engine
from .events import Refusal
from .fault_runner import FaultRunner, ScriptedFault
from .replies import Reply, json_reply, text_reply
from .requests import Call
from .wire import Json, encode

_ROOT = "/admin/"
_MOST = 1_000_000_000
_LONGEST_TEXT = 2_000


class Admin:
    """Answers what comes through the back door.

    Args:
        engine: whose truth is told.
        accounts: names of the accounts that may be asked for.
        scripts: starts and stops faults.
    """

    def __init__(self, engine: Engine, accounts: Sequence[str], scripts: FaultRunner) -> None:
        self._engine = engine
        self._accounts = frozenset(accounts)
        self._scripts = scripts

    async def answer(self, call: Call) -> Reply | None:
        """The reply; ``None`` if it is no such request, or comes from elsewhere."""
        # A page in a browser on this machine can send requests here, but not without an origin.
        if not call.path.startswith(_ROOT) or not _is_local(call) or "origin" in call.headers:
            return None
        resource, _, name = call.path.removeprefix(_ROOT).partition("/")
        match call.method, resource:
            case "GET", "accounts" if name in self._accounts:
                return json_reply(account_truth(self._engine, name))
            case "GET", "books":
                return self._book(Symbol(name))
            case _, "faults":
                return await self._faults(call, name)
            case _:
                return None

    async def _faults(self, call: Call, number: str) -> Reply | None:
        scripts = self._scripts
        match call.method, number:
            case "GET", "":
                return json_reply([_show(script) for script in scripts.scripts])
            case "POST", "":
                return self._start(call.body)
            case "DELETE", "":
                await scripts.stop_all()
                return json_reply([])
            case "DELETE", _ if number.isascii() and number.isdigit():
                stopped = await scripts.stop(int(number[:9]))
                return None if stopped is None else json_reply(_show(stopped))
            case _:
                return None

    def _start(self, body: bytes) -> Reply:
        try:
            script = self._scripts.start(body[:_LONGEST_TEXT].decode().strip())
        except ValueError as e:
            return text_reply(str(e), 400)
        # It begins after this turn: in force before anybody's next request, and if it is an outage,
        # with this reply on its way.
        return Reply(201, encode(_show(script)), json_reply([]).content_type)

    def _book(self, symbol: Symbol) -> Reply | None:
        try:
            bids, asks, last_update_id = self._engine.depth(symbol, _MOST)
        except Refusal:
            return None
        return json_reply(wire.depth(bids, asks, last_update_id, 0))


def account_truth(engine: Engine, account_id: str) -> Json:
    """Everything about an account, in the words of the REST bodies; histories oldest first."""
    markets = engine.markets
    orders, _ = engine.order_history(account_id, limit=_MOST, ascending=True)
    fills, _ = engine.fills(account_id, limit=_MOST, ascending=True)
    return {
        "balances": wire_account.balances(engine.balances(account_id)),
        "fills": [wire_account.fill(fill) for fill in fills],
        "openOrders": [str(order.order_id) for order in engine.open_orders(account_id)],
        "orders": [wire_account.historic_order(o, markets[o.symbol]) for o in orders],
    }


def _show(script: ScriptedFault) -> Json:
    return {
        "fault": script.plan.text,
        "hits": script.hits,
        "inForce": script.is_in_force,
        "number": script.number,
        "strikes": script.strikes,
    }


def _is_local(call: Call) -> bool:
    try:
        return ipaddress.ip_address(call.address).is_loopback
    except ValueError:
        return False
