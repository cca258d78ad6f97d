"""A place for one thing: the newest wins, what nobody took is dropped and counted."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nothing lies in the mailbox and nothing will come any more."""


class Mailbox(Generic[T]):
    """One-place mailbox between a thread that puts and a thread that takes; neither has to wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._error: BaseException | None = None
        self._drops = 0

    @property
    def drops(self) -> int:
        """How many items a newer one replaced before anybody took them."""
        with self._changed:
            return self._drops

    def put(self, item: T) -> None:
        """Lay an item down in place of the one that may lie there; ignored after `close`."""
        with self._changed:
            if self._closed:
                return
            self._drops += self._item is not None
            self._item = item
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Take the item, waiting for one if need be; None when none came in time.

        Raises:
            Closed: the mailbox is closed and empty.
            BaseException: the error that it was closed with, once it is empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None, timeout_s)
            item, self._item = self._item, None
            if item is None and self._closed:
                raise self._error or Closed
            return item

    def close(self, error: BaseException | None = None) -> None:
        """Let nothing more in; what lies there can still be taken. The first close counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()
