"""The part of a page that a tool writes, between two remarks; the text around it is written by hand."""

from pathlib import Path

from microtutor.files import replacing


def remarks(tool: str) -> tuple[str, str]:
    """The lines between which a tool writes.

    >>> remarks("tools/status_page.py")
    ('% what follows is written by tools/status_page.py', '% end of what tools/status_page.py writes')
    """
    return f"% what follows is written by {tool}", f"% end of what {tool} writes"


def with_part(page: str, tool: str, part: str) -> str:
    """The text of a page in which a part is written anew.

    Raises:
        ValueError: the page has no place for it.
    """
    first, last = remarks(tool)
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(
            f"expected the lines {first!r} and {last!r} in the page; write them where the part has to stand"
        )
    return f"{before}{begin}\n\n{part}\n\n{end}{after}"


def rewrite(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
