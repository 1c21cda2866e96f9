"""The pages under docs: made ones are up to date, links lead somewhere, all are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.make_configuration import SERVICES, page
from shared.errors import (
    InvalidRequest,
    MalformedRequest,
    NotReady,
    Overloaded,
    PayloadTooLarge,
    ShuttingDown,
    Unauthorized,
    UnsupportedMediaType,
)
from tests.support.processes import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def heading_anchors(path: Path) -> set[str]:
    """As GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == page(), "make configuration"


def test_every_setting_says_what_it_is() -> None:
    assert [line for line in page().splitlines() if line.endswith("|  |")] == []


def test_the_page_of_settings_has_every_setting_of_every_service() -> None:
    written = page()
    for settings in SERVICES.values():
        for name in settings.model_fields:
            assert f"| `{name}` |" in written


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    for link in links:
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        if anchor:
            assert anchor in heading_anchors(found), link


def test_the_index_lists_every_page() -> None:
    listed = set(LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in PAGES} - {"README.md"} <= listed


def test_the_page_of_the_api_has_the_errors_as_they_are() -> None:
    written = (DOCS / "api.md").read_text(encoding="utf-8")
    for error in (
        MalformedRequest,
        Unauthorized,
        PayloadTooLarge,
        UnsupportedMediaType,
        InvalidRequest,
        Overloaded,
        NotReady,
        ShuttingDown,
    ):
        (row,) = [line for line in written.splitlines() if line.startswith("| ") and f"`{error.code}`" in line]
        assert row.startswith(f"| {error.status.value} |")


def test_the_page_of_the_api_has_every_route() -> None:
    written = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in SERVICES:
        described = (ROOT / "services" / name / "openapi.json").read_text(encoding="utf-8")
        for route in re.findall(r'^    "(/[^"]*)": \{$', described, re.MULTILINE):
            assert f" {route}`" in written, route


def test_the_example_of_a_reward_stands_in_its_page_as_it_is_and_is_short() -> None:
    example = (DOCS / "examples" / "couplet_reward.py").read_text(encoding="utf-8")
    assert f"```python\n{example}```" in (DOCS / "extending.md").read_text(encoding="utf-8")
    code = [line for line in example.splitlines() if line and not line.startswith(("import ", "from ", '"""'))]
    assert len(code) <= 40
