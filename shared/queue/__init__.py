"""The rollout queue on Redis Streams (Redis 6.2 or newer), one stream a reward.

A requester adds one entry a rollout to ``zhufu:{reward}:rollouts`` and reads its results from a stream of its own.
Scoring processes read as one consumer group. An entry is acknowledged only in the same atomic step that saves its
result, so a process may die at any moment: another takes its entries over when the lease runs out, and the requester
sees each result exactly once.

- `shared.queue.keys`: the names of all keys
- `shared.queue.scripts`: the atomic steps, in Lua
- `shared.queue.messages`: what an entry and a result look like
- `shared.queue.broker`: those steps as typed calls, used by both sides
- `shared.queue.consumer`: the queue door of a service; `shared.queue.outbox`: how it saves results
- `shared.client.queue`: the requester's side
"""
