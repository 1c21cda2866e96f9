"""``zhufu reproduce``: the paper's comparison as one command that can be killed at any place and gone on with.

- `paper_files`: the published files, wherever they were put
- `published`: the figures of the paper; `rows`: the rows of its matrix
- `recipe`: the steps, as data (`trainer.steps`); `presets`: their sizes, ``laptop`` and ``paper``
- `results`: what the steps measured; `verdicts`: which rows learned, and what length did
- `tables`, `document`: measured beside published
- `plan_table`: a dry run; `needs`: what a machine lacks
- `job`, `command`: ``zhufu reproduce``
"""
