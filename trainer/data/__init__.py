"""Preference pairs, examples and prompts: the starter set of our own, files in the common formats, the paper's release.

What to import stands in the modules: `records` (what the rows are), `formats` (loading), `starter`, `fetch`.
"""
