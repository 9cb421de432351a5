"""Which faults strike in a soak run: drawn by a dice from all that the exchange knows."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

_PLACE = "POST /api/v1/order"
_PLACE_BATCH = "POST /api/v1/orders"
_CANCEL = "DELETE /api/v1/order"
_WRITES = (_PLACE, _PLACE, _PLACE_BATCH, _CANCEL)
_READS = (
    "GET /api/v1/orders",
    "GET /api/v1/order",
    "GET /api/v1/capital",
    "GET /api/v1/depth",
    "GET /api/v1/time",
    "GET /wapi/v1/history/orders",
    "GET /wapi/v1/history/fills",
)
_STATES = ("Closed", "CancelOnly", "LimitOnly", "PostOnly")
_REASONS = ("invalid-signature", "parse-error", "invalid-stream")
_PRIVATE = ("account.orderUpdate", "account.orderUpdate", "account.balanceUpdate")


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens at one time.

    Attributes:
        name: of the fault that it is about.
        texts: of all faults; those after the first make it show.
        length_s: how long it lasts.
        is_cut: connections are lost and come back.
        hides: nobody can know what happens while it lasts.
    """

    name: str
    texts: tuple[str, ...]
    length_s: float
    is_cut: bool
    hides: bool


class FaultDice:
    """Draws faults; the same seed draws the same ones.

    Args:
        random: decides.
        symbols: markets that faults may be about.
        names: of the faults to draw from; all if empty.
    """

    def __init__(
        self, random: Random, symbols: tuple[str, ...], names: tuple[str, ...] = ()
    ) -> None:
        self._random = random
        self._symbols = symbols
        self._names = names or tuple(RECIPES)
        self._bag: list[str] = []

    def draw(self) -> Strike:
        """The next fault, each kind once before any comes again."""
        if not self._bag:
            self._bag = list(self._names)
            self._random.shuffle(self._bag)
        return self.make(self._bag.pop())

    def make(self, name: str) -> Strike:
        """A fault of a kind, with random parameters and length."""
        recipe = RECIPES[name]
        length_s = (
            0.0 if recipe.longest_s == 0 else self._between(recipe.shortest_s, recipe.longest_s)
        )
        parameters = recipe.parameters(self)
        if length_s:
            parameters.append(f"for={length_s:.1f}s")
        text = f"{name}:{','.join(parameters)}" if parameters else name
        return Strike(name, (text, *recipe.then), length_s, recipe.is_cut, recipe.hides)

    # --- what recipes draw from ---

    def _between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def choice(self, options: tuple[str, ...]) -> str:
        """One of some words."""
        return self._random.choice(options)

    def times(self, most: int) -> str:
        """How many requests or frames are hit."""
        return f"times={self._random.randint(1, most)}"

    def duration(self, name: str, low_s: float, high_s: float) -> str:
        """A time between two bounds."""
        return f"{name}={self._between(low_s, high_s):.2f}s"

    def write(self) -> str:
        """An operation that changes something."""
        return f"operation={self.choice(_WRITES)}"

    def any_operation(self) -> str:
        """An operation that a bot uses."""
        return f"operation={self.choice(_WRITES + _READS)}"

    def topic(self) -> str:
        """A stream that a bot reads."""
        public = tuple(f"{kind}.{self.choice(self._symbols)}" for kind in ("depth", "bookTicker"))
        return f"topic={self.choice(_PRIVATE + public)}"

    def order_topic(self) -> str:
        """A stream of the account, or a depth stream."""
        depth = f"depth.{self.choice(self._symbols)}"
        return f"topic={self.choice((_PRIVATE[0], depth))}"

    def symbol(self) -> str:
        """A market."""
        return f"symbol={self.choice(self._symbols)}"

    def yes_no(self, name: str) -> str:
        """A question answered."""
        return f"{name}={self.choice(('yes', 'no'))}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a fault of a kind is made.

    Attributes:
        parameters: drawn for each.
        shortest_s: it lasts at least so long.
        longest_s: and at most so long; 0 for what has no length.
        then: texts of faults that make it show.
        is_cut: connections are lost and come back.
        hides: nobody can know what happens while it lasts.
    """

    parameters: Callable[[FaultDice], list[str]]
    shortest_s: float = 1.0
    longest_s: float = 5.0
    then: tuple[str, ...] = ()
    is_cut: bool = False
    hides: bool = False


def _nothing(_: FaultDice) -> list[str]:
    return []


def _answer(dice: FaultDice) -> list[str]:
    status, body, kind = dice.choice(
        ("502|<html>Bad gateway</html>|text/html", "200|{|application/json", "504||text/plain")
    ).split("|")
    parts = [f"status={status}", f"body={body}", f"content-type={kind}"]
    return [*parts, dice.any_operation(), dice.times(3), dice.yes_no("executed")]


def _refuse(dice: FaultDice) -> list[str]:
    if dice.choice(("definite", "unknown")) == "definite":
        # A refusal that is none would be a lie that no client can see through.
        parts = ["status=400", "code=INSUFFICIENT_FUNDS", "message=Insufficient funds"]
        return [*parts, f"operation={_PLACE}", dice.times(2), "executed=no"]
    parts = ["status=503", "code=SERVICE_UNAVAILABLE", "message=Try later"]
    return [*parts, dice.any_operation(), dice.times(3), dice.yes_no("executed")]


def _drift(dice: FaultDice) -> list[str]:
    return [f"rate={dice.choice(('0.7', '0.9', '1.1', '1.5', '3'))}"]


def _skew(dice: FaultDice) -> list[str]:
    return [f"offset={dice.choice(('-45s', '-8s', '-2s', '3s', '12s', '30s', '90s'))}"]


RECIPES: dict[str, Recipe] = {
    # REST
    "delay-replies": Recipe(lambda d: [d.duration("delay", 0.2, 3), d.any_operation(), d.times(5)]),
    "delay-requests": Recipe(
        lambda d: [d.duration("delay", 0.2, 4), d.any_operation(), d.times(5)]
    ),
    "accept-then-hang": Recipe(lambda d: [d.any_operation(), d.times(2)], 2, 12),
    "lose-requests": Recipe(lambda d: [d.any_operation(), d.times(2)], 2, 12),
    "cut-before-arrival": Recipe(lambda d: [d.any_operation(), d.times(4)]),
    "cut-after-execution": Recipe(lambda d: [d.any_operation(), d.times(4)]),
    "answer": Recipe(_answer),
    "refuse": Recipe(_refuse),
    "rate-limited": Recipe(lambda d: [d.any_operation(), d.times(5)]),
    "server-error": Recipe(lambda d: [d.any_operation(), d.times(4), d.yes_no("executed")]),
    "late-cancels": Recipe(lambda d: [d.duration("delay", 0.2, 4), d.times(4)]),
    # streams
    "drop-ws": Recipe(_nothing, longest_s=0, is_cut=True),
    "refuse-ws": Recipe(_nothing, 1, 4, ("drop-ws",), is_cut=True),
    "half-open": Recipe(_nothing, 2, 55, is_cut=True, hides=True),
    "refuse-subscriptions": Recipe(
        lambda d: [f"reason={d.choice(_REASONS)}", d.times(2)], 4, 6, ("drop-ws",)
    ),
    "skip-frames": Recipe(lambda d: [d.topic(), d.times(4)]),
    "silence": Recipe(_nothing, 1, 45, hides=True),
    "duplicate-frames": Recipe(lambda d: [d.order_topic(), d.times(10)]),
    "swap-frames": Recipe(lambda d: [d.order_topic(), d.times(3)]),
    "delay-frames": Recipe(lambda d: [d.duration("delay", 0.1, 2), d.topic()]),
    "garble-frames": Recipe(lambda d: [d.topic(), d.times(2)]),
    "cross-books": Recipe(lambda d: [d.symbol(), d.times(2)]),
    "unknown-order-state": Recipe(lambda d: [d.times(2)]),
    # the exchange as a whole
    "maintenance": Recipe(_nothing, 2, 8),
    "outage": Recipe(lambda d: [d.yes_no("announced")], 1, 15, is_cut=True),
    "halt-market": Recipe(lambda d: [d.symbol(), f"state={d.choice(_STATES)}"], 2, 8),
    "clock-skew": Recipe(_skew, 3, 10),
    "clock-drift": Recipe(_drift, 3, 10),
}
"""Each fault that there is, by its name in scripts."""
