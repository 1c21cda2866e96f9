"""Long work as steps: each a command of ours in a process of its own, done once, gone on with after any end.

- `step`: what one step is, as data
- `serving`: what has to run beside it, started when a step needs it and kept for the next one that does
- `plan`: are all inputs there or made before? `parsing`: does the real command line take every step?
- `records`, `lock`: what is done, and that one process at a time does it
- `runner`: runs what is not done; `progress`: time used and left
- `errors`: what can go wrong
"""
