"""Exit codes: one table from kinds of error to what a shell script sees, looked up along the class tree.

0 is success, 1 a command's own bad news (some pictures failed, a check did not pass), 2 a wrong question as every command line has it.
"""

from __future__ import annotations

from dinolabel.vision.errors import (
    DinolabelError,
    MediaError,
    ModelError,
    RequestError,
    SettingsError,
    StudioError,
    TrainingError,
    nearest_entry,
)

CODES: dict[type[DinolabelError], int] = {
    SettingsError: 2,
    RequestError: 2,
    MediaError: 3,
    ModelError: 4,
    StudioError: 5,
    TrainingError: 6,
}
OTHER = 1


def code(error: BaseException | type[BaseException]) -> int:
    """The exit code of an error, by the nearest of its classes that is in the table; 1 when none is."""
    return nearest_entry(CODES, error, OTHER)
