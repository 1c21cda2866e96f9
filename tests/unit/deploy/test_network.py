"""Who reaches whom under the NetworkPolicies: what the configuration names, and nothing else."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping

import pytest

from tests.support.manifests import NAMESPACE, OVERLAYS, Manifest, of_kind, pods, render, selects

INTERNET, METADATA_SERVICE, OTHER_POD_ADDRESS = "93.184.216.34", "169.254.169.254", "10.1.2.3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    """One end of a connection."""

    name: str
    namespace: str = NAMESPACE
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ports: Mapping[str, int] = dataclasses.field(default_factory=dict)
    address: str = OTHER_POD_ADDRESS
    is_pod: bool = True


PROMETHEUS = Peer(name="prometheus", namespace="monitoring", labels={"app.kubernetes.io/name": "prometheus"})
KEDA = Peer(name="keda", namespace="keda", labels={"app": "keda-operator"})
DNS = Peer(name="dns", namespace="kube-system", labels={"k8s-app": "kube-dns"}, ports={"dns": 53})
STRANGER = Peer(name="stranger", namespace="default", labels={"app.kubernetes.io/component": "trainer"})
NEIGHBOUR = Peer(name="neighbour", labels={"app.kubernetes.io/name": "something-else"}, ports={"http": 8080})
WEB = Peer(name="internet", is_pod=False, address=INTERNET, ports={"https": 443})
METADATA = Peer(name="metadata", is_pod=False, address=METADATA_SERVICE, ports={"http": 80, "https": 443})
OUTSIDE = (PROMETHEUS, KEDA, DNS, STRANGER, NEIGHBOUR, WEB, METADATA)


def peers(folder: str) -> list[Peer]:
    """The Pods of an overlay, those beside it, and others of the cluster and outside of it."""
    ours: dict[str, Peer] = {}
    for part in (folder, "trainer/job", "trainer/kubeflow", "models"):
        for pod in pods(render(part)):
            names = {port["name"]: port["containerPort"] for one in pod.containers for port in one.get("ports", ())}
            name = "trainer" if pod.labels["app.kubernetes.io/component"] == "trainer" else pod.owner.split("/")[1]
            ours[name] = Peer(name=name, labels=pod.labels, ports=names)
    return [*ours.values(), *OUTSIDE]


def policies(folder: str) -> list[Manifest]:
    found: dict[str, Manifest] = {}
    for part in (folder, "trainer/job", "models"):
        for policy in of_kind(render(part), "NetworkPolicy"):
            found[policy["metadata"]["name"]] = policy
    return list(found.values())


def applying(all_policies: list[Manifest], peer: Peer, direction: str) -> list[Manifest]:
    """The policies that bind a Pod in one direction; none: everything is allowed."""
    if not peer.is_pod or peer.namespace != NAMESPACE:
        return []
    return [
        policy
        for policy in all_policies
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], peer.labels)
    ]


def is_meant(rule_peer: Manifest, other: Peer) -> bool:
    if "ipBlock" in rule_peer:
        address = ipaddress.ip_address(other.address)
        block = rule_peer["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(part) for part in block.get("except", ()))
    if not other.is_pod:
        return False
    if "namespaceSelector" in rule_peer:
        if not selects(rule_peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace}):
            return False
    elif other.namespace != NAMESPACE:
        return False
    return selects(rule_peer.get("podSelector", {}), other.labels)


def allows(policy: Manifest, direction: str, other: Peer, target: Peer, port: int) -> bool:
    """Whether one policy lets a connection to ``target``'s port through; ``other`` is its far end."""
    far_end = "from" if direction == "Ingress" else "to"
    for rule in policy["spec"].get(direction.lower(), ()):
        meant = far_end not in rule or any(is_meant(peer, other) for peer in rule[far_end])
        numbers = [target.ports.get(item["port"], item["port"]) for item in rule.get("ports", ())]
        if meant and (not numbers or port in numbers):
            return True
    return False


def reaches(all_policies: list[Manifest], source: Peer, target: Peer, port: int) -> bool:
    """Whether a connection passes the policies of both ends."""
    out = applying(all_policies, source, "Egress")
    into = applying(all_policies, target, "Ingress")
    return (not out or any(allows(policy, "Egress", target, target, port) for policy in out)) and (
        not into or any(allows(policy, "Ingress", source, target, port) for policy in into)
    )


def connections(folder: str) -> set[tuple[str, str, int]]:
    """All that is possible with our Pods at one end."""
    rules, everybody = policies(folder), peers(folder)
    ports = sorted({port for peer in everybody for port in peer.ports.values()} | {29_400})
    return {
        (source.name, target.name, port)
        for source in everybody
        for target in everybody
        for port in ports
        if (source not in OUTSIDE or target not in OUTSIDE or source is NEIGHBOUR or target is NEIGHBOUR)
        and (source.name != target.name or source.name == "trainer")
        and (target.is_pod or port in target.ports.values())
        and reaches(rules, source, target, port)
    }


def expected(folder: str) -> Iterator[tuple[str, str, int]]:
    rewards = {"judge": 8001, "reward-model": 8002, "multi-agent": 8003}
    ours = [peer for peer in peers(folder) if peer not in OUTSIDE] + [NEIGHBOUR]
    for peer in ours:
        yield peer.name, "dns", 53
    for reward, port in rewards.items():
        yield reward, "redis", 6379
        yield "trainer", reward, port
        yield "prometheus", reward, port
    yield "trainer", "redis", 6379
    yield "prometheus", "trainer", 9464
    yield "fetch-models", "internet", 443
    for port in sorted({port for peer in peers(folder) for port in peer.ports.values()} | {29_400}):
        yield "trainer", "trainer", port  # the nodes of one run, on whatever port
    match folder:
        case "overlays/cpu":
            yield "judge", "local-llm", 8004
            yield "multi-agent", "local-llm", 8004
        case "overlays/gpu-shared-llm":
            for asking in ("judge", "multi-agent", "prometheus"):
                yield asking, "vllm", 8000
        case _:
            yield "prometheus", "judge", 8000
            yield "prometheus", "multi-agent", 8000
    if folder == "overlays/autoscale":
        yield "keda", "redis", 6379


@pytest.mark.parametrize("folder", OVERLAYS)
def test_who_may_talk_to_whom(folder: str) -> None:
    assert connections(folder) == set(expected(folder))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_pod_is_denied_by_default(folder: str) -> None:
    (deny,) = [policy for policy in policies(folder) if policy["metadata"]["name"] == "default-deny"]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_without_the_default_the_check_would_see_more() -> None:
    folder = "overlays/gpu"
    open_policies = [policy for policy in policies(folder) if policy["metadata"]["name"] != "default-deny"]
    by_name = {peer.name: peer for peer in peers(folder)}
    assert reaches(open_policies, NEIGHBOUR, WEB, 443) is False, "the policy for DNS alone binds its way out"
    assert reaches(open_policies, STRANGER, NEIGHBOUR, 8080)
    assert not reaches(policies(folder), STRANGER, NEIGHBOUR, 8080)
    assert not reaches(policies(folder), by_name["fetch-models"], METADATA, 443)
    assert not reaches(policies(folder), by_name["judge"], WEB, 443)
