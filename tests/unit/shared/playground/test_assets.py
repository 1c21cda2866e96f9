"""The files of the page: what they must not hold, what they are sent with, and that they are shipped."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared.playground.assets import FOLDER, HEADERS, PAGE, POLICY, load_assets

ROOT = Path(__file__).resolve().parents[4]
SCRIPTS = sorted(FOLDER.glob("*.js"))
VOID = frozenset({"meta", "link", "input", "br"})


class Page(HTMLParser):
    """Every element of the page, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: dict[str, str] = {}
        self.feed((FOLDER / PAGE).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.inside[self.open[-1]] = self.inside.get(self.open[-1], "") + data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def words(language: str) -> dict[str, str]:
    text = (FOLDER / f"words-{language}.js").read_text(encoding="utf-8")
    return dict(re.findall(r'^  "?([\w.-]+)"?: "(.*)",$', text, re.MULTILINE))


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_out() -> None:
    directives = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"


def test_no_script_and_no_style_stands_in_the_page_itself(page: Page) -> None:
    assert page.open == [], "every element is closed"
    assert not {"script", "style"} & page.inside.keys()
    for tag, attributes in page.elements:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        if tag == "script":
            assert attributes == {"type": "module", "src": "playground/static/main.js"}


def test_every_file_is_of_the_page_itself(page: Page) -> None:
    assets = load_assets()
    asked = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in page.elements
        if tag in {"script", "link"}
    ]
    assert len(asked) == 3
    for path in asked:
        assert path is not None
        assert path.removeprefix("playground/static/") in assets
    for script in SCRIPTS:
        imported = re.findall(r'from "(.*?)"', script.read_text(encoding="utf-8"))
        assert {path.removeprefix("./") for path in imported} <= assets.keys(), script


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_names_a_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "//" not in re.sub(r"(?m)^\s*//.*$|\s// .*$", "", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_text_can_become_markup_or_code(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    dangerous = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setHTML|srcdoc|DOMParser"
    assert re.findall(dangerous, text) == []
    stored = re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie", text)
    assert stored == (["localStorage"] * 2 if script.name == "words.js" else [])


def test_every_word_that_the_page_asks_for_is_there(page: Page) -> None:
    chinese, english = words("zh"), words("en")
    assert len(chinese) > 150
    assert chinese.keys() == english.keys()
    asked = {
        value for _, attributes in page.elements for name, value in attributes.items() if name.startswith("data-words")
    }
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        asked |= set(re.findall(r'(?:(?:words|label|hint): |\bsay\()"([\w.-]+)"', text))
    assert len(asked) > 60
    assert asked <= chinese.keys()


def test_the_page_is_in_chinese_until_it_is_told_otherwise(page: Page) -> None:
    """So that it makes sense before its script has run; the words are those of the Chinese ones."""
    assert page.elements[0] == ("html", {"lang": "zh-Hans"})
    text = (FOLDER / PAGE).read_text(encoding="utf-8")
    for key, shown in re.findall(r'data-words="([\w.-]+)"[^>]*>([^<]+)<', text):
        assert words("zh")[key] == shown, key


def test_every_file_is_shipped() -> None:
    """In the wheel: setuptools takes every folder for a package, and looks for these patterns in each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    files = [path.name for path in FOLDER.iterdir()]
    assert len(files) > 10
    shipped = [file for file in files if any(fnmatch.fnmatch(file, pattern) for pattern in patterns)]
    assert sorted(shipped) == sorted(files)


def test_the_tag_of_a_file_changes_with_its_contents(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    first = load_assets(tmp_path)["a.js"].tag
    (tmp_path / "a.js").write_text("2")
    assert load_assets(tmp_path)["a.js"].tag != first
