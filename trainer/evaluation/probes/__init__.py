"""Probes: is a reward fooled by text that is plainly worse?

Each probe makes of a good greeting something worse, or, where it only decorates, nothing better; a reward that gives as
much for it is fooled. `case`: what is compared. `catalogue`: all probes, and `make_cases`. `run`: asks rewards.

The made-up negatives that reward models are trained on (`trainer.data.negatives`) are made elsewhere, by other code
and of other words, and must stay so: a reward that passes a probe shall have learned what is wrong with such texts, not
the probe. A test keeps the two from importing each other.
"""
