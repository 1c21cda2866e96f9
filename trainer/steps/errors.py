"""What can go wrong with steps; all are `shared.errors.ZhufuError`.

ZhufuError
├── InvalidPlan     a step reads what nobody makes, or its command line is none
├── FolderInUse     another process works in the folder
├── StepChanged     a step that is done was done with other arguments
├── StepUndone      a step is to be done again whose results others have used
├── StepFailed      a step ended without its result
└── NeedsMissing    this machine lacks what steps need
"""

from __future__ import annotations

from shared.errors import ZhufuError


class InvalidPlan(ZhufuError):
    """A plan with a hole: an input that nobody makes, or a command line that the command does not take."""

    code = "invalid_plan"


class FolderInUse(ZhufuError):
    """Another process works in this folder, or a step that it began has not ended yet."""

    code = "folder_in_use"


class StepChanged(ZhufuError):
    """A step is done, but with other arguments than are given now."""

    code = "step_changed"


class StepUndone(ZhufuError):
    """What a step made is gone, or was not made to its end, and other steps have used it."""

    code = "step_undone"


class StepFailed(ZhufuError):
    """A step ended without its result. The same command goes on with it."""

    code = "step_failed"


class NeedsMissing(ZhufuError):
    """This machine lacks something that steps need; nothing was begun."""

    code = "needs_missing"
