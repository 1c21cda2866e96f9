"""Puts the weights of the local LLM into a folder, with the terms that they come under; for its image.

python keep_gemma.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from trainer.local_llm.options import GEMMA_ALIAS
from trainer.local_llm.weights import gemma_path, gemma_terms


def main(folder: Path) -> None:
    """Write the weights, checked and named as requests name the model, ``GEMMA_TERMS.html`` and ``NOTICE.md``."""
    weights = gemma_path(folder)
    weights.with_name(f"{weights.name}.lock").unlink(missing_ok=True)
    weights.replace(folder / f"{GEMMA_ALIAS}.gguf")
    terms = gemma_terms()
    for path in (terms, terms.with_name("NOTICE.md")):
        shutil.copy(path, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
