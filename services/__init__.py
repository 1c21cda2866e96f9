"""The reward services, one folder each; no service imports another."""
