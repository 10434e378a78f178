"""
Look at pages as a reader does: headless Chromium, driven over WebDriver.

Chromium and its driver are the system's own; where they are missing the tests are skipped, and
fail with ``CI=true``. Nothing is fetched: not the driver, not an update.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

Answer = TypeVar("Answer")

WAIT = 10  # seconds
POLL = 0.02  # seconds
WINDOW = (1280, 900)  # pixels
SWITCHES = (
    "--headless=new",
    # As root, as CI runs, Chromium has no sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Browser:
    """A browser with one page; whatever it is asked for, it waits until that is there."""

    driver: webdriver.Chrome

    def open(self, url: str) -> None:
        """Load a page anew, also where only the fragment differs from the last one."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        """Return the first element that a CSS selector finds and that is shown."""
        return self.wait(lambda: next((found for found in self.all(selector) if found.is_displayed()), None), selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return what a CSS selector finds now, shown or not."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of what a CSS selector finds now, as the page holds them."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0])].map((found) => found.textContent)", selector
        )

    def wait(self, ask: Callable[[], Answer | None], what: str) -> Answer:
        """Return the first true answer of *ask*."""

        def attempt(_driver: object) -> Answer | None:
            return ask()

        waiting = WebDriverWait(self.driver, WAIT, POLL, ignored_exceptions=[StaleElementReferenceException])
        answer = waiting.until(attempt, f"waited {WAIT} s for {what}")
        assert answer is not None
        return answer

    def wait_for_text(self, selector: str, text: str) -> str:
        """Return the text of the first element that *selector* finds, once *text* is in it."""
        return self.wait(lambda: next((found for found in self.texts(selector)[:1] if text in found), None), text)

    def script(self, source: str, *arguments: object) -> Any:
        """Return what JavaScript returns."""
        return self.driver.execute_script(source, *arguments)

    def resize(self, width: int, height: int) -> None:
        """Make the page as large as a screen; a window is never as narrow as a phone."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def prefer(self, scheme: str) -> None:
        """Ask pages for their ``light`` or ``dark`` colours."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """Return what the console has printed since it was last asked, but for statuses such as 404."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["source"] != "network"]


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser that remembers nothing, with *profile* as its folder, and end it afterwards."""
    binary, driver = _program("chromium"), _program("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in (*SWITCHES, f"--user-data-dir={profile}", f"--window-size={WINDOW[0]},{WINDOW[1]}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Reports of crashes go below HOME, wherever the profile is.
    service = webdriver.ChromeService(executable_path=driver, env=os.environ | {"HOME": str(profile)})
    browser = webdriver.Chrome(options, service)
    try:
        yield Browser(browser)
    finally:
        browser.quit()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"needs {name}, which CI has to install")
    if found is None:
        pytest.skip(f"needs {name}")
    return found
