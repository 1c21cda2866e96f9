"""Splitting sources: what was asked for, and what came of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from shared.errors import InvalidData, InvalidRequest
from trainer.data.clusters import PROMPT_RULES, Clusters, PromptRule, clustered
from trainer.data.entries import Entry, Kind, Source, read_source
from trainer.data.lengths import close_in_length, length_auc
from trainer.data.similarity import Ticks
from trainer.data.split.drawing import (
    BESIDE,
    TRAIN,
    draw_clusters,
    draw_matched,
    unit_of_pair,
    units_of_labelled,
)
from trainer.data.split.exclusion import LeftOut, Reason, sound_entries, without

HELD_OUT = ("validation", "test")
SPLIT_NAMES = (TRAIN, *HELD_OUT)
LABELLED_KINDS: tuple[Kind, ...] = ("pairs", "labelled")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SplitJob:
    """What to split, and how.

    Attributes:
        data: Sources of one kind, taken together.
        exclude: Sources that no split may share anything with.
        validation: Share of the rows that are not left out.
        test: Likewise; 0 makes no such split.
        seed: Same seed, same splits, in whatever order the rows stand.
        near: Least similarity of texts that count as shared; None takes equal ones only.
        prompts: Which prompts count as shared, with excluded rows and among each other.
        length_matched: Hold out length-matched rows only; None where the rows have labels.
    """

    data: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    near: float | None = 0.7
    prompts: PromptRule = "exact"
    length_matched: bool | None = None

    def __post_init__(self) -> None:
        if not self.data:
            raise InvalidRequest("there is no source to split")
        if len(set(self.data)) < len(self.data):
            raise InvalidRequest("a source is named twice")
        if both := sorted(set(self.data) & set(self.exclude)):
            raise InvalidRequest(f"{both[0]} is both to be split and to be kept out")
        for name, share in (("validation", self.validation), ("test", self.test)):
            if not 0 <= share < 1:
                raise InvalidRequest(f"the share of {name} is at least 0 and below 1, not {share:g}")
        if self.validation + self.test >= 1:
            raise InvalidRequest("validation and test take everything: nothing is left to train on")
        if self.near is not None and not 0 < self.near <= 1:
            raise InvalidRequest(f"the similarity of near texts is above 0 and at most 1, not {self.near:g}")
        if self.prompts not in PROMPT_RULES:
            raise InvalidRequest(f"prompts: {', '.join(PROMPT_RULES)}, not {self.prompts}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The parts, and what is in none of them.

    Attributes:
        job: What was asked for.
        kind: Of the rows.
        sources: That were split.
        excluded: That were kept out.
        length_matched: Whether held-out rows are.
        parts: Rows of each split, in the order of the sources.
        wanted: Rows asked for of each held-out split.
        groups: Rows of each group that is not divided, the largest first.
        left_out: All other rows, each with its reason.
    """

    job: SplitJob
    kind: Kind
    sources: Sequence[Source]
    excluded: Sequence[Source]
    length_matched: bool
    parts: Mapping[str, Sequence[Entry]]
    wanted: Mapping[str, int]
    groups: Sequence[int]
    left_out: Sequence[LeftOut]

    @property
    def reasons(self) -> dict[Reason, int]:
        """How many rows are left out for what."""
        counts = Counter(each.reason for each in self.left_out)
        return {reason: counts[reason] for reason in Reason if counts[reason]}


