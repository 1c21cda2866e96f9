"""The Compose files: valid, in agreement with the settings, and with nothing open that need not be."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from services.reward_model.settings import RewardModelSettings
from shared.settings import ServiceSettings
from tests.support.processes import ROOT
from trainer.local_llm.options import API_KEY_VARIABLE, MODEL_VARIABLE
from trainer.stack.llm import LocalLlm
from trainer.stack.services import AGENTS, JUDGE
from trainer.stack.summary import KEY_VARIABLE

pytest.importorskip("podman_compose", reason="podman-compose is not installed")
from tests.support.compose import CPU, GPU, REQUIRED, Service, interpolated, load, seconds, services

SETTINGS: dict[str, type[ServiceSettings]] = {
    "judge": JudgeSettings,
    "reward-model": RewardModelSettings,
    "multi-agent": MultiAgentSettings,
}
OTHERS = {
    "local-llm": {API_KEY_VARIABLE, MODEL_VARIABLE},
    "trainer": {KEY_VARIABLE, "ZHUFU_REDIS_URL"},
}
"""What processes without a settings class read of ours."""
PUBLISHED = {"judge", "reward-model", "multi-agent", "prometheus", "grafana"}
SHARED_LLM = {"AGENTS_LLM": "judge-llm", "AGENTS_LLM_REPLICAS": "0"}
PLAIN = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
both = pytest.mark.parametrize("files", [CPU, GPU], ids=["cpu", "gpu"])


def all_services() -> Iterator[tuple[str, Service]]:
    for kind, files in (("cpu", CPU), ("gpu", GPU)):
        for name, service in services(files).items():
            yield f"{kind} {name}", service


every = pytest.mark.parametrize("service", [pytest.param(found, id=name) for name, found in all_services()])


def names_of(settings: type[BaseSettings]) -> set[str]:
    """Every environment variable that a settings class reads."""
    names: set[str] = set()
    for field in settings.model_fields.values():
        assert isinstance(field.validation_alias, AliasChoices)
        names |= {str(choice) for choice in field.validation_alias.choices}
    return names


def check_schema(path: Path) -> None:
    """Against the Compose specification's own JSON schema, which check-jsonschema carries."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", sorted({*CPU, *GPU}))
def test_each_file_is_what_the_compose_specification_allows(file: str) -> None:
    check_schema(ROOT / file)


