"""Backpack Exchange for Hummingbot: spot connector, typed wire layer (`api`) and local exchange (`simulator`)."""
