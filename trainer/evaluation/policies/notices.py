"""What a reader of an evaluation of policies must not overlook."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.comparison import Comparison
from trainer.evaluation.policies.result import FAILED_NOTICE, PolicyResult
from trainer.evaluation.policies.text_figures import TextFigures
from trainer.report.document import Notice

MANY = 0.1
"""Where more of a policy's texts than this ran into the limit, repeat each other or are copied, it is said."""


def notices(result: PolicyResult) -> Iterator[Notice]:
    """Rewards that failed often, rises that are of length, texts that are cut off, repeated or copied."""
    for reward, by_model in result.rewards.items():
        for model, figures in by_model.items():
            if figures.failed_share > FAILED_NOTICE:
                codes = ", ".join(f"{code} {count:,}" for code, count in figures.failures.items())
                yield Notice(
                    text=f"{reward} gave no reward for {figures.samples - figures.scored:,} of {figures.samples:,} "
                    f"samples of {model} ({codes}): its figures are of the others and may mislead.",
                    tone="bad",
                )
    for each in result.comparisons:
        if each.rises_mostly_by_length:
            yield Notice(text=_mostly_length(each), tone="warn")
        elif each.hidden_by_length:
            yield Notice(text=_hidden(each), tone="warn")
    for model, texts in result.texts.items():
        for share, what in _shares(texts):
            if share is not None and share.mean > MANY:
                yield Notice(text=f"{model}: {share.mean:.0%} of the texts {what}.", tone="warn")
    silent = [each.reward for each in result.judged if each.excellence is None]
    if silent:
        yield Notice(
            text=f"{', '.join(silent)}: neither verdict nor calibrated probability, and no --threshold, so there is no "
            "rate of excellent texts."
        )


def _mostly_length(comparison: Comparison) -> str:
    assert comparison.mean is not None
    assert comparison.at_equal_length is not None
    longer = comparison.characters.mean
    return (
        f"{comparison.reward} rewards {comparison.other} more than {comparison.one} by "
        f"{comparison.mean.interval.mean:.3f}, mostly by length: its texts are {abs(longer):.1f} characters "
        f"{'longer' if longer > 0 else 'shorter'}, and at equal length {comparison.at_equal_length.mean:+.3f} is left."
    )


def _hidden(comparison: Comparison) -> str:
    assert comparison.mean is not None
    assert comparison.at_equal_length is not None
    left = comparison.at_equal_length.mean
    better, worse = comparison.other, comparison.one
    if left < 0:
        better, worse = worse, better
    return (
        f"At equal length {comparison.reward} rewards {better} more than {worse} by {abs(left):.3f}; the plain means "
        f"do not show it ({comparison.other} − {comparison.one}: {comparison.mean.interval.mean:+.3f}), since "
        f"{comparison.other} writes {comparison.characters.mean:+.1f} characters."
    )


def _shares(texts: TextFigures) -> Iterator[tuple[Interval | None, str]]:
    yield texts.truncated, "ran into the token limit"
    yield texts.repeated_for_a_prompt, "repeat an earlier one for the same prompt"
    yield texts.repeated_across_prompts, "say what one for another prompt says"
    if texts.copying is not None:
        yield texts.copying.any, "are copied from the training texts"
