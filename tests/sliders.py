"""What the HTML of the pre-drawn sliders holds, read from a page or from one figure."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

Attributes = dict[str, str | None]


@dataclass
class Slider:
    """One box with ranges and pictures."""

    ranges: list[Attributes] = field(default_factory=list)
    pictures: list[Attributes] = field(default_factory=list)
    label: str = ""

    @property
    def places(self) -> int:
        """How many pictures the ranges can choose from."""
        places = 1
        for attributes in self.ranges:
            places *= int(attributes["max"] or "") + 1
        return places

    @property
    def visible(self) -> list[Attributes]:
        return [picture for picture in self.pictures if "hidden" not in picture]


class Sliders(HTMLParser):
    """The sliders of a page, its buttons, and how many boxes are hidden."""

    def __init__(self, html: str):
        super().__init__()
        self.sliders: list[Slider] = []
        self.choosers = 0
        self.radios: list[Attributes] = []
        self.hidden_panels: list[bool] = []
        self.ids: list[str | None] = []
        self.scripts = 0
        self._open: list[str] = []  # the elements around the place that is read
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name = attributes.get("class") or ""
        self.scripts += tag == "script"
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "div" or tag == "form":
            self._open.append(name)
        if name == "microtutor-slider":
            self.sliders.append(Slider())
        self.choosers += name == "microtutor-chooser"
        if name == "microtutor-panel":
            self.hidden_panels.append("hidden" in attributes)
        if attributes.get("type") == "radio":
            self.radios.append(attributes)
        if "microtutor-slider" in self._open:
            if tag == "img":
                self.sliders[-1].pictures.append(attributes)
            if attributes.get("type") == "range":
                self.sliders[-1].ranges.append(attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("div", "form"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "microtutor-label":
            self.sliders[-1].label += data
