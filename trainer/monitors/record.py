"""``monitors.json`` in the folder of a run: with which bounds it was watched, from which step on.

Bounds may be changed where a run is resumed. What they said of each step follows from this and ``history.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shared.errors import InvalidData
from trainer.monitors.threshold import Threshold
from trainer.run_folder import write_json

MONITORS_FILE: Final = "monitors.json"


class Segment(BaseModel):
    """The steps after ``after_step`` were watched like this, up to the next segment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_step: int
    thresholds: Mapping[str, Threshold]
    shadows: Sequence[str]
    shadow_every: int


_SEGMENTS: Final = TypeAdapter(list[Segment])


def read_segments(path: Path) -> list[Segment]:
    """All segments of a run, in order; none where it was not watched.

    Raises:
        InvalidData: The file is not one that `write_segment` made.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise InvalidData(path, "cannot be read") from None
    try:
        return _SEGMENTS.validate_python(json.loads(text))
    except (ValueError, ValidationError):
        raise InvalidData(path, "does not say how a run was watched") from None


def write_segment(path: Path, segment: Segment) -> None:
    """Add one; those of steps that a resumed run has not done yet are of a life that is over."""
    kept = [each for each in read_segments(path) if each.after_step < segment.after_step]
    write_json(path, [each.model_dump(mode="json") for each in (*kept, segment)])
