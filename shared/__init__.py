"""The contract and the plumbing of every zhufu service; imports neither services nor trainer."""
