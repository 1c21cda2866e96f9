"""Learning the judge's principles adversarially: four roles of one language model, and a gate that labels keep.

- `strategy`: rules of at most ten lines, and the check of what is proposed
- `roles`, `questions`: who is asked what; the prompts are in ``prompts/``
- `adversarial`, `reflection`, `judging`, `update`: the two phases of a round, and what becomes of their feedback
- `labelled`, `matching`, `gate`: data with labels, matched in length, and what they decide
- `answers`, `budget`, `asker`: every answer is kept, every call is within the ceilings
- `rounds`, `log`, `optimize`: a round, its line in the log, and the whole run
- `result`, `report`, `publish`: what comes out of it
- `settings`, `command`: ``zhufu optimize-judge``

Nothing is trained: what is learned is text (Wei et al., EMNLP 2025). A run is a function of its settings and of the
answers that it got: whoever has these replays it without asking anybody.
"""
