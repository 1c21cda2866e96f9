"""One bulk run from its prompts to its files."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import JsonValue
from rich.console import Console

from shared.client import RewardClient
from shared.client.http import CONCURRENT_REQUESTS
from shared.errors import ZhufuError
from trainer.sampling.journal import FORMAT, Journal
from trainer.sampling.progress import SamplingProgress
from trainer.sampling.prompts import Prompts
from trainer.sampling.request import SampleRequest
from trainer.sampling.results import Files, write_pairs
from trainer.sampling.sampler import Ending, Limits, Sampler
from trainer.sampling.summary import Summary, sum_up, write_summary


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SampleJob:
    """What is asked, of whom, and within what limits."""

    source: str
    prompts: Prompts
    request: SampleRequest
    url: str
    output: Path
    limits: Limits
    api_key: str | None = None
    retry_failed: bool = True
    resume: bool = False

    @property
    def through_queue(self) -> bool:
        """Whether the service is asked through Redis."""
        return urllib.parse.urlsplit(self.url).scheme in {"redis", "rediss"}

    def header(self) -> dict[str, JsonValue]:
        """What decides the result, and so has to be the same when a run is resumed."""
        prompts: dict[str, JsonValue] = {"count": len(self.prompts.asked), "sha256": self.prompts.sha256}
        return {"format": FORMAT, "options": self.request.options(), "prompts": prompts}

    def settings(self) -> dict[str, JsonValue]:
        """For the summary: nothing secret."""
        return {
            "prompts": self.source,
            **self.request.options(),
            "concurrency": self.limits.concurrency,
            "timeout_seconds": self.limits.timeout_seconds,
            "max_tokens": self.limits.max_tokens,
            "max_failures_in_a_row": self.limits.max_failures_in_a_row,
        }


def sample_pairs(job: SampleJob, console: Console, tell: Callable[[str], None]) -> Summary:
    """Ask for all prompts that are open, and write the files, however the asking ended.

    Args:
        job: What to do.
        console: Where progress is shown.
        tell: Takes a sentence for the one who waits.

    Raises:
        JournalExists, JournalMissing, JournalDiffers, JournalInUse, JournalBroken, OutputUnusable: Nothing was asked.
        InvalidUrl: It is not the URL of a reward.
        RewardRejected, RewardProtocolError: No prompt can succeed; what was done before is saved.
    """
    return asyncio.run(_sample_pairs(job, console, tell))


async def _sample_pairs(job: SampleJob, console: Console, tell: Callable[[str], None]) -> Summary:
    client = RewardClient.from_url(job.url, api_key=job.api_key, timeout_seconds=job.limits.timeout_seconds)
    async with client:
        files = Files(job.output)
        files.prepare()
        journal = Journal.open(files.journal, job.header(), resume=job.resume)
        with contextlib.closing(journal), SamplingProgress(console, journal, len(job.prompts.asked)) as progress:
            sampler = Sampler(
                job.prompts.asked,
                job.request,
                client,
                journal,
                _within_client(job, tell),
                progress,
                through_queue=job.through_queue,
                retry_failed=job.retry_failed,
            )
            with _interruptible(sampler, tell):
                try:
                    ending = await sampler.run()
                except ZhufuError:
                    _finish(job, files, journal, Ending.ERROR)
                    raise
                return _finish(job, files, journal, ending)


def _within_client(job: SampleJob, tell: Callable[[str], None]) -> Limits:
    """A client by HTTP sends so many requests at once; those that waited for their turn would only run out of time."""
    if job.through_queue or job.limits.concurrency <= CONCURRENT_REQUESTS:
        return job.limits
    tell(f"by HTTP {CONCURRENT_REQUESTS} prompts are asked at once; a queue (redis://…) takes more")
    return dataclasses.replace(job.limits, concurrency=CONCURRENT_REQUESTS)


@contextlib.contextmanager
def _interruptible(sampler: Sampler, tell: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C stops a sampler: once and it waits for what is under way, twice and it does not."""

    def stop() -> None:
        if not sampler.stopping:
            tell(f"stopping: {sampler.under_way} prompts are under way and waited for; Ctrl-C again leaves them")
        sampler.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _finish(job: SampleJob, files: Files, journal: Journal, ending: Ending) -> Summary:
    """Sum up and write the files; none where no prompt has ended: there would be nothing to go on with."""
    summary = sum_up(job.prompts, journal, ending, ceiling=job.limits.max_tokens, settings=job.settings())
    if journal.entries:
        write_pairs(files, job.prompts.asked, journal)
        write_summary(summary, files.summary)
        from trainer.sampling.page import write_page  # last: what draws is slow to import

        write_page(summary, files.page)
    return summary
