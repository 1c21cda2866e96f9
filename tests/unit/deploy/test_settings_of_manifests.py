"""What the ConfigMaps say is what the settings classes take."""

from __future__ import annotations

import pytest

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from tests.support.manifests import OVERLAYS, Manifest, config_maps, environment, named, pods, render
from tests.unit.deploy.conftest import ReadSettings
from tests.unit.deploy.services import CLASSES, SECRETS, variables, variables_of
from trainer.local_llm.__main__ import options_of
from trainer.local_llm.options import API_KEY_VARIABLE, MODEL_VARIABLE
from trainer.stack.llm import LocalLlm

CASES = [(folder, name) for folder in OVERLAYS for name in CLASSES]


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_the_service_starts_with_what_it_is_told(folder: str, name: str, settings_of: ReadSettings) -> None:
    settings = settings_of(folder, name)
    manifests = render(folder)
    (pod,) = [pod for pod in pods(manifests) if pod.owner == f"Deployment/{name}"]
    assert settings.host == "0.0.0.0"
    assert settings.port == pod.container(name)["ports"][0]["containerPort"]
    assert settings.port == named(manifests, "Service", name)["spec"]["ports"][0]["port"]
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == SECRETS["zhufu-redis", "url"]
    assert [key.get_secret_value() for key in settings.api_keys] == ["a-key-of-the-test"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_variable_is_one_that_its_reader_knows(folder: str) -> None:
    manifests = render(folder)
    known = {name: variables(settings) for name, settings in CLASSES.items()}
    known["local-llm"] = {API_KEY_VARIABLE, MODEL_VARIABLE}
    everywhere = set().union(*known.values())
    for pod in pods(manifests):
        for container in pod.containers:
            told = environment(container, manifests, SECRETS)
            allowed = known.get(container["name"], everywhere)  # a vLLM reads the name of the model from the same map
            unknown = {variable for variable in told if variable.startswith("ZHUFU_")} - allowed
            assert not unknown, f"{pod.owner}, {container['name']}: {sorted(unknown)}"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_what_a_service_alone_is_told_is_of_its_own_prefix(folder: str) -> None:
    for name, data in config_maps(render(folder)).items():
        for service in CLASSES:
            if name.rpartition("-")[0] == service:
                prefix = f"ZHUFU_{service.upper().replace('-', '_')}_"
                assert all(variable.startswith(prefix) for variable in data), name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_no_secret_is_in_a_config_map(folder: str) -> None:
    secret = {
        variable
        for settings in CLASSES.values()
        for name, field in settings.model_fields.items()
        if "Secret" in str(field.annotation) and name != "panel"
        for variable in variables_of(settings, name)
    }
    assert {"ZHUFU_API_KEYS", "ZHUFU_JUDGE_LLM_API_KEY", "ZHUFU_REDIS_URL"} <= secret
    for name, data in config_maps(render(folder)).items():
        assert not secret & set(data), name


def vllm_arguments(container: Manifest, told: dict[str, str]) -> list[str]:
    arguments = list(container["args"])
    for name, value in told.items():
        arguments = [argument.replace(f"$({name})", value) for argument in arguments]
    return arguments


@pytest.mark.parametrize("folder", ["overlays/gpu", "overlays/gpu-shared-llm", "overlays/autoscale"])
def test_the_model_that_is_asked_for_is_the_one_that_vllm_serves(folder: str, settings_of: ReadSettings) -> None:
    manifests = render(folder)
    served = [pod for pod in pods(manifests) if any(part["name"] == "vllm" for part in pod.containers)]
    assert len(served) == (1 if folder == "overlays/gpu-shared-llm" else 2)
    judge = settings_of(folder, "judge")
    assert isinstance(judge, JudgeSettings)
    fetched = named(render("models"), "Job", "fetch-models")
    fetched_model = environment(fetched["spec"]["template"]["spec"]["containers"][0], render("models"), {})["MODEL"]
    for pod in served:
        container = pod.container("vllm")
        told = environment(container, manifests, SECRETS)
        arguments = vllm_arguments(container, told)
        assert not [argument for argument in arguments if "$(" in argument]
        assert f"--served-model-name={judge.llm_model}" in arguments
        assert arguments[0] == f"/models/{fetched_model}", "the weights are where the Job puts them"
        assert told["VLLM_API_KEY"] == SECRETS["zhufu-llm", "api-key"]
    assert judge.llm_api_key is not None
    assert judge.llm_api_key.get_secret_value() == SECRETS["zhufu-llm", "api-key"]


@pytest.mark.parametrize("folder", ["overlays/gpu", "overlays/gpu-shared-llm", "overlays/autoscale"])
@pytest.mark.parametrize("name", ["judge", "multi-agent"])
def test_no_more_is_asked_at_once_than_vllm_computes(folder: str, name: str, settings_of: ReadSettings) -> None:
    """More would wait inside vLLM, where the time-out of a question runs and no other replica can take it."""
    manifests = render(folder)
    settings = settings_of(folder, name)
    assert isinstance(settings, JudgeSettings | MultiAgentSettings)
    owner = "vllm" if folder == "overlays/gpu-shared-llm" else name
    (pod,) = [pod for pod in pods(manifests) if pod.owner == f"Deployment/{owner}"]
    container = pod.container("vllm")
    arguments = vllm_arguments(container, environment(container, manifests, SECRETS))
    (sequences,) = [
        int(argument.removeprefix("--max-num-seqs="))
        for argument in arguments
        if argument.startswith("--max-num-seqs=")
    ]
    if owner == "vllm":  # the limit is of the fleet
        assert settings.llm_limit_name == "llm"
        assert settings.llm_max_in_flight == sequences * named(manifests, "Deployment", "vllm")["spec"]["replicas"]
    else:  # each Pod has a limit of its own, for the vLLM beside it
        assert settings.llm_limit_name == "pod-name"
        assert settings.llm_max_in_flight == sequences


@pytest.mark.parametrize("name", ["judge", "multi-agent"])
def test_the_stand_in_is_used_as_zhufu_up_uses_it(
    name: str, settings_of: ReadSettings, clean: pytest.MonkeyPatch
) -> None:
    settings = settings_of("overlays/cpu", name)
    assert isinstance(settings, JudgeSettings | MultiAgentSettings)
    for variable, value in LocalLlm().settings_for(name.replace("-", "_"), 8000).items():
        clean.setenv(f"ZHUFU_{name.upper().replace('-', '_')}_{variable}", value)
    differ = {"llm_url", "llm_api_key"}
    assert settings.llm_url == "http://local-llm:8004/v1"
    assert settings.model_dump(exclude=differ) == CLASSES[name]().model_dump(exclude=differ)


def test_the_stand_in_asks_for_the_key_that_is_sent(settings_of: ReadSettings, clean: pytest.MonkeyPatch) -> None:
    manifests = render("overlays/cpu")
    (pod,) = [pod for pod in pods(manifests) if pod.owner == "Deployment/local-llm"]
    container = pod.container("local-llm")
    assert container["command"] == ["python", "-m", "trainer.local_llm"]
    for variable, value in environment(container, manifests, SECRETS).items():
        clean.setenv(variable, value)
    clean.setenv("ZHUFU_LOCAL_LLM_MODEL", "/opt/gemma/gemma-3-270m.gguf")  # as its image does
    options = options_of(container["args"])
    judge = settings_of("overlays/cpu", "judge")
    assert isinstance(judge, JudgeSettings)
    assert judge.llm_api_key is not None
    assert options.api_key == judge.llm_api_key.get_secret_value()
    assert options.alias == judge.llm_model
    assert f"http://local-llm:{options.port}/v1" == judge.llm_url
    assert options.host == "0.0.0.0"
