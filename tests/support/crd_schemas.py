"""Makes the JSON schemas of custom resources that tests hold our manifests to, from packages with their models.

    pip install cloudcoil-models-keda==2.20.2.1 cloudcoil-models-prometheus-operator==0.93.1.1   # Python 3.14
    pip install kubeflow-trainer-api==2.3.0
    python -m tests.support.crd_schemas tests/unit/deploy/schemas [KIND …]

Those models are generated from the published custom resource definitions. What pydantic adds to them is taken out again
(titles, defaults, null for what is left out), and unknown fields are refused, as the API server does.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

MODELS = {
    "ScaledObject": ("cloudcoil.models.keda.v1alpha1", "ScaledObject"),
    "TriggerAuthentication": ("cloudcoil.models.keda.v1alpha1", "TriggerAuthentication"),
    "PodMonitor": ("cloudcoil.models.prometheus_operator.v1", "PodMonitor"),
    "PrometheusRule": ("cloudcoil.models.prometheus_operator.v1", "PrometheusRule"),
    "TrainingRuntime": ("kubeflow_trainer_api.models", "TrainerV1alpha1TrainingRuntime"),
    "TrainJob": ("kubeflow_trainer_api.models", "TrainerV1alpha1TrainJob"),
}
"""Kind to module and class."""
FOR_PEOPLE = ("title", "description", "default")
QUANTITY = "IoK8sApimachineryPkgApiResourceQuantity"
INT_OR_STRING = "IoK8sApimachineryPkgUtilIntstrIntOrString"
NUMBER_OR_TEXT = {"type": ["integer", "string"]}


def strict(schema: Any) -> Any:
    """A schema of pydantic as one of Kubernetes: no nulls, no defaults, no unknown fields."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", *FOR_PEOPLE}}
        if len(options) == 1:
            return strict({**rest, **options[0]})
        return {**strict(rest), "anyOf": strict(options)}
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:  # these keys are names of others, not words of JSON schema
            kept[key] = {name: strict(part) for name, part in value.items()}
        elif key not in FOR_PEOPLE:
            kept[key] = strict(value)
    if kept.get("properties"):
        kept.setdefault("additionalProperties", False)
    return kept


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one kind; needs the packages."""
    module, name = MODELS[kind]
    model = getattr(importlib.import_module(module), name)
    schema: dict[str, Any] = strict(model.model_json_schema(by_alias=True))
    for scalar in (QUANTITY, INT_OR_STRING):
        if scalar in schema.get("$defs", {}):
            schema["$defs"][scalar] = NUMBER_OR_TEXT
    return schema


def main() -> None:
    """Write the schemas, one file a kind."""
    folder = Path(sys.argv[1])
    for kind in sys.argv[2:] or MODELS:
        text = json.dumps(schema_of(kind), indent=1, sort_keys=True, ensure_ascii=False)
        (folder / f"{kind}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
