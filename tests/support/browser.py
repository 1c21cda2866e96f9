"""A real browser without a screen, through chromedriver (W3C WebDriver): pages are opened, clicked and typed in."""

from __future__ import annotations

import base64
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.processes import START_SECONDS, Service, free_port

ENTER: Final = "\ue007"
SPACE: Final = " "
TAB: Final = "\ue004"
CONTROL: Final = "\ue009"
SHIFT: Final = "\ue008"
WAIT_SECONDS: Final = 20.0
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def browser_missing() -> str:
    """Why there is no browser to test with; empty where there is one."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"needs {' and '.join(missing)}" if missing else ""


class Browser:
    """One window of Chromium with a profile of its own."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self._driver = Service(["chromedriver", f"--port={port}"], folder / "chromedriver.log", {}, port)
        self._client = httpx.Client(timeout=START_SECONDS, trust_env=False)
        self._session = ""
        try:
            self._driver.wait_until("/status")
            flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}"]
            if os.geteuid() == 0:  # whom Chromium gives no sandbox
                flags.append("--no-sandbox")
            options = {"args": flags, "binary": shutil.which("chromium")}
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._client.post(
                f"{self._driver.url}/session", json={"capabilities": {"alwaysMatch": capabilities}}
            )
            self._session = f"{self._driver.url}/session/{_value(answer)['sessionId']}"
        except BaseException:
            self.close()
            raise

    def open(self, page: Path) -> None:
        """Show a file."""
        self._post("url", {"url": page.as_uri()})

    def visit(self, url: str) -> None:
        """Show a page of a server."""
        self._post("url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self._post("execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """As with a mouse, on the first element that a CSS selector finds."""
        self._post(f"element/{self._found(selector)}/click", {})

    def type(self, selector: str, keys: str) -> None:
        """As with a keyboard."""
        self._post(f"element/{self._found(selector)}/value", {"text": keys})

    def press(self, *keys: str, holding: str = "") -> None:
        """On the keyboard, one after another, wherever the focus is; ``holding`` is kept down meanwhile."""
        steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        if holding:
            steps = [{"type": "keyDown", "value": holding}, *steps, {"type": "keyUp", "value": holding}]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def wait(self, condition: str, *arguments: object, seconds: float = WAIT_SECONDS) -> Any:
        """What a JavaScript expression is as soon as it is true; fails when that takes too long."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(f"return {condition}", *arguments)):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition} {arguments}"
            time.sleep(0.05)
        return found

    def shown(self, selector: str) -> str:
        """Of the first element that a CSS selector finds, the text as a person sees it."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A picture of what the window shows, or of the whole page."""
        size = self.run("const e = document.documentElement; return [innerWidth, e.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        wanted = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png", **wanted)["data"]))

    def texts(self, selector: str) -> list[str]:
        """Of all elements that a CSS selector finds, as they are in the page."""
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)", selector)
        )

    def command(self, name: str, **arguments: object) -> Any:
        """One of the DevTools protocol, such as for the size of a screen."""
        return self._post("goog/cdp/execute", {"cmd": name, "params": arguments})

    def complaints(self) -> Sequence[str]:
        """What stands in the console, such as what the page's policy refused."""
        return [str(line["message"]) for line in self._post("se/log", {"type": "browser"})]

    def close(self) -> None:
        """End the browser and what drives it."""
        try:
            if self._session:
                self._client.delete(self._session)
        finally:
            self._client.close()
            self._driver.end()

    def _found(self, selector: str) -> str:
        return str(self._post("element", {"using": "css selector", "value": selector})[_ELEMENT])

    def _post(self, path: str, body: dict[str, object]) -> Any:
        return _value(self._client.post(f"{self._session}/{path}", json=body))


def _value(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]
