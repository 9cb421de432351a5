"""The Backpack Exchange plugin for Hummingbot: what is needed around the connector itself.

Nothing is imported here: every process that imports Hummingbot passes through this package (see
``overlay``) before it gets there.
"""
