"""Let the Colab button of a chapter's page open its Colab edition, at the tag of the release that the page belongs to.

The theme's own button would open the chapter itself, on the branch that is named for the edit button. This module is an
extension of Sphinx (`local_extensions` in `_config.yml`).
"""

from pathlib import PurePosixPath

from outline import chapters, colab_address


def lead_to_the_edition(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Change the address of the button, which the theme has put among those of the header."""
    if pagename not in {f"book/{path.stem}" for path in chapters()}:
        return  # nor is a lesson plan a chapter, though it is called like one
    chapter = PurePosixPath(pagename).name
    groups = [group["buttons"] for group in context["header_buttons"] if group.get("label") == "launch-buttons"]
    found = [button for buttons in groups for button in buttons if "colab.research.google.com" in button.get("url", "")]
    if len(found) != 1:
        raise ValueError(f"expected one Colab button on the page of {chapter}, found {len(found)}: see launch_buttons")
    found[0]["url"] = colab_address(chapter)


def setup(app) -> dict:
    app.connect("html-page-context", lead_to_the_edition, priority=502)  # the theme makes its buttons at 501
    return {"parallel_read_safe": True}
