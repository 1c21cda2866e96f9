"""Training policies and reward models, and the `zhufu` command. Speaks to services only over HTTP or the queue."""
