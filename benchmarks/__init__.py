"""How fast the services are: ``python -m benchmarks`` runs all parts and writes docs/benchmarks.md.

Everything is real and in a process of its own: Redis, the service, the load generator, the offline baseline. What is
compared is run by turns in one go, so that a busy machine troubles both sides alike; medians and spreads are reported.

- `parts`: the registry of parts, each a function that is given a `context` and returns a `tables.Section`
- `report`: what is written into docs/benchmarks.md; `peers`: virtual environments of other projects
- `bench_queue`: rollouts per second through the queue, and latency at low load, with a scorer that does nothing
- `bench_queue_single`: one rollout after the other, beside the least that redis-py needs for it (`bare_queue`)
- `bench_queue_peers`: the same beside taskiq and arq (`peer_queues`); `bench_growth`: more rollouts, more consumers
- `bench_http`: the HTTP door beside a bare FastAPI route (`bare_route`) and a plain server (`serve_rm`)
- `process_memory`: whether a service grows with what it has scored
- `bench_reward_model`: the reward model over HTTP and through the queue, beside the same model run offline
- `reward_peers`: servers of a reward model by others on the same checkpoint; `openrlhf_server`, `litserve_server`: what
  two of them run; `wire_forms`: how each is asked
- `reward_profile`: where the reward model's time goes on one core; a command of its own
- `bench_judge`: verdicts per second and prompt tokens computed, by mode, beside the reference way
- `bench_training`: the share of a GRPO step that waits for rewards; `grpo_runs`: the process that trains
- `judge_accuracy`, `judge_attacks`, `judge_cost`: what the judge is worth, how it stands attacks, what a verdict costs;
  each is a command of its own, `judge_setup` starts what they need; docs/judge.md has the figures
- `http_load`, `queue_load`, `offline`: the processes that make load; `noop_service`: the scorer that does nothing
- `workload`, `checkpoints`: the rollouts and how they are sent, and models with random weights
- `processes`, `tables`: starting and asking processes; medians and tables
"""
