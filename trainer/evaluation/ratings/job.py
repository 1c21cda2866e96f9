"""``zhufu evaluate sheets`` and ``zhufu evaluate agreement``: from options to folders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from trainer.evaluation.policies.texts import TEXTS, read_texts
from trainer.evaluation.ratings.filled import read_sheets
from trainer.evaluation.ratings.findings import Findings, findings
from trainer.evaluation.ratings.items import Drawn, draw_items
from trainer.evaluation.ratings.key import KEY, read_key, write_key
from trainer.evaluation.ratings.report import ratings_document
from trainer.evaluation.ratings.sheets import SHEETS, write_sheets
from trainer.report.document_page import write_document
from trainer.run_folder import RECORD, open_run_folder, write_json

RESULT = "result.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SheetsJob:
    """What is rated, by how many, and where it goes.

    Attributes:
        samples: Folder of ``zhufu evaluate policy``.
        raters: How many sheets.
        items: Texts to be rated altogether, at most.
        overlap: Share of the prompts that stand on every sheet.
        seed: Of all draws.
        output: Folder for the sheets and the key.
    """

    samples: Path
    raters: int
    items: int
    overlap: float
    seed: int
    output: Path


def make_sheets(job: SheetsJob) -> Drawn:
    """Draw and write.

    Raises:
        InvalidData: The folder of samples holds none, or a text does not fit into a sheet.
        InvalidRequest: So few items cannot be drawn.
        RunFolderError: The output holds sheets already.
    """
    drawn = draw_items(
        read_texts(job.samples / TEXTS), items=job.items, raters=job.raters, overlap=job.overlap, seed=job.seed
    )
    open_run_folder(
        job.output,
        command="evaluate sheets",
        settings=dataclasses.asdict(job),
        resume=False,
        versions_of=("zhufu",),
    )
    write_sheets(drawn, job.output / SHEETS)
    write_key(job.output / KEY, drawn, samples=job.samples, seed=job.seed)
    return drawn


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AgreementJob:
    """Which sheets are read, and where the report goes.

    Attributes:
        sheets: Folder of the filled sheets, or the one that ``zhufu evaluate sheets`` made.
        key: Of the sheets; beside them or one folder up unless given.
        samples: Folder of the evaluation; the one that the key names unless given.
        seed: Of intervals and tests.
        output: Folder of the report; given again, it is written anew.
    """

    sheets: Path
    key: Path | None
    samples: Path | None
    seed: int
    output: Path

    @property
    def folder(self) -> Path:
        """Where the sheets lie."""
        inner = self.sheets / SHEETS
        return inner if inner.is_dir() else self.sheets

    @property
    def key_path(self) -> Path:
        """Where the key lies, or should."""
        if self.key is not None:
            return self.key
        beside = self.folder / KEY
        return beside if beside.is_file() else self.folder.resolve().parent / KEY


def measure_agreement(job: AgreementJob) -> tuple[Findings, Path]:
    """Read, sum up and write; what was found, and the path of the report.

    Raises:
        InvalidData: A sheet, the key or the texts are not what they should be.
        RunFolderError: The output holds something else.
    """
    key = read_key(job.key_path)
    sheets = read_sheets(job.folder, key.items)
    samples = job.samples if job.samples is not None else Path(key.samples)
    texts = read_texts(samples / TEXTS) if job.samples is not None or (samples / TEXTS).is_file() else None
    found = findings(sheets, key, texts, seed=job.seed)
    settings = {"sheets": str(job.folder), "key": str(job.key_path), "seed": job.seed}
    open_run_folder(
        job.output,
        command="evaluate agreement",
        settings=settings,
        resume=(job.output / RECORD).is_file(),
        versions_of=("zhufu", "numpy"),
    )
    shown = {**settings, "samples": str(samples) if texts is not None else None}
    write_json(job.output / RESULT, {"settings": shown, **found.record()})
    return found, write_document(ratings_document(found, shown), job.output)
