"""Preference pairs in bulk: thousands of prompts through the multi-agent service, by queue or by HTTP.

- `prompts`: what is asked; a faulty row is counted and named, it ends nothing
- `request`: what of a sample can be chosen
- `outcome`: how one prompt ends, as the service tells it
- `journal`: what has been done, so that a run that is killed goes on where it was
- `budget`: the ceiling on tokens
- `sampler`: asking for all, a bounded number at once
- `results`, `summary`, `page`: the files at the end
- `command`: ``zhufu sample``
"""
