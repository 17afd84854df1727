"""A page in Debian's Chromium, driven by Selenium: what it shows, complains about and asks for."""

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HANGS_S = 300
"""A page that takes longer hangs; nothing that a test asserts depends on it."""


def executable() -> str | None:
    """Return the browser that is installed together with its driver, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found if shutil.which("chromedriver") else None


class Browser:
    """A headless browser with one page. Use as a context manager.

    Args:
        profile: an empty folder.
    """

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(executable())
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        self._driver.set_page_load_timeout(HANGS_S)
        self._driver.set_script_timeout(HANGS_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.quit()

    def open(
        self, address: str, width: int = 1440, height: int = 900, *, dark: bool = False, touch: bool = False
    ) -> None:
        """Open a page, loaded when this returns, and forget the errors and requests of the one before."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        self._driver.get("about:blank")
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        for kind in ("browser", "performance"):
            self._driver.get_log(kind)
        self._driver.get(address)

    def used_s(self) -> float:
        """Return the processor seconds that the main thread of the page has used; from the first call on."""
        self._driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        metrics = self._driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime")

    def errors(self) -> list[str]:
        """Return what console and policy complained about since the page was opened or this was last asked."""
        return [entry["message"] for entry in self._driver.get_log("browser") if entry["level"] != "INFO"]

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for since it was opened or this was last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def ask(self, expression: str) -> object:
        """Return the value of an expression in the page."""
        return self._driver.execute_script(f"return ({expression})")

    def run(self, script: str, *arguments: object) -> object:
        """Run statements in the page, and return what they return."""
        return self._driver.execute_script(script, *arguments)

    @contextmanager
    def frame(self) -> Generator[None]:
        """Within this, questions go to the page in the first frame."""
        self._driver.switch_to.frame(0)
        yield
        self._driver.switch_to.default_content()

    def run_async(self, script: str) -> object:
        """Run statements in the page, and return what they give to the function that is their last argument."""
        return self._driver.execute_async_script(script)

    def wait(self, expression: str) -> object:
        """Return the value of an expression as soon as it is true."""
        return WebDriverWait(self._driver, HANGS_S, 0.05).until(lambda _: self.ask(expression))

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        self.drag([(x, y)], press=False)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        self.drag([(x, y)])

    def drag(self, points: list[tuple[float, float]], *, press: bool = True) -> None:
        """Press at the first point, move over the others and let go."""
        actions = ActionBuilder(self._driver, duration=0)
        pointer = actions.pointer_action
        pointer.move_to_location(*map(round, points[0]))
        if press:
            pointer.pointer_down()
            for point in points[1:]:
                pointer.move_to_location(*map(round, point))
            pointer.pointer_up()
        actions.perform()

    def press(self, key: str) -> None:
        """Press and release a key."""
        actions = ActionBuilder(self._driver)
        actions.key_action.send_keys(key)
        actions.perform()

    def middle(self, selector: str) -> list[float]:
        """Bring an element into view and return the middle of it."""
        return self.ask(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
