"""Where the exchange listens, and how it stops for a while without losing its address."""

import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# Requests under way get this long when the doors close.
_PATIENCE_S = 1.0


class Doors:
    """The listening sockets of one server.

    Args:
        handle: answers requests.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._runner: web.ServerRunner | None = None
        self._kept: list[socket.socket] = []
        self.authority = ""

    async def open(self, host: str, port: int) -> None:
        """Listen at an address; port 0 takes any free one.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._runner = await self._make_runner()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        _, bound_port = self._runner.addresses[0][:2]
        self.authority = f"[{host}]:{bound_port}" if ":" in host else f"{host}:{bound_port}"

    async def listen_no_more(self) -> None:
        """Take no new connection but keep the address; those that are open stay."""
        if self._runner is None:
            return
        addresses = self._runner.addresses
        for site in list(self._runner.sites):
            await site.stop()
        # Bound and not listening: connecting is refused, and the port cannot go to anybody else.
        self._kept = [_bound(address) for address in addresses]

    async def close(self, *, is_cut: bool = False) -> None:
        """End the connections that are open; with `is_cut` without waiting for any reply."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if is_cut and runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()

    async def listen_again(self) -> None:
        """Take connections where `listen_no_more` ended that."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        self._runner = await self._make_runner()
        for bound in kept:
            await web.SockSite(self._runner, bound).start()

    def forget(self) -> None:
        """Give the address up."""
        kept, self._kept = self._kept, []
        for bound in kept:
            bound.close()

    async def _make_runner(self) -> web.ServerRunner:
        runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=_PATIENCE_S
        )
        await runner.setup()
        return runner


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    # Connections that have just ended would keep the port for a minute.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family is socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.settimeout(0)
    bound.bind(address)
    return bound