def make_split(job: SplitJob, ticks: Ticks = lambda _step: None) -> Split:
    """Read the sources and divide their rows; nothing is written.

    Args:
        job: What to do.
        ticks: Of the progress.

    Raises:
        InvalidData: A source cannot be read, sources are of several kinds, length-matching is asked for where there are
            no labels, or a part would be empty.
    """
    sources = [read_source(name) for name in job.data]
    excluded = [read_source(name) for name in job.exclude]
    kind = _one_kind(sources)
    if job.length_matched and kind not in LABELLED_KINDS:
        raise InvalidData(job.data[0], f"holds {kind}, which have no labels: there is nothing to match the lengths of")
    sound, left_out = sound_entries([entry for source in sources for entry in source.entries])
    kept, leaking = without(
        sound,
        [entry for source in excluded for entry in source.entries],
        near=job.near,
        prompts=job.prompts,
        tick=ticks("looking for excluded texts"),
    )
    left_out += leaking
    if not kept:
        raise InvalidData(job.data[0], f"all {len(left_out):,} rows are left out: nothing is left to split")
    clusters = clustered(kept, near=job.near, prompts=job.prompts, tick=ticks("looking for rows that belong together"))
    wanted = {name: round(share * len(kept)) for name, share in zip(HELD_OUT, (job.validation, job.test), strict=True)}
    wanted = {name: count for name, count in wanted.items() if count}
    is_matched = kind in LABELLED_KINDS if job.length_matched is None else job.length_matched
    names = _names(job, kind, kept, clusters, wanted, is_matched=is_matched)
    parts: dict[str, list[Entry]] = {name: [] for name in (TRAIN, *wanted)}
    held_out = {clusters.of(row): kept[row] for row, name in enumerate(names) if name in wanted}
    for row, name in enumerate(names):
        if name == BESIDE:
            left_out.append(LeftOut(entry=kept[row], reason=Reason.BESIDE, like=held_out[clusters.of(row)]))
        else:
            parts[name].append(kept[row])
    for name in wanted:
        if not parts[name]:
            why = "no rows in which length says nothing" if is_matched else "no group of rows small enough"
            raise InvalidData(job.data[0], f"there are {why} for {name}: ask for none, or for another share")
    if not parts[TRAIN]:
        raise InvalidData(job.data[0], "no row is left to train on: ask for smaller shares")
    place = {source.name: index for index, source in enumerate(sources)}
    return Split(
        job=job,
        kind=kind,
        sources=sources,
        excluded=excluded,
        length_matched=is_matched and bool(wanted),
        parts=parts,
        wanted=wanted,
        groups=sorted(map(len, clusters.members().values()), reverse=True),
        left_out=sorted(left_out, key=lambda each: (place[each.entry.source], each.entry.row)),
    )


def length_figures(kind: Kind, entries: Sequence[Entry]) -> dict[str, float | None]:
    """What length alone says of the labels of some rows; empty where they have none, None where it cannot be said.

    ``length_auc``: how often a good text is longer than a bad one, ties counted half. Of pairs also ``longer_wins``,
    the same within each pair, and ``within_20``, the share of pairs whose two texts are about as long.
    """
    if kind not in LABELLED_KINDS:
        return {}
    good, bad = (
        [len(each.text) for entry in entries for each in entry.completions if each.label == label] for label in (1, 0)
    )
    value = length_auc(good, bad, resamples=1)
    figures: dict[str, float | None] = {"length_auc": round(value.mean, 4) if value else None}
    if kind == "pairs":
        pairs = [(len(entry.completions[0].text), len(entry.completions[1].text)) for entry in entries]
        wins = sum((good > bad) + 0.5 * (good == bad) for good, bad in pairs)
        figures["longer_wins"] = round(wins / len(pairs), 4) if pairs else None
        alike = sum(close_in_length(good, bad) for good, bad in pairs)
        figures["within_20"] = round(alike / len(pairs), 4) if pairs else None
    return figures


def _one_kind(sources: Sequence[Source]) -> Kind:
    for source in sources[1:]:
        if source.kind != sources[0].kind:
            raise InvalidData(source.name, f"holds {source.kind}, and {sources[0].name} holds {sources[0].kind}")
    return sources[0].kind


def _names(
    job: SplitJob, kind: Kind, kept: Sequence[Entry], clusters: Clusters, wanted: Mapping[str, int], *, is_matched: bool
) -> list[str]:
    if not wanted:
        return [TRAIN] * len(kept)
    if not is_matched:
        return draw_clusters(kept, clusters, wanted, seed=job.seed)
    if kind == "pairs":
        units = [unit for row, entry in enumerate(kept) if (unit := unit_of_pair(row, entry)) is not None]
    else:
        units = units_of_labelled(kept)
    return draw_matched(units, clusters, len(kept), wanted, seed=job.seed)
