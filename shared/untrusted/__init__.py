"""How text that somebody else wrote enters a prompt: looked through, shown without its tricks, fenced by a nonce."""

from shared.untrusted.fence import fence, nonce_for
from shared.untrusted.flags import FLAGS, Flag
from shared.untrusted.inspection import CUT, Inspection, disarm, has_words, inspect

__all__ = ["CUT", "FLAGS", "Flag", "Inspection", "disarm", "fence", "has_words", "inspect", "nonce_for"]
