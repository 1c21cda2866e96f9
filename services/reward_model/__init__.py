"""The reward model service: a one-label sequence-classification checkpoint as a reward.

- `app`: builds and runs the service
- `scorer`: rollouts to rewards, off the event loop; hot swap
- `checkpoint`: loads and runs one checkpoint
- `cpu`: how the work is shared out on a CPU
- `routes`: listing and activating checkpoints
- `settings`, `metrics`: what can be set, what is counted
"""
