"""Chromium, and what people do in it."""

import shutil
from contextlib import contextmanager

from gridbourse.text import read_translation
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
EVIL = '<img src=x onerror="window.hacked=1">\'"><script>window.hacked=1</script>{{7*7}}'
"""What somebody might write into a field that others see."""
DESK, PHONE = (1280, 800), (390, 844)
PATIENCE_MS = 60_000


@contextmanager
def launched(playwright):
    """The machine's own Chromium, which speaks to nobody but the service."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    try:
        yield browser
    finally:
        browser.close()


class Visit:
    """Somebody's browser.

    Attributes
    ----------
    page
        What is open in it.
    t
        The texts in the visitor's language.
    complaints
        Errors of scripts, and what the content security policy refused.
    """

    def __init__(self, chromium, url, name=None, *, language="en", scheme="light", size=DESK):
        self.url = url
        self.t = read_translation(language)
        self.context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            locale={"en": "en-GB", "zh": "zh-CN"}[language],
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        if name:
            self.sign_in(name)

    def _listen(self, message):
        # A page that answers with an error status is no fault of its scripts.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def go(self, path):
        """Open a page."""
        self.page.goto(self.url + path)

    def sign_in(self, name):
        """Sign in with the account of a node, a master or the regulator."""
        self.go("/sign-in")
        self.page.get_by_label(self.t("sign_in.name"), exact=True).fill(name)
        self.page.get_by_label(self.t("sign_in.password"), exact=True).fill(PASSWORD)
        self.page.get_by_label(self.t("sign_in.password"), exact=True).press("Enter")
        self.page.wait_for_url(f"{self.url}/")

    def press(self, key, within=None):
        """Press the button with a text."""
        (within or self.page).get_by_role("button", name=self.t(key)).first.click()

    def sees(self, text, within=None):
        """Wait until a text is there."""
        (within or self.page.locator("main")).get_by_text(text).first.wait_for()

    def close(self):
        """Close the browser."""
        self.context.close()
