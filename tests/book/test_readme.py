"""The README's example runs, and prints what the README says it prints."""

import contextlib
import io
import re

import pytest
from outline import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-\d+)?")


@pytest.mark.slow
def test_the_example_prints_what_the_readme_says():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (stated,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example, {})
    printed, stated = (re.sub(r".* seconds per image", "", text) for text in (printed.getvalue(), stated))
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", stated).split()
    found, expected = (list(map(float, NUMBER.findall(text))) for text in (printed, stated))
    assert found == pytest.approx(expected, rel=0.02)  # another processor may round a pixel across the threshold
