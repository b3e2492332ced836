"""A real browser that reaches no other server, for all tests in this folder."""

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


@pytest.fixture(scope="session")
def compute():
    """What JavaScript makes of arrays, given by name: a list of arrays. They go as text, as single numbers are slow."""

    def compute_in(page, expression, **given):
        call = f"(text) => {{ const {{ {', '.join(given)} }} = JSON.parse(text); "
        text = json.dumps({name: np.asarray(value).tolist() for name, value in given.items()})
        made = page.evaluate(f"{call} return JSON.stringify(({expression}).map((one) => Array.from(one))); }}", text)
        return [np.array(one) for one in json.loads(made)]

    return compute_in
