"""The judge service: a language model as a reward that cannot be talked round.

- `app`: builds and runs the service
- `scorer`: rollouts to rewards: inspect, ask the panel, combine; `task`: how one of them shall be judged
- `modes`: what each mode asks and how its answers are read; `prompts` renders the text of it
- `calibration`: what a model leans to, measured on examples and taken out
- `groups`: members of a group find each other, also across replicas; `comparison` compares them,
  `group_judge` does both for a rollout
- `panel`: the models that are asked, their answers cached
- `principles`, `examples`: the versioned files that the prompt is made of; `store`: which principles are in force
- `routes`: listing, publishing and activating principles
- `settings`, `metrics`: what can be set, what is counted
"""
