"""The page at the end of a run: safe to open whatever a policy wrote, and complete without a network."""

from __future__ import annotations

import base64
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from trainer.report.page import Check, Report, SamplePair, write_report
from trainer.report.plots import curve, histograms, running_mean, scatter

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}"
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """All elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def rendered(folder: Path, report: Report) -> tuple[str, Page]:
    text = write_report(report, folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def evil_report() -> Report:
    sample = SamplePair(prompt=EVIL, before=EVIL, before_reward=None, after=EVIL, after_reward=0.125)
    return Report(
        title=EVIL,
        summary=EVIL,
        checks=[Check(name=EVIL, measured=EVIL, allowed=EVIL, passed=False)],
        figures={EVIL: EVIL},
        samples=[sample],
        settings={EVIL: EVIL, "closing": "</pre></body>"},
        notes=[EVIL],
    )


def test_what_a_policy_wrote_is_shown_and_never_run(tmp_path: Path) -> None:
    text, page = rendered(tmp_path, evil_report())
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "a"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 8
    assert "{{ 7 * 7 }}" in page.text
    assert "</pre></body>" not in text.removesuffix("</body>\n</html>\n")


def test_the_page_forbids_all_that_it_does_not_hold(tmp_path: Path) -> None:
    _, page = rendered(tmp_path, evil_report())
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'"}
    before_style = [tag for tag, _ in page.elements].index("style")
    assert [tag for tag, _ in page.elements[:before_style]].count("meta") >= 3, "the policy stands before all else"


def test_a_reward_that_is_not_there_is_shown_as_none(tmp_path: Path) -> None:
    samples = [
        SamplePair(prompt="贺新居", before="好", before_reward=None, after="灯火可亲", after_reward=-1.257),
        SamplePair(prompt="贺新婚", before="好", before_reward=0.0, after="百年好合", after_reward=None),
    ]
    text, _ = rendered(tmp_path, Report(title="t", summary="s", samples=samples))
    assert re.findall(r'class="number">([^<]*)</td>', text) == ["none", "-1.26", "0.00", "none"]


def test_plots_are_inside_and_those_without_figures_are_left_out(tmp_path: Path) -> None:
    history = [{"step": 1.0, "reward": 0.5}, {"step": 2.0, "kl": 0.1}, {"step": 3.0, "reward": 0.75}]
    plots = [
        curve(history, ["reward"], "Reward", "mean"),
        curve(history, ["reward", "kl"], "Both", "mean"),
        curve(history, ["loss"], "Loss", "nats"),
        histograms({"before": [0.1, 0.2], "after": [0.2, 0.3]}, "Rewards", "reward"),
        scatter({"before": ([1.0, 2.0], [0.1, 0.2])}, "Is it length?", "characters", "reward"),
    ]
    assert plots[2] is None
    _, page = rendered(tmp_path, Report(title="t", summary="s", plots=plots))
    pictures = [image["src"] or "" for image in page.named("img")]
    assert len(pictures) == 4
    for picture in pictures:
        assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(PNG)


def test_checks_say_whether_they_passed(tmp_path: Path) -> None:
    checks = [
        Check(name="length", measured="+3 %", allowed="±25 %", passed=True),
        Check(name="variety", measured="-40 %", allowed="-25 %", passed=False),
    ]
    text, _ = rendered(tmp_path, Report(title="t", summary="s", checks=checks))
    assert re.findall(r'<td class="(ok|bad)">(\w+)</td><td>(\w+)', text) == [
        ("ok", "passed", "length"),
        ("bad", "FAILED", "variety"),
    ]


def test_an_empty_report_has_no_empty_sections(tmp_path: Path) -> None:
    text, page = rendered(tmp_path, Report(title="只有标题", summary="没有别的"))
    assert not page.named("h2")
    assert not page.named("table")
    assert "只有标题" in html.unescape(text)


def test_a_running_mean_begins_at_the_first_value() -> None:
    assert running_mean([]) == []
    assert running_mean([1.0, 2.0]) == pytest.approx([1.0, 1.2])
    assert running_mean([3.0] * 4) == pytest.approx([3.0] * 4)
