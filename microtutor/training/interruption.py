"""Ctrl-C or SIGTERM during training: put off to the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@contextmanager
def interrupt_later() -> Iterator[Callable[[], bool]]:
    """Put off the first Ctrl-C or SIGTERM, so that no step is saved half done; gives a function that says if it came.

    The second raises KeyboardInterrupt at once. Signals that the caller handles, or ignores, stay as they are.
    """
    came: list[int] = []

    def remember(number: int, frame: Any) -> None:
        if came:
            signal.default_int_handler(number, frame)
        came.append(number)

    ours = {number: usual for number, usual in USUAL.items() if signal.getsignal(number) == usual}
    if threading.current_thread() is not threading.main_thread():  # no other may set a handler, or needs one
        ours = {}
    for number in ours:
        signal.signal(number, remember)
    try:
        yield lambda: bool(came)
    finally:
        for number, usual in ours.items():
            signal.signal(number, usual)
