"""The folder of an audit: ``report.html`` and ``report.md`` for people, ``result.json`` for programs."""

from __future__ import annotations

import json
from pathlib import Path

from trainer.data.audit.job import Audit
from trainer.data.audit.record import COMMAND, record_of_audit
from trainer.run_folder import HALF_WRITTEN, RunFolderError, write_json

RESULT = "result.json"


def check_folder(output: Path) -> None:
    """Refuse what is not ours to write into; an earlier audit is replaced.

    Raises:
        RunFolderError: The folder holds something else, or is a file.
    """
    if output.is_file():
        raise RunFolderError(f"{output} is a file, not a folder")
    if not output.is_dir() or all(path.name.startswith(HALF_WRITTEN) for path in output.iterdir()):
        return
    try:
        command = json.loads((output / RESULT).read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        command = None
    if command != COMMAND:
        raise RunFolderError(f"{output} is not empty and holds no audit: choose another folder")


def write_audit(audit: Audit, output: Path) -> Path:
    """Write all three; the path of the report for people."""
    from trainer.data.audit.document import document_of  # slow to import
    from trainer.report.document_page import write_document

    output.mkdir(parents=True, exist_ok=True)
    write_json(output / RESULT, record_of_audit(audit))
    return write_document(document_of(audit), output)
