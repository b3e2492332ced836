"""A real browser that reaches no other server, for all tests in this folder."""

import base64
import importlib.util
import json
import os
import shutil

import numpy as np
import pytest

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
# No name leads to a server, not even a number does: only this machine is left.
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"


def browser_path() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def browser():
    missing = ""
    if not importlib.util.find_spec("playwright"):
        missing = "the package playwright, which steers the browser, is not installed: see requirements.txt"
    elif not browser_path():
        missing = f"no browser is installed, none of {', '.join(BROWSERS)}"
    if missing:
        (pytest.fail if os.environ.get("MICROTUTOR_NEEDS_BROWSER") == "1" else pytest.skip)(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=[NO_NETWORK])
        yield chromium
        chromium.close()


# The bytes of float64 numbers as text, since single numbers are slow to send.
AS_TEXT = """(one) => {
  const bytes = new Uint8Array(Float64Array.from(one).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}"""


@pytest.fixture(scope="session")
def compute():
    """What JavaScript makes of arrays, given by name: a list of arrays."""

    def compute_in(page, expression, **given):
        call = f"(text) => {{ const {{ {', '.join(given)} }} = JSON.parse(text); "
        text = json.dumps({name: np.asarray(value).tolist() for name, value in given.items()})
        made = page.evaluate(f"{call} return ({expression}).map({AS_TEXT}); }}", text)
        return [np.frombuffer(base64.b64decode(one)).copy() for one in made]

    return compute_in
