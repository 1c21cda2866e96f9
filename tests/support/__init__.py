"""What several tests need: sample rollouts, scorers, and real processes that are ended whatever happens."""
