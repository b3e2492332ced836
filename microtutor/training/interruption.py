"""Ctrl-C during training: put off to the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupt_later() -> Iterator[Callable[[], bool]]:
    """Put off the first Ctrl-C, so that no step is saved half done; gives a function that says whether it came."""
    came: list[int] = []

    def remember(number: int, frame: Any) -> None:
        if came:
            signal.default_int_handler(number, frame)
        came.append(number)

    in_main_thread = threading.current_thread() is threading.main_thread()  # no other may set a handler, or needs one
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
