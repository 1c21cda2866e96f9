"""Asking a large language model, any behind an OpenAI-compatible URL: the client, the fleet's limits, the cache.

Nothing is imported here: what only matches errors should not load the ``openai`` package.
"""