@both
@pytest.mark.parametrize("variables", [{}, SHARED_LLM], ids=["as it is", "shared LLM"])
def test_so_are_they_merged_and_with_their_variables(
    files: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    merged = tmp_path / "merged.yml"
    merged.write_text(yaml.safe_dump(load(files, REQUIRED | variables)), encoding="utf-8")
    check_schema(merged)


@both
@pytest.mark.parametrize("variables", [{}, SHARED_LLM], ids=["as it is", "shared LLM"])
def test_docker_compose_itself_reads_them_as_these_tests_do(files: tuple[str, ...], variables: dict[str, str]) -> None:
    names = [option for file in files for option in ("--file", str(ROOT / file))]
    command = [*docker_compose(), "--env-file", os.devnull, *names, "--profile=train", "config", "--format=json"]
    answer = subprocess.run(
        command, env={**PLAIN, **REQUIRED, **variables}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    read = json.loads(answer.stdout)["services"]
    ours = services(files, REQUIRED | variables)
    assert read.keys() == ours.keys()
    for name, service in ours.items():
        theirs = read[name]
        assert (theirs.get("environment") or {}) == service.given
        assert theirs["image"] == service.definition["image"]
        assert theirs["deploy"].get("replicas", 1) == service.replicas
        ports = [f"{port['host_ip']}:{port['published']}:{port['target']}" for port in theirs.get("ports", [])]
        assert ports == service.definition.get("ports", [])
        command = [word.replace("$$", "$") for word in theirs["command"] or []]
        assert command == service.definition.get("command", [])


def docker_compose() -> list[str]:
    """The command of Docker Compose 2 or later, which needs no engine to read files."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None:
            asked = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
            if asked.returncode == 0 and int(asked.stdout.strip().removeprefix("v").split(".")[0]) >= 2:
                return command
    pytest.skip("Docker Compose is not installed")


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("services: {judge: {image: x, read_onyl: true}}\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="read_onyl"):
        check_schema(wrong)


@pytest.mark.parametrize("missing", REQUIRED)
@both
def test_without_a_key_nothing_starts(files: tuple[str, ...], missing: str) -> None:
    without = {name: value for name, value in REQUIRED.items() if name != missing}
    for variables in (without, {**without, missing: ""}):
        with pytest.raises(ValueError, match=r"make \.env"):
            load(files, variables)


def test_the_example_of_env_names_every_variable_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    asked = {name for file in GPU for name, _ in interpolated(ROOT / file)}
    assert named - {"COMPOSE_FILE"} == asked
    required = {name for file in GPU for name, operator in interpolated(ROOT / file) if operator == ":?"}
    assert required == set(REQUIRED)


@both
def test_an_example_with_keys_is_all_that_compose_needs(files: tuple[str, ...], tmp_path: Path) -> None:
    target = tmp_path / ".env"
    subprocess.run([sys.executable, ROOT / "deploy/new_env.py", target], check=True, capture_output=True)
    variables = {name: value or "" for name, value in dotenv_values(target).items()}
    asked = {name for name, _ in interpolated(ROOT / "docker-compose.yml")}
    assert {name for name, value in variables.items() if value} <= asked | {"COMPOSE_FILE"}
    assert load(files, variables)["services"]["judge"]["environment"]["ZHUFU_API_KEYS"] == variables["ZHUFU_API_KEY"]


@every
def test_every_variable_of_ours_exists(service: Service) -> None:
    ours = {name for name in service.environment if name.startswith("ZHUFU_")}
    known = names_of(SETTINGS[service.name]) if service.name in SETTINGS else OTHERS.get(service.name, set())
    # The file of an LLM tells the judge and the agents; each passes over what is the other's.
    shared = {name for other in ("judge", "multi-agent") for name in names_of(SETTINGS[other])}
    assert ours - (known | (shared if "env_file" in service.definition else set())) == set()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "variables", [{}, SHARED_LLM, {"REWARD_CHECKPOINT": "/runs/rm/model"}], ids=["as it is", "shared LLM", "own model"]
)
@both
def test_each_service_starts_with_what_it_is_given(
    files: tuple[str, ...], variables: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("ZHUFU_")]:
        monkeypatch.delenv(variable)
    service = services(files, REQUIRED | variables)[name]
    for variable, value in service.environment.items():
        if variable.startswith("ZHUFU_"):
            monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()
    assert settings.host == "0.0.0.0"
    assert [key.get_secret_value() for key in settings.api_keys] == [REQUIRED["ZHUFU_API_KEYS"]]
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == f"redis://:{REQUIRED['REDIS_PASSWORD']}@redis:6379/0"
    assert settings.log_format == "json"
    # Twice: for what is being answered, then for what is left of the queue.
    assert seconds(service.definition["stop_grace_period"]) > 2 * settings.drain_timeout_seconds
    if isinstance(settings, JudgeSettings | MultiAgentSettings):
        everyone = services(files, REQUIRED | variables)
        asked = re.fullmatch(r"http://([a-z-]+):(\d+)/v1", settings.llm_url)
        assert asked is not None
        assert everyone[asked[1]].replicas == 1
        assert asked[1] in service.definition["depends_on"]
        assert settings.llm_api_key is not None
        assert settings.llm_api_key.get_secret_value() == key_of(everyone[asked[1]])
        assert settings.llm_model == model_of(everyone[asked[1]])


def key_of(llm: Service) -> str:
    return llm.environment.get("VLLM_API_KEY") or llm.environment[API_KEY_VARIABLE]


def model_of(llm: Service) -> str:
    return Path(llm.environment[MODEL_VARIABLE]).stem if MODEL_VARIABLE in llm.environment else llm.command[0]


def test_one_vllm_server_can_serve_the_judge_and_the_agents_within_one_limit() -> None:
    apart, shared = services(GPU), services(GPU, REQUIRED | SHARED_LLM)
    limits = [
        {found[name].environment["ZHUFU_LLM_LIMIT_NAME"] for name in ("judge", "multi-agent")}
        for found in (apart, shared)
    ]
    assert list(map(len, limits)) == [2, 1]
    assert (apart["agents-llm"].replicas, shared["agents-llm"].replicas) == (1, 0)


def test_the_local_llm_is_told_of_as_zhufu_up_tells_of_it() -> None:
    written = dotenv_values(ROOT / "deploy/local-llm.env", interpolate=False)
    judge, agents = (LocalLlm().settings_for(name, 8000) for name in (JUDGE, AGENTS))
    expected = {f"ZHUFU_{name}": value for name, value in judge.items()}
    expected |= {f"ZHUFU_MULTI_AGENT_{name}": value for name, value in agents.items() if judge.get(name) != value}
    elsewhere = {"ZHUFU_LLM_URL", "ZHUFU_LLM_API_KEY"}
    assert {name: value for name, value in written.items() if name not in elsewhere} == {
        name: value for name, value in expected.items() if name not in elsewhere
    }
    assert json.loads(written["ZHUFU_MULTI_AGENT_LLM_EXTRA_BODY"] or "")["logit_bias"][0] == ["\n", False]


def test_with_gpus_nothing_is_left_of_what_is_told_of_the_local_llm() -> None:
    local = dotenv_values(ROOT / "deploy/local-llm.env", interpolate=False)
    after = dotenv_values(ROOT / "deploy/vllm.env", interpolate=False)
    for name in ("judge", "multi-agent"):
        service = services(GPU)[name]
        assert service.definition["env_file"] == ["deploy/local-llm.env", "deploy/vllm.env"]
        assert local.keys() <= after.keys() | service.definition["environment"].keys()
    assert services(GPU)["local-llm"].replicas == 0


@every
def test_every_image_is_pinned(service: Service) -> None:
    name, _, tag = service.definition["image"].rpartition(":")
    assert re.search(r"\d+\.\d+\.\d+", tag), service.definition["image"]
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if name.startswith("zhufu-"):
        assert project is not None
        assert tag.split("-")[0] == project[1]
        assert name == f"zhufu-{service.name}"


@every
def test_only_what_must_be_reachable_is_published_and_on_loopback(service: Service) -> None:
    ports = service.definition.get("ports", [])
    assert bool(ports) == (service.name in PUBLISHED)
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
    assert "network_mode" not in service.definition


@every
def test_every_container_is_confined(service: Service) -> None:
    definition = service.definition
    exporter = service.name == "dcgm-exporter"
    assert definition["cap_drop"] == ["ALL"]
    assert definition.get("cap_add", []) == (["SYS_ADMIN"] if exporter else [])
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert definition.get("read_only", False) is not exporter
    assert not definition.get("privileged", False)
    assert {"memory", "pids"} <= service.limits.keys()
    options = definition["logging"]["options"]
    assert options["max-size"]
    assert int(options["max-file"]) > 1
    assert seconds(definition["stop_grace_period"]) >= 10


@both
def test_redis_and_the_local_llm_are_on_networks_that_lead_nowhere(files: tuple[str, ...]) -> None:
    project = load(files)
    inside = {name for name, network in project["networks"].items() if network.get("internal")}
    for name in ("redis", "local-llm"):
        assert set(project["services"][name]["networks"]) <= inside
    for service in project["services"].values():
        assert set(service["networks"]) <= project["networks"].keys()
        assert bool(service.get("ports")) <= ("edge" in service["networks"])


@both
def test_what_is_waited_for_has_a_health_check(files: tuple[str, ...]) -> None:
    found = services(files)
    waits = 0
    for service in found.values():
        for name, how in service.definition.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert found[name].has_health_check, name
            waits += 1
    assert waits >= 7


@every
def test_what_is_kept_is_kept_in_named_volumes_and_no_secret_is_mounted(service: Service) -> None:
    for volume in service.definition.get("volumes", []):
        source, target, *mode = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert mode == ["ro"]
            assert source.startswith("./monitoring/")
    assert "secrets" not in service.definition


@every
def test_a_named_volume_begins_as_a_folder_of_the_user_in_every_image_that_has_it(service: Service) -> None:
    if service.dockerfile is None:
        return
    for volume in service.definition.get("volumes", []):
        target = volume.split(":")[1]
        assert f"--from=build --chown=10001:10001 /volumes{target} {target}" in service.dockerfile.said("COPY")


@every
def test_named_volumes_are_declared_and_folders_of_the_project_are_there(service: Service) -> None:
    declared = load(GPU)["volumes"]
    for volume in service.definition.get("volumes", []):
        source = volume.split(":")[0]
        if not source.startswith("."):
            assert source in declared
        elif not (ROOT / "monitoring").exists():
            pytest.skip("there is no folder monitoring")
        else:
            assert (ROOT / source).is_dir()


def test_prometheus_and_grafana_find_their_files() -> None:
    if not (ROOT / "monitoring").exists():
        pytest.skip("there is no folder monitoring")
    for file in ("prometheus/prometheus.yml", "prometheus/rules", "grafana/provisioning", "grafana/dashboards"):
        assert (ROOT / "monitoring" / file).exists(), file
    providers = (ROOT / "monitoring/grafana/provisioning/dashboards").glob("*.y*ml")
    texts = [path.read_text(encoding="utf-8") for path in providers]
    assert any("/etc/grafana/dashboards" in text for text in texts)


def test_with_gpus_every_container_that_needs_one_has_its_own() -> None:
    found = services(GPU)
    own = {name: service.devices for name, service in found.items() if service.devices}
    exporter = own.pop("dcgm-exporter")
    assert exporter[0]["count"] == "all"
    assert own.keys() == {"judge-llm", "agents-llm", "reward-model", "trainer"}
    used = [device_id for (device,) in own.values() for device_id in device["device_ids"]]
    assert len(set(used)) == len(used) == 4
    for (device,) in own.values():
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert not any(service.devices for service in services(CPU).values())
    other = services(GPU, REQUIRED | {"REWARD_MODEL_GPU": "7"})["reward-model"].devices[0]
    assert other["device_ids"] == ["7"]
    for name in ("reward-model", "trainer"):
        assert found[name].definition["image"].endswith("-cuda")  # another torch than that of the CPU image


def test_the_trainer_waits_for_its_profile_and_goes_on_after_a_restart() -> None:
    trainer = services(CPU)["trainer"]
    assert trainer.definition["profiles"] == ["train"]
    assert [name for name, found in services(CPU).items() if "profiles" in found.definition] == ["trainer"]
    script: Any = trainer.command[-1]
    assert "--resume" in script
    assert "--metrics-port 9464" in script
