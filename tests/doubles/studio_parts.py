"""What doubles of `LabelStudio` derive from: written flat, asked by parts as the client is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dinolabel.studio.client import LabelStudio

CLIENT = LabelStudio("http://studio.test", "0" * 40)


class Part:
    """studio.tasks, say: each of its calls is a method of the double, such as tasks_list. It has only calls that the client has."""

    def __init__(self, double: Any, name: str) -> None:
        vars(self).update(double=double, name=name)

    def __getattr__(self, call: str) -> Any:
        assert hasattr(getattr(CLIENT, self.name), call), f"the client has no {self.name}.{call}"
        return getattr(self.double, f"{self.name}_{call}")

    def __setattr__(self, call: str, value: Any) -> None:
        getattr(self, call)  # a call that there is
        setattr(self.double, f"{self.name}_{call}", value)


class StudioParts:
    def __getattr__(self, name: str) -> Any:
        if name in vars(CLIENT) and name not in {"api", "aliases"}:
            return Part(self, name)
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def tabs_show_or_remove(self, project: int, tab: tuple[str, str], tasks: Sequence[int]) -> str | None:
        """As the client does."""
        if not tasks:
            self.tabs_remove(project, tab[0])
            return None
        return str(self.tabs_show_tasks(project, *tab, list(dict.fromkeys(tasks))))
