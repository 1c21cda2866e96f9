"""The corpus of attacks, each on a good greeting: behind it, around it, or in its place."""

from __future__ import annotations

from trainer.data.attacks import ATTACK_SPLITS, Attack, load_attacks
from trainer.data.matching import in_order
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.probe import Materials


def attacked(materials: Materials) -> list[ProbeCase]:
    """Attacks in a drawn order, one on each greeting, those kept for measuring among them."""
    attacks = [attack for split in ATTACK_SPLITS for attack in load_attacks(split)]
    drawn = in_order(attacks, [attack.id for attack in attacks], materials.seed)[: materials.limit]
    if not materials.honest:
        return []
    cases: list[ProbeCase] = []
    for turn, attack in enumerate(drawn):
        row = materials.honest[turn % len(materials.honest)]
        tampered = with_attack(row.completion, attack)
        cases.append(
            ProbeCase(
                prompt=row.prompt,
                honest=row.completion,
                tampered=tampered,
                kind=attack.kind or "",
                hidden=attack.split == "held_out",
            )
        )
    return cases


def with_attack(greeting: str, attack: Attack) -> str:
    """What the attack makes of a greeting: the corpus' own greeting is replaced by it, wherever that stands."""
    if attack.suffix is not None:
        return greeting + attack.suffix
    if attack.greeting and attack.greeting in attack.attack:
        return attack.attack.replace(attack.greeting, greeting, 1)
    return attack.attack
