"""An audit as JSON, for programs: figures and rows, and no text of the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from trainer.data.audit.job import Audit
from trainer.data.audit.labels import Contradiction, Labels
from trainer.data.audit.leaks import Leaks
from trainer.data.audit.length_shortcut import LengthShortcut
from trainer.data.audit.repeats import NearExample, Repeats
from trainer.data.audit.source_audit import SourceAudit

COMMAND = "data audit"


def record_of_audit(audit: Audit) -> dict[str, Any]:
    """Everything but the texts."""
    return {
        "command": COMMAND,
        "passes": audit.passes,
        "settings": settings_of(audit),
        "findings": [dataclasses.asdict(finding) for finding in audit.findings],
        "sources": [_source(each) for each in audit.sources],
        "together": [_leaks(each) for each in audit.together],
    }


def settings_of(audit: Audit) -> dict[str, Any]:
    """What was asked for, bounds and all."""
    job = audit.job
    return {
        "sources": list(job.sources),
        "evaluation": list(job.evaluation),
        "near": job.near,
        "seed": job.seed,
        "bounds": dataclasses.asdict(job.bounds),
    }


def _source(audit: SourceAudit) -> dict[str, Any]:
    source = audit.source
    return {
        "name": source.name,
        "kind": source.kind,
        "sha256": source.sha256,
        "rows": len(source.entries),
        "refused": [dataclasses.asdict(each) for each in source.refused],
        "repeats": {each.what: _repeats(each) for each in audit.repeats},
        "labels": audit.labels and _labels(audit.labels),
        "leaks": [_leaks(each) for each in audit.leaks],
        "length": audit.length and _length(audit.length),
        "length_on": dict(audit.length_on),
        "style": audit.style and dataclasses.asdict(audit.style),
        "style_on": {name: dataclasses.asdict(style) for name, style in audit.style_on.items()},
        "odd": {oddity.value: list(rows) for oddity, rows in audit.odd.rows.items()},
    }


def _repeats(repeats: Repeats) -> dict[str, Any]:
    return dataclasses.asdict(repeats) | {"repeated": repeats.repeated, "examples": _examples(repeats.examples)}


def _labels(labels: Labels) -> dict[str, Any]:
    return dataclasses.asdict(labels) | {
        "one_prompt": _contradictions(labels.one_prompt),
        "across_prompts": _contradictions(labels.across_prompts),
    }


def _leaks(leaks: Leaks) -> dict[str, Any]:
    return dataclasses.asdict(leaks) | {
        "texts_exact": leaks.texts_exact,
        "texts_near": leaks.texts_near,
        "texts": dict(leaks.texts),
        "examples": _examples(leaks.examples),
    }


def _length(length: LengthShortcut) -> dict[str, Any]:
    made = dataclasses.asdict(length)
    del made["lengths"]
    return made


def _contradictions(found: Sequence[Contradiction]) -> list[dict[str, Any]]:
    return [{"good_rows": list(each.good_rows), "bad_rows": list(each.bad_rows)} for each in found]


def _examples(examples: Sequence[NearExample]) -> list[dict[str, Any]]:
    return [
        {"first_row": each.first_row, "second_row": each.second_row, "similarity": each.similarity} for each in examples
    ]
