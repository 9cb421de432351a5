"""What is measured, with what settings, and by whom. Imports no Hummingbot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Name(StrEnum):
    """Those that are measured."""

    BUILT_IN = "built-in"
    OURS = "ours"
    FRAMEWORK = "framework"
    LIMIT = "limit"


ALL = (Name.OURS, Name.LIMIT, Name.BUILT_IN)
# Of an order Hummingbot itself does more than of anything else.
WITH_FRAMEWORK = (Name.OURS, Name.FRAMEWORK, Name.LIMIT, Name.BUILT_IN)
CONNECTORS = (Name.OURS, Name.BUILT_IN)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of a function of `cases`.

    Attributes:
        name: for ``--only`` and the report.
        function: of `cases`.
        markets: of the server, all of them followed.
        arguments: of the function.
        quick: arguments that differ in a quick run.
        contenders: who takes part.
        quick_contenders: who does in a quick run.
        rounds: how often each is measured, in turns.
        built_in_rounds: how often the built-in connector is, if it takes long.
        round_trip_ms: what the server imitates.
        is_idle: mostly waiting, so that all contenders may run at the same time.
    """

    name: str
    function: str
    markets: int = 1
    arguments: Mapping[str, Any] = _NOTHING
    quick: Mapping[str, Any] = _NOTHING
    contenders: tuple[Name, ...] = ALL
    quick_contenders: tuple[Name, ...] | None = None
    rounds: int = 3
    built_in_rounds: int | None = None
    round_trip_ms: float = 0.0
    is_idle: bool = False

    def shortened(self) -> "Case":
        """The same for a quick run: less of everything, once."""
        return replace(
            self,
            arguments={**self.arguments, **self.quick},
            contenders=self.quick_contenders or self.contenders,
            rounds=1,
            built_in_rounds=None,
        )


_BURST = {"messages": 20_000, "bursts": 9}
_QUICK_BURST = {"messages": 10_000, "bursts": 3}

CASES = (
    *(
        Case(name=f"frames_{n}", function="frames", markets=n, arguments=_BURST, quick=_QUICK_BURST)
        for n in (1, 10, 50)
    ),
    Case(
        name="latency",
        function="latency",
        markets=10,
        arguments={"rate_hz": 2000, "seconds": 5.0},
        quick={"seconds": 1.0},
    ),
    Case(
        name="sign",
        function="sign",
        arguments={"count": 200, "batches": 15},
        quick={"batches": 5},
    ),
    Case(
        name="orders",
        function="orders",
        contenders=WITH_FRAMEWORK,
        arguments={"count": 100},
        rounds=5,
    ),
    Case(
        name="orders_at_once",
        function="orders_at_once",
        contenders=WITH_FRAMEWORK,
        arguments={"count": 100, "rounds": 7},
        quick={"rounds": 4},
    ),
    Case(
        name="orders_after_600",
        function="orders",
        contenders=WITH_FRAMEWORK,
        arguments={"count": 100, "requests_before": 600},
        quick={"count": 40},
    ),
    Case(
        name="orders_with_200_open",
        function="orders",
        contenders=WITH_FRAMEWORK,
        arguments={"count": 150, "open_before": 200},
        quick={"count": 60},
    ),
    Case(name="quiet", function="quiet", arguments={"seconds": 16.0}, rounds=1, is_idle=True),
    Case(name="start_1", function="start_up", rounds=5),
    Case(
        name="start_10",
        function="start_up",
        markets=10,
        built_in_rounds=1,
        quick_contenders=(Name.OURS, Name.LIMIT),
    ),
    Case(
        name="start_10_far",
        function="start_up",
        markets=10,
        round_trip_ms=50.0,
        built_in_rounds=1,
        quick_contenders=(Name.OURS, Name.LIMIT),
    ),
    Case(
        name="start_50",
        function="start_up",
        markets=50,
        built_in_rounds=1,
        quick_contenders=(Name.OURS, Name.LIMIT),
    ),
    Case(
        name="cut",
        function="cut",
        markets=10,
        arguments={"missed": 20, "patience_s": 10.0},
        quick={"patience_s": 5.0},
        contenders=CONNECTORS,
        is_idle=True,
    ),
    Case(
        name="gaps",
        function="gaps",
        markets=10,
        # Not 1,000: with ten markets in turn that would always be the same one's message.
        arguments={"rate_hz": 2000, "seconds": 5.5, "drop_every": 999},
        quick={"seconds": 2.0},
        contenders=CONNECTORS,
    ),
    Case(
        name="memory",
        function="memory",
        markets=50,
        rounds=1,
    ),
    Case(
        name="idle",
        function="idle",
        markets=10,
        arguments={"rate_hz": 500, "seconds": 5.0},
        quick={"seconds": 2.0},
    ),
    Case(
        name="reconcile_10",
        function="reconcile",
        arguments={"open_orders": 10, "polls": 5},
        quick={"polls": 3},
    ),
    Case(
        name="reconcile_100",
        function="reconcile",
        arguments={"open_orders": 100, "polls": 5},
        quick={"polls": 2},
    ),
)
