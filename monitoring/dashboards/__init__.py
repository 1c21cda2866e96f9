"""Grafana's dashboards as code; ``python -m monitoring.dashboards`` writes their JSON.

- `panels`: what all dashboards are made of
- `rewards`, `latency`, `queue`, `llm_cost`, `training`: one dashboard each
"""
