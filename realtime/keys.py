"""Which key does what: avatarify's vocabulary, changed by the settings file's [keys]."""

from collections.abc import Mapping
from difflib import get_close_matches

from realtime.controls import ACTIONS
from reenact.errors import UserError

KEYS: Mapping[str, tuple[str, ...]] = {
    **{f"avatar-{n}": (str(n),) for n in range(1, 10)},
    "previous-avatar": ("a",),
    "next-avatar": ("d",),
    "calibrate": ("x",),
    "relative": ("r",),
    "mirror": ("m",),
    "mirror-driver": ("t",),
    "pause": ("p",),
    "blank": ("b",),
    "camera": ("v",),
    "record": ("g",),
    "mouth-less": ("[",),
    "mouth-more": ("]",),
    "smooth-less": (";",),
    "smooth-more": ("'",),
    "next-edit": ("e", "tab"),
    "edit-less": ("-",),
    "edit-more": ("+", "="),
    "hud": ("i",),
    "help": ("?",),
    "quit": ("esc", "q"),
}
"""The keys of each of ACTIONS, letters in lower case."""

_NAMED = {9: "tab", 10: "enter", 13: "enter", 27: "esc", 32: "space", 8: "back", 127: "back"}


def key_of(code: int) -> str | None:
    """The name of a key by its character code; None for one that has none. Case does not matter."""
    if code in _NAMED:
        return _NAMED[code]
    return chr(code).lower() if 32 < code < 127 else None


class KeyMap:
    """What each key does."""

    def __init__(self, changed: Mapping[str, str] | None = None) -> None:
        """`changed`: keys by action, in place of KEYS'.

        Raises:
            UserError: no such action or key, or a key that is given twice.
        """
        keys = {action: tuple(names) for action, names in KEYS.items()}
        for action, key in (changed or {}).items():
            keys[_known(action)] = (_named(key, action),)
        self._keys = keys
        self._actions: dict[str, str] = {}
        for action, names in keys.items():
            for name in names:
                if name in self._actions:
                    raise UserError(
                        f"the key {name!r} would be both {self._actions[name]!r} and {action!r}: "
                        "give one of them another in [keys] of the settings file"
                    )
                self._actions[name] = action

    def action(self, key: str | None) -> str | None:
        """What a key does; None: nothing."""
        return self._actions.get(key) if key is not None else None

    def lines(self) -> list[tuple[str, str]]:
        """Every key and what it does, for people; the avatars' nine in one line."""
        rest = [action for action in self._keys if not action.startswith("avatar-")]
        avatars = [self._keys[f"avatar-{n}"][0] for n in range(1, 10)]
        usual = avatars == [str(n) for n in range(1, 10)]
        first = ("1-9" if usual else " ".join(map(_shown, avatars)), "avatar")
        return [first, *((self.of(action), ACTIONS[action].words) for action in rest)]

    def of(self, action: str) -> str:
        """The keys of an action, for people."""
        return " or ".join(map(_shown, self._keys[action]))


def _shown(key: str) -> str:
    return key.upper() if len(key) == 1 else key.capitalize()


def _known(action: str) -> str:
    if action in ACTIONS:
        return action
    near = get_close_matches(action, ACTIONS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    names = ", ".join(name for name in ACTIONS if not name.startswith("avatar-"))
    raise UserError(
        f"[keys] in the settings file has an action {action!r} that there is not: {hint}"
        f"there are avatar-1 to avatar-9, {names}"
    )


def _named(key: str, action: str) -> str:
    name = key.lower()
    if name in _NAMED.values() or (len(name) == 1 and key_of(ord(name)) is not None):
        return name
    names = ", ".join(dict.fromkeys(_NAMED.values()))
    raise UserError(
        f"[keys] in the settings file gives {action!r} the key {key!r}: "
        f"give one character, or {names}"
    )
