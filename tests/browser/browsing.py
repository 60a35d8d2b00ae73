"""Chromium, and what people do in it."""

import shutil
from contextlib import contextmanager

from service import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launched(playwright):
    """The machine's own Chromium, which speaks to nobody but the service."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    try:
        yield browser
    finally:
        browser.close()


def sign_in(page, url, name):
    """Sign in with the account of a node, a master or the regulator."""
    page.goto(f"{url}/sign-in")
    page.locator("#account").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(f"{url}/")
