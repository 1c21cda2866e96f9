from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from shared.errors import InvalidData
from trainer.data import fetch
from trainer.data.fetch import BASE_URL, DownloadFailed, DownloadLimits, fetch_paper, release_checksums

FILES = {"dataset/sft/甲.json": "一条祝福".encode() * 5000, "dataset/乙.txt": b"\x00\xff" * 70_000}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with what its server's ``answers`` say for a path, else with the files."""

    server: Upstream

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.answer(self)

    def send(self, content: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Upstream(ThreadingHTTPServer):
    """The public repository, on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.answer: Answer = good
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/raw/"


def good(handler: Handler) -> None:
    contents = [content for name, content in FILES.items() if handler.path.endswith(quoted(name))]
    handler.send(contents[0]) if contents else handler.send_error(404)


def quoted(name: str) -> str:
    return name.replace("甲", "%E7%94%B2").replace("乙", "%E4%B9%99")


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join(timeout=30)


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(shown: io.StringIO) -> Console:
    return Console(file=shown, width=500)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_release_has_seven_files_with_a_checksum_each() -> None:
    checksums = release_checksums()
    assert len(checksums) == 7
    assert all(name.startswith("dataset/") and ".." not in name for name in checksums)
    assert all(len(digest) == 64 and int(digest, 16) for digest in checksums.values())
    assert BASE_URL.startswith("https://")


def test_files_come_whole_under_the_names_of_the_repository(
    upstream: Upstream, console: Console, shown: io.StringIO, tmp_path: Path
) -> None:
    target = tmp_path / "新" / "paper"
    paths = fetch_paper(target, console, base_url=upstream.url, checksums=SUMS)
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in paths} == FILES
    assert files_in(target) == sorted(FILES)
    assert sorted(upstream.asked) == sorted(f"/raw/{quoted(name)}" for name in FILES)
    assert "no licence" in shown.getvalue()
    assert "on your own responsibility" in shown.getvalue()
    assert "All 2 files" in shown.getvalue()


def test_what_is_there_and_right_is_not_fetched_again(
    upstream: Upstream, console: Console, shown: io.StringIO, tmp_path: Path
) -> None:
    first, second = sorted(FILES)
    (tmp_path / first).parent.mkdir(parents=True)
    (tmp_path / first).write_bytes(FILES[first])
    for _ in range(2):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert upstream.asked == [f"/raw/{quoted(second)}"]
    assert "1 of 2 files are there already" in shown.getvalue()
    assert "2 of 2 files are there already" in shown.getvalue()


def test_a_file_that_is_there_and_another_is_not_overwritten(
    upstream: Upstream, console: Console, tmp_path: Path
) -> None:
    mine = tmp_path / "dataset/乙.txt"
    mine.parent.mkdir()
    mine.write_text("我自己的", encoding="utf-8")
    with pytest.raises(InvalidData, match="is there but is not the published file"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert mine.read_text(encoding="utf-8") == "我自己的"
    assert upstream.asked == []


def test_another_content_is_refused_and_leaves_no_file(upstream: Upstream, console: Console, tmp_path: Path) -> None:
    upstream.answer = lambda handler: handler.send(b"not what was published")
    with pytest.raises(InvalidData, match="is not the file that was published") as caught:
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert caught.value.path.startswith(upstream.url)
    assert files_in(tmp_path) == []


def test_a_file_that_is_not_in_the_repository_is_told(upstream: Upstream, console: Console, tmp_path: Path) -> None:
    upstream.answer = lambda handler: handler.send_error(404)
    with pytest.raises(
        DownloadFailed, match=r"dataset/.* was answered with 404 Not Found; the repository may have moved"
    ):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert files_in(tmp_path) == []


def test_a_connection_that_breaks_leaves_no_file_and_another_try_goes_on(
    upstream: Upstream, console: Console, tmp_path: Path
) -> None:
    broken = sorted(FILES)[1]

    def cut_off(handler: Handler) -> None:
        if handler.path.endswith(quoted(broken)):
            handler.send(FILES[broken][:1000], length=len(FILES[broken]))
        else:
            good(handler)

    upstream.answer = cut_off
    with pytest.raises(DownloadFailed, match="broke off after"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert files_in(tmp_path) == [sorted(FILES)[0]]
    upstream.answer = good
    fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert files_in(tmp_path) == sorted(FILES)
    assert len(upstream.asked) == 3


def trickle_body(handler: Handler) -> None:
    handler.send(b"", length=10_000)
    trickle(handler, b"x" * 10_000)


def trickle_headers(handler: Handler) -> None:
    trickle(handler, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)


def say_nothing(handler: Handler) -> None:
    handler.server.stopping.wait(timeout=60)


def trickle(handler: Handler, content: bytes) -> None:
    for byte in content:
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(bytes([byte]))
        if handler.server.stopping.wait(timeout=0.05):
            return


@pytest.mark.parametrize(
    ("answer", "limits"),
    [
        (trickle_body, DownloadLimits(file_seconds=0.5)),
        (trickle_headers, DownloadLimits(file_seconds=0.5)),
        (say_nothing, DownloadLimits(file_seconds=0.5)),
        (say_nothing, DownloadLimits(silence_seconds=0.5)),
    ],
)
def test_a_slow_answer_is_given_up(
    upstream: Upstream, console: Console, tmp_path: Path, answer: Answer, limits: DownloadLimits
) -> None:
    upstream.answer = answer
    started = time.monotonic()
    with pytest.raises(DownloadFailed, match="was too slow"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS, limits=limits)
    assert time.monotonic() - started < 60
    assert files_in(tmp_path) == []


def test_more_bytes_than_any_file_has_are_not_stored(upstream: Upstream, console: Console, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="larger than 1,000 bytes"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS, limits=DownloadLimits(file_bytes=1000))
    assert files_in(tmp_path) == []


def test_a_server_that_sends_round_in_circles_is_given_up(upstream: Upstream, console: Console, tmp_path: Path) -> None:
    def elsewhere(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    upstream.answer = elsewhere
    with pytest.raises(DownloadFailed, match="TooManyRedirects"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert len(upstream.asked) == fetch.MAX_REDIRECTS + 1


def test_no_network_is_said_in_a_sentence(
    console: Console, shown: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:  # bound and not listening: whoever connects is refused
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 cannot be reached; is there a network\?"):
            fetch_paper(tmp_path, console, base_url=url)
    assert "no licence" in shown.getvalue()
    assert files_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(upstream: Upstream, console: Console, tmp_path: Path) -> None:
    (tmp_path / "dataset").write_text("不是文件夹", encoding="utf-8")
    with pytest.raises((DownloadFailed, InvalidData), match="dataset"):
        fetch_paper(tmp_path, console, base_url=upstream.url, checksums=SUMS)
    assert files_in(tmp_path) == ["dataset"]
