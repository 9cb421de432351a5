"""A local exchange that speaks Backpack's wire protocol: real matching, real signatures, real sockets.

Imports the wire layer (`api`) and never the connector.
"""
