"""Where other people's orders come from.

Two sources of one shape: `SyntheticLiquidity`, a seeded market that is alive, and
`ReplayLiquidity`, a recorded stream. (The third, a live market, moves by itself: see
`mirror_source`.) They are synchronous and know no clock: whoever runs them
calls `start` once, then `step` after every `next_delay_s`.
"""

from typing import Protocol

from .replay import ReplayLiquidity
from .synthetic import SyntheticLiquidity

__all__ = ["Liquidity", "ReplayLiquidity", "SyntheticLiquidity"]


class Liquidity(Protocol):
    """A source of other people's orders."""

    def start(self) -> None:
        """Fill the books."""

    def next_delay_s(self) -> float:
        """Seconds to wait before the next `step`; the same until that is called."""

    def step(self) -> None:
        """Let something happen."""
