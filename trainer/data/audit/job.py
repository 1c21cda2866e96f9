"""Auditing sources: what was asked for, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from shared.errors import InvalidRequest
from trainer.data.audit.findings import Bounds, Finding, findings_of, leak_findings
from trainer.data.audit.leaks import Leaks, leaks_into
from trainer.data.audit.source_audit import SourceAudit, audit_source
from trainer.data.entries import Source, read_source
from trainer.data.formats import WARM_UP, starter_split
from trainer.data.similarity import Ticks

HELD_OUT_STARTER = ("starter:validation", "starter:test")
TOGETHER = "all sources together"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """What to audit, and what is allowed.

    Attributes:
        sources: Each is audited by itself.
        evaluation: What none of them may leak into; a source is not compared with itself. Without any, a split of the
            starter set is compared with its held-out ones.
        bounds: How much is allowed of what.
        near: Least similarity of texts that count as nearly the same.
        seed: Of the folds.
    """

    sources: tuple[str, ...]
    evaluation: tuple[str, ...] = ()
    bounds: Bounds = dataclasses.field(default_factory=Bounds)
    near: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise InvalidRequest("there is no source to audit")
        for names in (self.sources, self.evaluation):
            if len(set(names)) < len(names):
                raise InvalidRequest("a source is named twice")
        if not 0 < self.near <= 1:
            raise InvalidRequest(f"the similarity of near texts is above 0 and at most 1, not {self.near:g}")

    def evaluations_of(self, source: str) -> list[str]:
        """What this source is compared with."""
        names = self.evaluation
        if not names and (source == WARM_UP or starter_split(source) is not None):
            names = HELD_OUT_STARTER
        return [name for name in names if name != source]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """All sources, and what was found.

    Attributes:
        job: What was asked for.
        sources: Each by itself.
        together: What each evaluation shares with any of several sources; empty where there is only one.
        findings: Of all.
    """

    job: AuditJob
    sources: Sequence[SourceAudit]
    together: Sequence[Leaks]
    findings: Sequence[Finding]

    @property
    def broken(self) -> list[Finding]:
        """Findings that break a bound."""
        return [finding for finding in self.findings if finding.severity == "broken"]

    @property
    def passes(self) -> bool:
        """Whether no bound is broken."""
        return not self.broken


def run_audit(job: AuditJob, ticks: Ticks = lambda _step: None) -> Audit:
    """Read and measure everything; nothing is written.

    Args:
        job: What to do.
        ticks: Of the progress.

    Raises:
        InvalidData: A source is not there or cannot be read, or a row of an evaluation is not in order.
    """
    names = dict.fromkeys([*job.sources, *(name for source in job.sources for name in job.evaluations_of(source))])
    # What an evaluation lacked would not be seen to leak; of an audited source it is a finding.
    read = {name: read_source(name, strict=name not in job.sources) for name in names}
    audits = [
        audit_source(
            read[name],
            [read[other] for other in job.evaluations_of(name)],
            near=job.near,
            longest=job.bounds.longest,
            seed=job.seed,
            ticks=ticks,
        )
        for name in job.sources
    ]
    together = _together([read[name] for name in job.sources], [read[name] for name in job.evaluation], job.near, ticks)
    findings = [finding for audit in audits for finding in findings_of(audit, job.bounds)]
    has_texts = any(audit.length for audit in audits)
    findings += leak_findings(TOGETHER, together, job.bounds, has_texts=has_texts)
    return Audit(job=job, sources=audits, together=together, findings=findings)


def _together(sources: Sequence[Source], evaluations: Sequence[Source], near: float, ticks: Ticks) -> list[Leaks]:
    """What an evaluation shares with one source or another; it is itself none of them."""
    if len(sources) < 2:
        return []
    whole = dataclasses.replace(
        sources[0], name=TOGETHER, entries=[entry for source in sources for entry in source.entries], refused=[]
    )
    names = {source.name for source in sources}
    return [
        leaks_into(whole, each, near=near, tick=ticks(f"{TOGETHER}: leaks into {each.name}"))
        for each in evaluations
        if each.name not in names
    ]
