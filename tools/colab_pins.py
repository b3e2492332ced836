"""Renew tools/pins/colab.txt, the versions that Colab ships, from the list that Colab publishes.

    python tools/colab_pins.py    # any Python with this package in reach; nothing else is needed

The pins keep their order and their remarks; only versions change, and the lines that say where they are from.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from microtutor.files import replacing

PINS = Path(__file__).resolve().parent / "pins" / "colab.txt"
REPOSITORY = "googlecolab/backend-info"
NEWEST = f"https://api.github.com/repos/{REPOSITORY}/commits?path=pip-freeze.txt&per_page=1"
FILE = f"https://raw.githubusercontent.com/{REPOSITORY}/{{commit}}/{{name}}"
BESIDES = "# not in Colab"  # what follows this line is pinned by us


def key(name: str) -> str:
    """The one spelling of a package's name.

    >>> key("PyYAML"), key("huggingface_hub")
    ('pyyaml', 'huggingface-hub')
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def versions(frozen: str) -> dict[str, str]:
    """The version of each package in a list as `pip freeze` prints it; a wheel's address holds it, too.

    >>> versions("numpy==2.1.3\\n# a remark\\ntorch @ https://a.b/torch-2.11.0%2Bcpu-cp313-cp313-linux_x86_64.whl")
    {'numpy': '2.1.3', 'torch': '2.11.0'}
    """
    found = {}
    for line in frozen.splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)", line) or re.match(
            r"([\w.-]+) @ \S*/[\w.]+-([\w.%+]+)-\S+\.whl", line
        ):
            found[key(match[1])] = re.split(r"\+|%2B", match[2])[0]
    return found


def renewed(pins: str, frozen: str, source: dict[str, str]) -> str:
    """The pins with the versions of a list, and with its source ("commit", "date", "python") in the first lines.

    Raises:
        ValueError: a package is not in the list: Colab no longer ships it.
    """
    there, (colab, line, besides) = versions(frozen), pins.partition(BESIDES)

    def pin(match: re.Match) -> str:
        if key(match[1]) not in there:
            raise ValueError(
                f"{match[1]} is not in Colab's list; if chapters can do without it, move it below {BESIDES!r}"
            )
        return f"{match[1]}=={there[key(match[1])]}"

    colab = re.sub(r"^([\w.-]+)==\S+", pin, colab, flags=re.MULTILINE)
    colab = re.sub(r"at commit \w+", f"at commit {source['commit']}", colab)
    for word in ("date", "python"):
        colab = re.sub(rf"^# {word.title()}: .*", f"# {word.title()}: {source[word]}", colab, flags=re.MULTILINE)
    return colab + line + besides


def download(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def main() -> int:
    try:
        newest = json.loads(download(NEWEST))[0]
        commit = newest["sha"]
        frozen, system = (download(FILE.format(commit=commit, name=n)) for n in ("pip-freeze.txt", "os-info.txt"))
    except (urllib.error.URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        print(f"Colab's list cannot be had ({reason}), so tools/pins/{PINS.name} stays as it is.", file=sys.stderr)
        return 1
    python = re.search(r"^Python (\S+)", system, re.MULTILINE)
    source = {"commit": commit, "date": newest["commit"]["committer"]["date"][:10]}
    before = PINS.read_text(encoding="utf-8")
    try:
        after = renewed(before, frozen, source | {"python": python[1] if python else "unknown"})
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    with replacing(PINS) as temporary:
        temporary.write_text(after, encoding="utf-8")
    changed = sorted({*after.splitlines()} - {*before.splitlines()})
    print("\n".join(changed) or "Nothing has changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
