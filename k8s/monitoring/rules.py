"""Writes `rules.yaml`: the alert rules of monitoring/prometheus/rules as objects of the Prometheus Operator.

python k8s/monitoring/rules.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

TARGET = Path(__file__).with_name("rules.yaml")
RULES = Path(__file__).resolve().parents[2] / "monitoring" / "prometheus" / "rules"
HEADER = "# Made by `python k8s/monitoring/rules.py` from monitoring/prometheus/rules; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def manifests(folder: Path) -> str:
    """One PrometheusRule for each rule file of a folder, in the order of their names.

    ValueError where the folder has none, or a file holds more than groups of rules.
    """
    documents = []
    for path in sorted(folder.glob("*.yml")):
        rules = yaml.safe_load(path.read_text(encoding="utf-8"))
        if rules.keys() != {"groups"}:
            raise ValueError(f"{path} holds {', '.join(rules)}; only groups of rules can be taken over")
        documents.append(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {"name": f"zhufu-{path.stem.replace('_', '-')}"},
                "spec": rules,
            }
        )
    if not documents:
        raise ValueError(f"{folder} holds no rules")
    return HEADER + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    """Write the file."""
    TARGET.write_text(manifests(RULES), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")


if __name__ == "__main__":
    main()
