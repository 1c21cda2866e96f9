"""The files of the paper's release in a folder, by the names of the release or those of its public half.

Both layouts are taken: all files in one folder, and that of the repository (``dataset/sft/sft_data.json`` …), which
``zhufu data fetch paper`` makes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from shared.errors import ZhufuError

DATA_VARIABLE = "ZHUFU_PAPER_DATA"
PUBLIC = ".public"
NAMES = {
    "pairs": ("reward_data_train.json", "dataset/reward_model/reward_data_train.json"),
    "test_pairs": ("reward_data_test.json", "dataset/reward_model/reward_data_test.json"),
    "examples": ("sft_data.json", "dataset/sft/sft_data.json"),
    "requests": ("grpo_train.parquet", "dataset/grpo_data/train.parquet"),
    "held_out_requests": ("grpo_test.parquet", "dataset/grpo_data/test.parquet"),
    "evaluation": ("evaluate_data.json", "dataset/evaluation_set/evaluate_data.json"),
    "queries": ("random_query.txt", "dataset/random_query.txt"),
}
"""Of each file in one folder, and in the release."""
HINT = "`zhufu data fetch paper --target DIR` brings them, --data DIR says where they are"


class PaperDataMissing(ZhufuError):
    """A file of the paper's release is not in the folder, or there is no folder."""

    code = "paper_data_missing"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PaperFiles:
    """Where each file is.

    Attributes:
        pairs: Preference pairs to train a reward model on.
        test_pairs: Those to test it on.
        examples: For supervised fine-tuning.
        requests: For reinforcement learning.
        held_out_requests: That no policy trains on.
        evaluation: Labelled greetings, to evaluate rewards on.
        queries: What people asked for, to tell high-frequency requests from ordinary ones.
    """

    pairs: Path
    test_pairs: Path
    examples: Path
    requests: Path
    held_out_requests: Path
    evaluation: Path
    queries: Path

    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))


def find_paper_files(folder: Path | None) -> PaperFiles:
    """Look for every file.

    Args:
        folder: That of the release; None where nobody has named one.

    Raises:
        PaperDataMissing: There is no such folder, or files are missing; all of them are named.
    """
    if folder is None:
        raise PaperDataMissing(f"the paper's files are not named; {HINT}, and so does {DATA_VARIABLE}")
    if not folder.is_dir():
        raise PaperDataMissing(f"{folder} is no folder; {HINT}")
    found = {part: _find(folder, names) for part, names in NAMES.items()}
    missing = [NAMES[part][0] for part, path in found.items() if path is None]
    if missing:
        raise PaperDataMissing(f"not in {folder}: {', '.join(missing)}; {HINT}")
    return PaperFiles(**{part: path.resolve() for part, path in found.items() if path is not None})


def _find(folder: Path, names: Sequence[str]) -> Path | None:
    """A file itself, before its public half."""
    paths = [folder / name for name in names]
    halves = [path.with_name(f"{path.stem}{PUBLIC}{path.suffix}") for path in paths]
    return next((path for path in (*paths, *halves) if path.is_file()), None)
