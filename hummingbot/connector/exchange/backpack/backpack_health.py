"""How well a connector is connected, in numbers and in one line for a trader."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of a connection.

    Attributes:
        market_age_s: since the last message of the public stream, ``None`` while it is down.
        account_age_s: the same of the account's stream.
        reconnects: how often a stream had to be connected again.
        gaps: order book messages that were found missing.
        silences: how often the topic of a moving market fell silent.
        halted: pairs whose market is closed at the moment.
        resyncs: how often an order book was loaded.
        unknown_orders: orders of which it is not known whether the exchange accepted them.
        refusals: how often the exchange answered 429.
        clock_offset_ms: how far this computer's clock is behind the exchange's.
        latency_ms: median of the last requests, from sending to reply; ``None`` before the first.
    """

    market_age_s: float | None
    account_age_s: float | None
    reconnects: int
    gaps: int
    silences: int
    halted: tuple[str, ...]
    resyncs: int
    unknown_orders: int
    refusals: int
    clock_offset_ms: float
    latency_ms: float | None

    def __str__(self) -> str:
        """One line."""
        latency = "-" if self.latency_ms is None else f"{self.latency_ms:.0f} ms"
        halted = f", halted {' '.join(self.halted)}" if self.halted else ""
        return (
            f"market data {_age(self.market_age_s)}, account {_age(self.account_age_s)}, "
            f"reconnects {self.reconnects}, gaps {self.gaps}, silences {self.silences}, "
            f"book loads {self.resyncs}, unknown orders {self.unknown_orders}, "
            f"429s {self.refusals}, clock {self.clock_offset_ms:+.0f} ms, latency {latency}{halted}"
        )


def _age(seconds: float | None) -> str:
    return "DOWN" if seconds is None else f"{seconds:.1f} s ago"
