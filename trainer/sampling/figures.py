"""A summary as words: the figures of a page, and the table of a terminal."""

from __future__ import annotations

from rich.table import Table

from trainer.sampling.summary import Summary


def figures(summary: Summary) -> dict[str, str]:
    """Names and values, in the order to be read."""
    tokens, lengths = summary.tokens, summary.lengths
    shown = {
        "complete": "yes" if summary.complete else f"no: {summary.ending.value}",
        "prompts": f"{summary.prompts:,}",
        "pairs": f"{len(summary.pairs):,}",
        "without a pair": f"{summary.without_pair:,}",
        **{f"  {reason}": f"{count:,}" for reason, count in summary.no_pair.items()},
        "failed": f"{len(summary.failed):,}",
        **{f"  {code}": f"{count:,}" for code, count in summary.failures.items()},
    }
    if summary.open:
        shown["not asked yet"] = f"{summary.open:,}"
    if summary.skipped:
        shown["rows left out"] = f"{len(summary.skipped):,}"
    if summary.repeated:
        shown["rows that repeat a prompt"] = f"{len(summary.repeated):,}"
    shown["tokens paid"] = f"{tokens.total:,} ({tokens.prompt:,} + {tokens.completion:,})"
    if tokens.ceiling is not None:
        shown["ceiling on tokens"] = f"{tokens.ceiling:,}"
    if tokens.unpriced:
        shown["answers without a price"] = f"{tokens.unpriced:,}"
    if lengths is not None:
        gap = lengths.difference
        shown |= {
            "characters, chosen": f"{lengths.chosen:.1f}",
            "characters, rejected": f"{lengths.rejected:.1f}",
            "chosen minus rejected": f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]",
            "chosen is longer": f"{lengths.chosen_longer_share:.1%}",
            "length-matched": f"{lengths.length_matched_share:.1%}",
        }
    shown["seconds"] = f"{summary.seconds:,.1f}"
    if summary.prompts_per_minute is not None:
        shown["prompts a minute"] = f"{summary.prompts_per_minute:,.1f}"
    shown |= {f"by {version}": f"{count:,}" for version, count in summary.versions.items()}
    return shown


def table(summary: Summary) -> Table:
    """For a terminal."""
    made = Table("sampling", "")
    for name, value in figures(summary).items():
        made.add_row(name, value)
    return made
