"""One case of a probe: an honest greeting, and the same request answered by something that is not as good."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProbeCase:
    """What a reward is asked to tell apart.

    Attributes:
        prompt: The request; both texts are scored under it.
        honest: A greeting that people call good.
        tampered: What must not be rewarded as much.
        kind: Which variety of the probe it is, such as the kind of an attack; empty where there is but one.
        hidden: Its texts are for measuring, not for reading: no report shows them.
    """

    prompt: str
    honest: str
    tampered: str
    kind: str = ""
    hidden: bool = False
