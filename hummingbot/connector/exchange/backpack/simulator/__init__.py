"""A local exchange that speaks Backpack's protocol: real matching, signatures and sockets.

Imports the wire layer (`api`) and never the connector.
"""
