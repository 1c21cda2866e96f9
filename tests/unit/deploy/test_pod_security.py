"""The Pod Security Standards, profile restricted, one test a control, and what goes beyond them here.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.manifests import ALL, Manifest, Pod, named, pods, render

SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "image",
}


def every_pod() -> list[Pod]:
    return [pod for folder in ALL for pod in pods(render(folder))]


def every_container() -> Iterator[tuple[Pod, Manifest]]:
    for pod in every_pod():
        for container in pod.all_containers:
            yield pod, container


def contexts(pod: Pod) -> list[Manifest]:
    return [pod.spec["securityContext"], *(container["securityContext"] for container in pod.all_containers)]


def in_force(pod: Pod, container: Manifest, field: str) -> Any:
    """A field of the security context: the container's own, else the Pod's."""
    return container["securityContext"].get(field, pod.spec["securityContext"].get(field))


def handlers(container: Manifest) -> list[Manifest]:
    probes = [container.get(name, {}) for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    return [*probes, *container.get("lifecycle", {}).values()]


def test_there_are_pods_to_look_at() -> None:
    owners = {pod.owner for pod in every_pod()}
    assert {"Deployment/judge", "StatefulSet/redis", "Job/train-grpo", "TrainingRuntime/zhufu-trainer"} <= owners


# Baseline


def test_no_host_process() -> None:
    assert all("windowsOptions" not in context for pod in every_pod() for context in contexts(pod))


def test_no_host_namespaces() -> None:
    assert not any(pod.spec.get(name) for pod in every_pod() for name in ("hostNetwork", "hostPID", "hostIPC"))


def test_no_privileged_container() -> None:
    assert not any(container["securityContext"].get("privileged") for _, container in every_container())


def test_no_host_path() -> None:
    assert not any("hostPath" in volume for pod in every_pod() for volume in pod.spec.get("volumes", ()))


def test_no_host_ports() -> None:
    assert not any(port.get("hostPort") for _, container in every_container() for port in container.get("ports", ()))


def test_no_probe_or_hook_names_a_host() -> None:
    for pod, container in every_container():
        for handler in handlers(container):
            for action in ("httpGet", "tcpSocket"):
                assert "host" not in handler.get(action, {}), pod.owner


def test_apparmor_is_not_switched_off() -> None:
    for pod in every_pod():
        for context in contexts(pod):
            profile = context.get("appArmorProfile", {}).get("type")
            assert profile in {None, "RuntimeDefault", "Localhost"}, pod.owner


def test_selinux_is_left_alone() -> None:
    for pod in every_pod():
        for context in contexts(pod):
            options = context.get("seLinuxOptions", {})
            assert options.get("type") in SELINUX_TYPES, pod.owner
            assert not options.get("user"), pod.owner
            assert not options.get("role"), pod.owner


def test_proc_is_masked() -> None:
    assert all(container["securityContext"].get("procMount") in {None, "Default"} for _, container in every_container())


def test_sysctls_are_safe_ones() -> None:
    for pod in every_pod():
        assert {sysctl["name"] for sysctl in pod.spec["securityContext"].get("sysctls", ())} <= SYSCTLS, pod.owner


# Restricted


def test_volumes_are_of_core_types() -> None:
    for pod in every_pod():
        for volume in pod.spec.get("volumes", ()):
            assert set(volume) - {"name"} <= VOLUMES, f"{pod.owner}: {volume}"


def test_no_privilege_escalation() -> None:
    for pod, container in every_container():
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, pod.owner


def test_runs_as_non_root() -> None:
    for pod, container in every_container():
        assert in_force(pod, container, "runAsNonRoot") is True, pod.owner


def test_user_is_not_root() -> None:
    for pod, container in every_container():
        assert in_force(pod, container, "runAsUser") > 0, pod.owner


def test_seccomp_is_on() -> None:
    for pod, container in every_container():
        assert in_force(pod, container, "seccompProfile") == {"type": "RuntimeDefault"}, pod.owner


def test_capabilities_are_dropped() -> None:
    for pod, container in every_container():
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, pod.owner


# Beyond the standard


def test_the_namespace_asks_for_it() -> None:
    labels = named(render("namespace"), "Namespace", "zhufu")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_root_file_system_is_read_only_and_tmp_is_not() -> None:
    for pod, container in every_container():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod.owner
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volume = next(volume for volume in pod.spec["volumes"] if volume["name"] == mounts["/tmp"])
        assert volume["emptyDir"]["sizeLimit"], f"{pod.owner}: /tmp without a bound"


def test_our_images_run_as_the_user_they_are_made_for() -> None:
    for pod, container in every_container():
        if container["image"].startswith("zhufu-"):
            assert in_force(pod, container, "runAsUser") == 10001, pod.owner
            assert in_force(pod, container, "runAsGroup") == 10001, pod.owner


def test_no_pod_has_a_token_of_the_api_server() -> None:
    for folder in ALL:
        manifests = render(folder)
        for pod in pods(manifests):
            assert pod.spec["automountServiceAccountToken"] is False, pod.owner
            account = named(manifests, "ServiceAccount", pod.spec["serviceAccountName"])
            assert account["automountServiceAccountToken"] is False, pod.owner


def test_every_workload_has_an_account_of_its_own() -> None:
    for folder in ALL:
        found = pods(render(folder))
        assert len({pod.spec["serviceAccountName"] for pod in found}) == len(found), folder


def test_services_do_not_become_variables() -> None:
    """VLLM_PORT=tcp://… would be a setting of vLLM, and ZHUFU_JUDGE_PORT one of ours where a Service has that name."""
    assert all(pod.spec["enableServiceLinks"] is False for pod in every_pod())
