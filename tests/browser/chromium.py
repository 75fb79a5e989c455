"""A headless Chromium, driven by its own driver over loopback: pages are opened, measured, and heard."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--hide-scrollbars",
)  # fmt: skip
START_S = 60


class Chromium:
    """One browser with a profile of its own."""

    def __init__(self, profile: Path, dark: bool = False) -> None:
        self._profile, self._dark = profile, dark
        self._driver: subprocess.Popen[str] | None = None
        self._session = ""

    def __enter__(self) -> Chromium:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._ask("DELETE", self._session)
        finally:
            self._end()

    def _begin(self) -> None:
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout is not None
        line = next(line for line in self._driver.stdout if "successfully on port" in line)
        self._base = f"http://127.0.0.1:{line.rpartition('on port ')[2].strip().rstrip('.')}"
        dark = ["--blink-settings=preferredColorScheme=0"] if self._dark else ["--blink-settings=preferredColorScheme=1"]
        chrome = {"args": [*OPTIONS, *dark, f"--user-data-dir={self._profile}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": logs}}
        self._session = f"/session/{self._ask('POST', '/session', {'capabilities': wanted})['sessionId']}"

    def _end(self) -> None:
        if self._driver is not None and self._driver.stdout is not None:
            self._driver.terminate()
            self._driver.wait(START_S)
            self._driver.stdout.close()

    def open(self, page: Path, width: int = 1280, height: int = 900, past_policy: bool = False) -> float:
        """Open a file as a screen of this width shows it; how many seconds that took. `past_policy`: what the page forbids
        may be done to it."""
        self._do("Page.setBypassCSP", enabled=past_policy)
        self._do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        started = time.monotonic()
        self._ask("POST", f"{self._session}/url", {"url": page.resolve().as_uri()})
        return time.monotonic() - started

    def value(self, expression: str) -> Any:
        """Of an expression of JavaScript, which runs in the page as a developer's console would run it."""
        return self._do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def said(self) -> list[str]:
        """What went to the console since it was last asked for: errors, and what the policy has forbidden."""
        return [row["message"] for row in self._ask("POST", f"{self._session}/se/log", {"type": "browser"})]

    def fetched(self) -> list[str]:
        """What pages asked for since it was last told; not what the browser's own first page did."""
        rows = self._ask("POST", f"{self._session}/se/log", {"type": "performance"})
        messages = [json.loads(row["message"])["message"] for row in rows]
        asked = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in asked if not one["documentURL"].startswith("chrome:")]

    def picture(self, path: Path, whole: bool = True) -> None:
        """The page as a PNG, or what of it is on the screen."""
        path.write_bytes(base64.b64decode(self._do("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def small_picture(self, scale: float) -> bytes:
        """The whole page as a PNG, smaller."""
        width, height = self.value("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": scale}
        return base64.b64decode(self._do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def _do(self, command: str, **parameters: Any) -> Any:
        """A command of the protocol that its developers' tools speak."""
        return self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=START_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.read(2000).decode()}") from error
