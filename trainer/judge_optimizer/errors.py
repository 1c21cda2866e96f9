"""What can stop an optimisation, or one change in it."""

from __future__ import annotations

from shared.errors import InvalidData, ZhufuError


class StrategyRefused(ZhufuError):
    """Proposed rules are not what a strategy is; it stays as it was."""

    code = "strategy_refused"


class CeilingReached(ZhufuError):
    """The next call would break the ceiling on calls or tokens. All work is saved; a higher ceiling goes on."""

    code = "ceiling_reached"


class LlmDown(ZhufuError):
    """Several calls in a row found no LLM that answers. All work is saved; the run can be resumed."""

    code = "llm_down"
    retryable = True


class LlmNotConfigured(ZhufuError):
    """No LLM is named, or its settings cannot be used."""

    code = "llm_not_configured"


class GateUnusable(ZhufuError):
    """Too few of the starting principles' verdicts could be read for them to be compared with anything."""

    code = "gate_unusable"


class PoolsOverlap(InvalidData):
    """Validation, reflection and test data share requests or texts, so that nothing would be measured."""

    code = "pools_overlap"


class RunDiverged(ZhufuError):
    """A resumed run does not come to what its log says: answers were lost, or the program is another one."""

    code = "run_diverged"


class AnswersUnusable(ZhufuError):
    """The file of kept answers cannot be read or written."""

    code = "answers_unusable"
