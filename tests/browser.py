"""A headless Chromium for tests of pages, driven over its DevTools protocol through a pair of pipes.

The standard library is enough: ``--remote-debugging-pipe`` speaks JSON with a zero byte after each message on file
descriptors 3 and 4, so no port is opened. ``with browser() as chrome, chrome.open(address) as tab:`` gives a tab that
keeps what the console said and what was asked of any network.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 60.0
"""How long an answer may take on a machine that has other things to do."""
PHONE = (390, 844)
DESKTOP = (1280, 900)
MESSAGE_END = b"\0"
KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Home": 36,
    "End": 35,
}


def chromium() -> str | None:
    """Where a Chromium is, or None; a test without one is skipped with ``NO_BROWSER`` as its reason."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


NO_BROWSER = "needs Chromium (apt-get install chromium)"


KEPT = "COLDAISLE_SCREENSHOTS"
"""A variable of the environment that names the folder where screenshots are kept, in place of ``SCREENSHOTS``."""
SCREENSHOTS = Path(__file__).resolve().parent.parent / "build" / "screenshots"
"""Where they are kept else: a folder that git ignores."""


class BrowserError(Exception):
    """The browser refused, or gave no answer."""


class Tab:
    """One page in the browser."""

    def __init__(self, chrome: Browser, session: str, target: str) -> None:
        self._chrome, self._session, self._target = chrome, session, target
        self.console: list[str] = []
        """Errors and warnings of the console, uncaught exceptions, and breaches of the policy of a page."""
        self.requests: list[str] = []
        """All addresses that were asked for, the page's own among them."""

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """A command of the protocol and its result."""
        return self._chrome.call(method, given, self._session)

    def evaluate(self, code: str) -> Any:
        """The value of an expression in the page; a promise is waited for. Raises ``BrowserError`` where it throws."""
        done = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            said = done["exceptionDetails"]
            raise BrowserError(str(said.get("exception", {}).get("description", said["text"])))
        return done["result"].get("value")

    def go(self, address: str) -> None:
        """Opens an address and waits until it is loaded."""
        self._chrome.loaded.discard(self._session)
        done = self.call("Page.navigate", url=address)
        if done.get("errorText"):
            raise BrowserError(done["errorText"])
        self._chrome.until(lambda: self._session in self._chrome.loaded)

    def wait_for(self, code: str, patience_s: float = PATIENCE_S) -> Any:
        """Waits until an expression is true in the page, and gives its value."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            value = self.evaluate(code)
            if value:
                return value
            time.sleep(0.05)
        raise BrowserError(f"never came true: {code}; the console said {self.console}")

    def press(self, key: str, *, shift: bool = False) -> None:
        """A key pressed and let go where the focus is."""
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        about = {
            "key": key,
            "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper())),
            "modifiers": 8 if shift else 0,
        }
        code = key if len(key) > 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", code=code, text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", code=code, **about)

    def click(self, selector: str) -> None:
        """A click of the mouse on the first element of a selector, which must be visible."""
        place = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center', "
            "behavior: 'instant'}); const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for what in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=what, x=place[0], y=place[1], button="left", clickCount=1)

    def hover(self, x: float, y: float) -> None:
        """The mouse over a place of the viewport."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """The size of the viewport, px."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def media(self, *, dark: bool = False, paper: bool = False) -> None:
        """Light or dark, screen or print."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "", features=scheme)

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        """The page as a PNG, whole or what the viewport shows."""
        clip: dict[str, Any] = {}
        if whole:
            box = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": box["width"], "height": min(box["height"], 16000), "scale": 1}}
        done = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **clip)
        path.write_bytes(base64.b64decode(done["data"]))
        return path

    def pdf(self, path: Path) -> Path:
        """The page as it is printed."""
        done = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(done["data"]))
        return path

    def close(self) -> None:
        """Ends the tab."""
        self._chrome.call("Target.closeTarget", {"targetId": self._target})


class Browser:
    """A running Chromium with a folder of its own."""

    def __init__(self, program: str, folder: Path, arguments: Sequence[str] = ()) -> None:
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        self._in, self._out = write_here, read_here
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--mute-audio",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            f"--user-data-dir={folder}",
            "--remote-debugging-pipe",
            *arguments,
            "about:blank",
        ]
        # A shell moves the program's ends of the pipes to the descriptors 3 and 4, from numbers beyond both.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_there, write_there)]
        moved = f'exec 3<&{ends[0]} 4>&{ends[1]} {ends[0]}<&- {ends[1]}>&-; exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", moved, "bash", *command],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (read_there, write_there, *ends):
            os.close(end)
        self._number, self._rest = 0, b""
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self.loaded: set[str] = set()

    def call(self, method: str, given: Mapping[str, Any], session: str | None = None) -> dict[str, Any]:
        """A command and its result. Raises ``BrowserError``."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": given}
        if session is not None:
            message["sessionId"] = session
        written = json.dumps(message).encode() + MESSAGE_END
        while written:
            written = written[os.write(self._in, written) :]
        self.until(lambda: number in self._answers)
        done = self._answers.pop(number)
        if "error" in done:
            raise BrowserError(f"{method}: {done['error'].get('message')}")
        result: dict[str, Any] = done["result"]
        return result

    def until(self, what: Any) -> None:
        """Reads messages until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not what():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._out], [], [], left)[0]:
                raise BrowserError("no answer")
            more = os.read(self._out, 1 << 20)
            if not more:
                raise BrowserError("the browser ended")
            *messages, self._rest = (self._rest + more).split(MESSAGE_END)
            for message in messages:
                self._hear(json.loads(message))

    def _hear(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        tab, about = self._tabs.get(message.get("sessionId", "")), message.get("params", {})
        match message["method"]:
            case "Page.loadEventFired":
                self.loaded.add(message["sessionId"])
            case "Runtime.exceptionThrown" if tab is not None:
                said = about["exceptionDetails"]
                tab.console.append(str(said.get("exception", {}).get("description", said["text"])))
            case "Runtime.consoleAPICalled" if tab is not None and about["type"] in ("error", "warning", "assert"):
                tab.console.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
            case "Log.entryAdded" if tab is not None and about["entry"]["level"] in ("error", "warning"):
                tab.console.append(about["entry"]["text"])
            case "Network.requestWillBeSent" if tab is not None:
                tab.requests.append(about["request"]["url"])

    @contextmanager
    def open(self, address: str = "about:blank", *, size: tuple[int, int] = DESKTOP) -> Iterator[Tab]:
        """A tab at an address, until the end of the block."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self._tabs[session] = Tab(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.size(*size)
        tab.media()
        if address != "about:blank":
            tab.go(address)
        try:
            yield tab
        finally:
            tab.close()

    def close(self) -> None:
        """Ends the browser."""
        try:
            self.call("Browser.close", {})
        except (BrowserError, OSError):
            self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._in)
        os.close(self._out)


@contextmanager
def browser(*arguments: str) -> Iterator[Browser]:
    """A Chromium until the end of the block. Raises ``BrowserError`` where there is none."""
    program = chromium()
    if program is None:
        raise BrowserError(NO_BROWSER)
    with tempfile.TemporaryDirectory(prefix="coldaisle-browser-", ignore_cleanup_errors=True) as folder:
        chrome = Browser(program, Path(folder), arguments)
        try:
            yield chrome
        finally:
            chrome.close()


def kept(tab: Tab, name: str) -> Path:
    """A screenshot of the whole page, kept for who looks at it; the next run of the tests replaces it."""
    folder = Path(os.environ.get(KEPT) or SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    shown = tab.screenshot(folder / f"{name}.png")
    assert shown.read_bytes().startswith(b"\x89PNG")
    return shown
