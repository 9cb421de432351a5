"""What the connector costs, beside Hummingbot's built-in one and the least that the work needs.

``scripts/bench`` measures three contenders in one run, each in fresh processes, in turns, against a
server on this computer that does almost nothing itself:

* ``ours``: this plugin;
* ``built-in``: the connector that Hummingbot ships, the plugin being disabled;
* ``limit``: the same work with aiohttp, msgspec and Hummingbot's `OrderBook` and nothing else.

`lines` says what is measured and what must be reached, `cases` how, `run` in which order; `server`
is the exchange, `connectors` and `bare` are the contenders.
"""
