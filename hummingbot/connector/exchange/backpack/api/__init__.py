"""The Backpack Exchange wire protocol as typed values.

Pure: imports nothing of Hummingbot, does no input or output, reads no clock and writes no log. It
can be lifted out of this project and used alone, with any HTTP and WebSocket client.
"""
