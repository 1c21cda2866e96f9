"""The warm-up's examples: whose greeting stands under whose prompt."""

from __future__ import annotations

import collections

from trainer.data.formats import WARM_UP, load_examples
from trainer.data.starter import load_starter
from trainer.data.warm_up import COPIES, NO_PROMPT, OWN_PROMPT, warm_up_examples

PAIRS = load_starter("train")


def test_every_good_greeting_is_there_equally_often_and_no_flawed_one() -> None:
    counts = collections.Counter(example.completion for example in warm_up_examples(PAIRS, seed=0))
    assert counts == dict.fromkeys((pair.chosen for pair in PAIRS), COPIES)


def test_a_greeting_stands_mostly_under_its_own_prompt_its_occasion_or_none() -> None:
    occasion_of = {pair.prompt: pair.occasion for pair in PAIRS}
    pair_of = {pair.chosen: pair for pair in PAIRS}
    own = none = elsewhere = 0
    for example in warm_up_examples(PAIRS, seed=0):
        pair = pair_of[example.completion]
        own += example.prompt == pair.prompt
        none += example.prompt == ""
        elsewhere += bool(example.prompt) and occasion_of[example.prompt] != pair.occasion
    assert own >= OWN_PROMPT * len(PAIRS)
    assert none == NO_PROMPT * len(PAIRS)
    assert 0 < elsewhere <= len(PAIRS)


def test_the_seed_decides_everything() -> None:
    assert warm_up_examples(PAIRS, seed=1) == warm_up_examples(PAIRS, seed=1)
    assert warm_up_examples(PAIRS, seed=1) != warm_up_examples(PAIRS, seed=2)


def test_it_is_a_source_of_examples_made_of_the_train_split_alone() -> None:
    examples = load_examples(WARM_UP).records
    assert len(examples) == COPIES * len(PAIRS)
    held_out = {row.prompt for split in ("validation", "test") for row in load_starter(split)}
    assert not held_out & {example.prompt for example in examples}
