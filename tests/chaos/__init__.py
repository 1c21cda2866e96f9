"""Things are broken on purpose under a small real stack, and then the books must balance.

``python -m tests.chaos --rounds 100 --seed 7 --log chaos.jsonl``; ``make chaos``. Each round draws from its seed a
fault and a moment, starts Redis, scoring services and a requester as processes of their own, breaks one of them, and
waits until the requester has an outcome for everything it asked. Then expected = scored + failed + expired, none twice,
every reward is the right one, and nothing is left in the queue.

- `tests.chaos.plan`: what a round does, drawn from its seed
- `tests.chaos.faults`: all faults, and what each may cost; `tests.chaos.strikes`: how they break things
- `tests.chaos.stack`: the processes of a round
- `tests.chaos.requester`, `tests.chaos.journal`: the requester, which can be killed and goes on
- `tests.chaos.proxy`, `tests.chaos.network`, `tests.chaos.disk`, `tests.chaos.clock`: what connections, networks, disks
  and clocks do to the others
- `tests.chaos.books`: whether the books balance
- `tests.chaos.rounds`: one round from its beginning to its end
- `tests.chaos.table`: a log as a table in docs/chaos.md
"""
