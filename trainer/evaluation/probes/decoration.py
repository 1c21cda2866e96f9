"""Emoji and ornament: they make no greeting better."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.probe import Materials
from trainer.evaluation.probes.sentences import ended, sentences_of

EMOJI: Final = ("🎉", "🎊", "✨", "💖", "🌹", "🎁", "🌟", "😊", "🥳", "🍀", "💐", "🎈", "❤️", "👏", "🌈", "😘")
ORNAMENTS: Final = ("★", "☆", "✿", "❀", "♪", "♡", "～", "◆", "※", "❤")
CLOSING = 3
"""Emoji at the end, besides one behind each sentence; signs of each border."""


def decorated(materials: Materials) -> list[ProbeCase]:
    """Greetings with emoji, and greetings in ornamental borders, in turns; no word is changed."""
    cases: list[ProbeCase] = []
    for place, row in enumerate(materials.honest[: materials.limit]):
        source = materials.random_of(row)
        if place % 2 == 0:
            kind, tampered = (
                "emoji",
                "".join(sentence + source.choice(EMOJI) for sentence in sentences_of(row.completion))
                + "".join(source.choices(EMOJI, k=CLOSING)),
            )
        else:
            sign = source.choice(ORNAMENTS) * CLOSING
            kind, tampered = "ornament", f"{sign}{ended(row.completion).rstrip('。')}！！{sign}"
        cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=tampered, kind=kind))
    return cases
