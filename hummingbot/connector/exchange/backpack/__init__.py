"""Backpack Exchange for Hummingbot.

Spot connector, typed wire layer (`api`) and local exchange (`simulator`).
"""
