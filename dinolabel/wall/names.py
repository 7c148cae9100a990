"""The names that a wall offers: those of the project's label config, in its order, with their keys; new ones are added to it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dinolabel.studio.label_configs.label_config import add_name, hotkeys
from dinolabel.studio.label_configs.label_names import look_alikes
from dinolabel.vision.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinolabel.studio.client import LabelStudio
    from dinolabel.studio.label_configs.label_config import LabelConfig


class NameUnknown(RequestError):
    """A name that the project does not have yet, or that looks like one it has: to be asked about before it is added."""


class NameList:
    """parse: the label config of a project's XML. changed: called with the config after a name was added."""

    def __init__(self, studio: LabelStudio, project: int, parse: Callable[[], LabelConfig], changed: Callable[[LabelConfig], None]) -> None:
        self._studio = studio
        self._project = project
        self._parse = parse
        self._changed = changed
        self._lock = threading.Lock()
        self._refresh()

    def all(self, used: Iterable[str] = ()) -> list[str]:
        """Names of the label config, then those in use that it does not have any more."""
        return list(dict.fromkeys([*self._config.learnt, *used]))

    def hotkeys(self) -> dict[str, str]:
        """Name -> its key in Label Studio, which is its key here."""
        return {name: key for name, key in self._keys.items() if name in self._config.learnt}

    def use(self, name: str, *, add: bool) -> str:
        """The name as the label config spells it. add: it may be put into the config. Raises NameUnknown, RequestError for no name."""
        wanted = " ".join(name.split())
        if not wanted:
            raise RequestError("No name was given.", hint="Type one, or press the key of one.")
        with self._lock:
            known = self._config.current_name(wanted)
            if known in self._config.learnt:
                return known
            self._refresh()
            if known in self._config.learnt:
                return known
            if not add:
                alike = look_alikes(wanted, self._config.labels)
                told = f"{wanted!r} is new" + (f", and looks like {alike[0]!r}" if alike else "")
                raise NameUnknown(f"{told}. Add it to the project?", hint=alike[0] if alike else "")
            if wanted in self._config.generic:
                raise RequestError(f"{wanted!r} is what the project looks for, no name.", hint="Choose another name.")
            self._studio.projects.set_label_config(self._project, add_name(self._xml, wanted))
            self._refresh()
            self._changed(self._config)
            return wanted

    def _refresh(self) -> None:
        self._xml = self._studio.projects.get(self._project).label_config
        self._config, self._keys = self._parse(), hotkeys(self._xml)
