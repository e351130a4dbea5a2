"""The tasks. Each file in this folder holds one benchmark; `load_task` looks it up by its `Task.name`.

To add a task, add a file with a `Task` subclass that sets `name`. No other file has to change.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from trainer.data_files import DataError
from trainer.records import Example
from trainer.tasks.base import AnswerFacts, Rendered, Task

__all__ = ["AnswerFacts", "Rendered", "Task", "add_task_folder", "known_tasks", "load_task"]


def load_task(name: str, train: Sequence[Example] = ()) -> Task:
    """Create the task with this name.

    Args:
        name: one of `known_tasks`, or `module:object` for your own subclass of `Task`. The module must be on the
            Python path, in a folder given to `add_task_folder`, or in the current folder.
        train: the training rows. Some tasks learn from them, for example, their label set.

    Raises:
        DataError: there is no such task. The message lists the known ones.
    """
    return _task_class(name)(train)


def add_task_folder(folder: Path) -> None:
    """Let this process import task classes from a folder. Modules on the Python path come first.

    Call it only with folders that the user of this process has chosen: the service never does.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@cache
def known_tasks() -> dict[str, type[Task]]:
    """Name -> task class, for every file in this folder."""
    classes = {cls.name: cls for cls in _classes() if cls.name}
    return dict(sorted(classes.items()))


def _classes() -> Iterator[type[Task]]:
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Task) and value.__module__ == info.name:
                yield value


def _task_class(name: str) -> type[Task]:
    if ":" in name:
        return _import_task(name)
    try:
        return known_tasks()[name]
    except KeyError:
        raise DataError(
            f"There is no task {name!r}. Use one of {', '.join(known_tasks())}, "
            "or `module:object` for your own."
        ) from None


def _import_task(name: str) -> type[Task]:
    """A user's own task class, from `module:object`."""
    module_name, _, attribute = name.partition(":")
    # the Python path of a console script does not include the current folder
    add_task_folder(Path.cwd())
    try:
        value = getattr(importlib.import_module(module_name), attribute)
    except AttributeError:
        raise DataError(f"Task {name!r}: the module {module_name} has no {attribute!r}.") from None
    except (Exception, SystemExit) as error:  # a script may end itself when it is imported
        raise DataError(
            f"Task {name!r}: the module {module_name!r} cannot be imported "
            f"({type(error).__name__}: {error}). "
            "Write `module:object`, with the module beside the config, in the current folder or on the Python path."
        ) from error
    if not (isinstance(value, type) and issubclass(value, Task)):
        raise DataError(f"Task {name!r} is not a subclass of trainer.tasks.base.Task.")
    return value
