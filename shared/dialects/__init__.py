"""How other trainers ask for rewards: one module for each, all of them routes of every service beside ``/v1/score``.

What each trainer sends, and what it does with an answer and with an error, stands on docs/trainers.md. A dialect only
reads and writes: rollouts go through the same limits, batcher and metrics as everybody's. A rollout without a reward
is an error of the whole request here, never a number, for these trainers have no other way to be told.

``verl_reward`` is no route but a file for verl's environment; it imports nothing of this project.
"""
