"""What is measured: the same work, done by one of three."""

from typing import Protocol

from hummingbot.core.data_type.order_book import OrderBook

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"
PRICE, AMOUNT = "90.5", "0.5"


class Contender(Protocol):
    """One connector, or the bare work.

    An order is a limit order to buy that does not meet any other.
    """

    books: dict[str, OrderBook]
    """Order books by symbol, once started."""

    book_type: type[OrderBook]
    """What books are made of; set before the start."""

    skips_pauses: bool
    """Whether pauses of a start-up that is not measured are left out; set before the start."""

    async def start(self) -> None:
        """Connect, and return when ready to trade."""

    async def place(self) -> float:
        """Place one order and wait until it is accepted; when it was asked for, `perf_counter`."""

    async def place_at_once(self, count: int) -> float:
        """Place several orders together and wait for all; when they were asked for."""

    async def make_requests(self, count: int) -> None:
        """Make other requests, one after another."""

    async def sign(self, count: int) -> None:
        """Sign orders by the hook that Hummingbot offers, without sending them."""

    async def sign_as_sent(self, count: int) -> None:
        """Sign orders as it is done when one is placed."""

    async def reconcile(self) -> None:
        """Ask for the state of all open orders once."""
