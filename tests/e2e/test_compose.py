"""The images, run as docker-compose.yml says: what it starts scores, is confined, is seen by Prometheus, and ends well.

Only on demand, as root, with the programs buildah and runc and with the images (six minutes on two cores):

    make images
    ZHUFU_CONTAINER_TESTS=1 .venv/bin/pytest tests/e2e/test_compose.py

`ZHUFU_IMAGE_STORAGE` is the folder that ``deploy/build_images.py --storage`` was given, if it was. Redis's image is not
made here: Debian's Redis stands in for it, and runs the same command. Prometheus and Grafana have tests of their own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.client import RewardClient
from shared.schemas import Score
from tests.support.greetings import rollout
from trainer.ports import is_free

SWITCH, STORAGE = "ZHUFU_CONTAINER_TESTS", "ZHUFU_IMAGE_STORAGE"
if SWITCH not in os.environ:
    pytest.skip(f"builds on images and takes minutes: set {SWITCH}=1", allow_module_level=True)
pytest.importorskip("podman_compose", reason="podman-compose is not installed")

from deploy.build_images import BASE_NAME, Buildah  # noqa: E402
from tests.support.compose import CPU, REQUIRED, Service, services  # noqa: E402
from tests.support.containers import Container, Engine, missing_programs  # noqa: E402

pytestmark = pytest.mark.timeout(1200)

PORTS = {"redis": 6379, "judge": 8001, "reward-model": 8002, "multi-agent": 8003, "local-llm": 8004}
REWARDS = {"judge": "judge", "reward-model": "reward_model", "multi-agent": "multi_agent"}
"""The names of the rewards, by service."""
KEY = {"Authorization": f"Bearer {REQUIRED['ZHUFU_API_KEYS']}"}
REDIS_URL = f"redis://:{REQUIRED['REDIS_PASSWORD']}@127.0.0.1:{PORTS['redis']}/0"
USER_ID = 10001
MEGABYTES = 400
"""Of the judge's and the agents' image, beyond its base."""
REDIS_IMAGE = "zhufu-test-redis:1.0.0"
REDIS_DOCKERFILE = f"""\
FROM {BASE_NAME}
RUN apt-get update && apt-get install --yes --no-install-recommends redis-server \\
    && install --directory --owner redis --group redis /data
"""


@pytest.fixture(scope="module")
def storage() -> Path | None:
    folder = os.environ.get(STORAGE)
    return Path(folder) if folder else None


@pytest.fixture(scope="module")
def engine(storage: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """What runs containers; skips where it cannot."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("only root can run containers so")
    if taken := [port for port in PORTS.values() if not is_free(port)]:
        pytest.skip(f"in use: {taken}")
    buildah = Buildah(storage)
    images = {service.definition["image"] for service in services(CPU).values() if service.dockerfile}
    if missing := sorted(image for image in images if not buildah.has(image)):
        pytest.skip(f"not built: {', '.join(missing)}; make images")
    if not buildah.has(REDIS_IMAGE):
        folder = tmp_path_factory.mktemp("redis")
        (folder / "Dockerfile").write_text(REDIS_DOCKERFILE, encoding="utf-8")
        where = ["--isolation=chroot", "--network=host", "--pull-never", "--format=docker"]
        buildah.run("build", *where, f"--tag={REDIS_IMAGE}", str(folder))
    made = Engine(tmp_path_factory.mktemp("engine"), storage, {"redis": REDIS_IMAGE})
    yield made
    made.end()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every service by its name on this machine, as an engine's DNS would have it."""
    path = tmp_path_factory.mktemp("hosts") / "hosts"
    path.write_text(f"127.0.0.1 localhost {' '.join(services(CPU))}\n", encoding="utf-8")
    path.chmod(0o644)
    return path


@pytest.fixture(scope="module")
def stack(engine: Engine, hosts: Path) -> Iterator[dict[str, Container]]:
    """All services with a port, each started once what it depends on is healthy, and ended by SIGTERM in reverse."""
    definitions = services(CPU)
    running: dict[str, Container] = {}

    def start(service: Service) -> None:
        if service.name not in running:
            for needed in service.definition.get("depends_on", {}):
                start(definitions[needed])
            running[service.name] = engine.start(service, hosts)
            running[service.name].wait_until_healthy()

    for name in PORTS:
        start(definitions[name])
    yield running
    for name, container in reversed(running.items()):
        assert container.stop() == 0, container.printed()[-4000:]
        assert name not in REWARDS or '"drained"' in container.printed()


@pytest.fixture(scope="module", params=REWARDS)
def scored(stack: dict[str, Container], request: pytest.FixtureRequest) -> str:
    """The name of a service that has scored a greeting, over HTTP and through the queue."""
    name: str = request.param
    over_http = asyncio.run(score(url(name), REQUIRED["ZHUFU_API_KEYS"]))
    assert (over_http.status, over_http.error) == ("scored", None), stack[name].printed()[-4000:]
    assert over_http.reward is not None
    queued = asyncio.run(score(f"{REDIS_URL}?reward={REWARDS[name]}"))
    assert (queued.status, queued.version) == ("scored", over_http.version)
    assert queued.reward == pytest.approx(over_http.reward, abs=1e-4)
    return name


async def score(reward_url: str, api_key: str | None = None) -> Score:
    async with RewardClient.from_url(reward_url, api_key=api_key, timeout_seconds=600) as client:
        (found,) = await client.score([rollout(1)])
    return found


def url(name: str) -> str:
    return f"http://127.0.0.1:{PORTS[name]}"


@pytest.mark.parametrize("name", REWARDS)
def test_nobody_is_answered_without_a_key(stack: dict[str, Container], name: str) -> None:
    body = {"rollouts": [rollout(1).model_dump()]}
    for headers in ({}, {"Authorization": "Bearer another-key"}):
        answer = httpx.post(f"{url(name)}/v1/score", json=body, headers=headers, trust_env=False)
        assert answer.status_code == 401
    assert httpx.get(f"{url(name)}/v1/reward", headers=KEY, trust_env=False).status_code == 200
    assert stack[name].running


def test_a_greeting_is_scored_through_both_doors_and_prometheus_can_read_it(scored: str) -> None:
    page = httpx.get(f"{url(scored)}/metrics", trust_env=False)
    assert page.headers["content-type"].startswith("text/plain")
    for door in ("http", "queue"):
        wanted = f'zhufu_score_requests_total{{door="{door}",reward="{REWARDS[scored]}",status="scored"}}'
        (line,) = [line for line in page.text.splitlines() if line.startswith(wanted)]
        assert float(line.split()[-1]) >= 1
    assert "zhufu_score_latency_seconds_bucket" in page.text


@pytest.mark.parametrize("name", ["judge", "reward-model", "multi-agent", "local-llm"])
def test_a_container_can_do_no_more_than_it_must(stack: dict[str, Container], name: str) -> None:
    container = stack[name]
    status = dict(
        line.split(":\t", 1) for line in container.execute("cat", "/proc/1/status").stdout.splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == [str(USER_ID)] * 4
    assert {status[kind] for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    mounts = [line.split() for line in container.execute("cat", "/proc/mounts").stdout.splitlines()]
    ways = {target: set(options.split(",")) for _, target, _, options, *_ in mounts}
    assert "ro" in ways["/"]
    assert {"noexec", "nosuid", "nodev"} <= ways["/tmp"]
    assert "Read-only file system" in container.execute("sh", "-c", "echo > /opt/venv/x").stderr
    assert container.execute("sh", "-c", "echo > /tmp/x && rm /tmp/x").returncode == 0
    assert container.execute("/opt/venv/bin/python", "-m", "pip", "--version").returncode != 0
    has_torch = container.execute("python", "-c", "import torch").returncode == 0
    assert has_torch == (name == "reward-model")


def test_what_redis_holds_outlives_it(stack: dict[str, Container], engine: Engine, hosts: Path) -> None:
    cli = ["redis-cli", "-e"]
    assert stack["redis"].execute("sh", "-c", "env -u REDISCLI_AUTH redis-cli -e ping").returncode != 0
    assert stack["redis"].execute(*cli, "set", "kept", "yes").returncode == 0
    assert stack["redis"].stop() == 0
    stack["redis"] = engine.start(services(CPU)["redis"], hosts)
    stack["redis"].wait_until_healthy()
    assert stack["redis"].execute(*cli, "get", "kept").stdout.strip() == "yes"
    assert stack["redis"].execute(*cli, "del", "kept").returncode == 0
    for name in REWARDS:  # they find it again by themselves
        stack[name].wait_until_healthy()


def test_the_trainer_trains_on_the_reward_of_a_container(
    stack: dict[str, Container], engine: Engine, hosts: Path
) -> None:
    """Shorter than the trainer of Compose, but otherwise the same command."""
    service = services(CPU)["trainer"]
    *shell, script = service.command
    sft = "zhufu train sft --output /runs/sft"
    grpo = "--model /runs/sft/model"
    assert sft in script
    assert grpo in script
    shorter = script.replace(sft, f"{sft} --epochs 0.1").replace(
        grpo, f"{grpo} --steps 2 --prompts-per-step 2 --group-size 2 --max-completion-tokens 16 --eval-prompts 2"
    )
    trainer = engine.start(service, hosts, [*shell, shorter])
    deadline = time.monotonic() + 900
    seen = False
    while trainer.running:
        assert time.monotonic() < deadline, trainer.printed()[-4000:]
        try:
            page = httpx.get("http://127.0.0.1:9464/metrics", trust_env=False).text
            seen = seen or 'zhufu_trainer_rollouts_total{reward="reward_model",status="scored"}' in page
        except httpx.TransportError:
            time.sleep(0.1)
    assert trainer.wait() == 0, trainer.printed()[-4000:]
    assert seen
    assert (engine.folder / "volumes/runs/grpo/model/config.json").is_file()
    assert stack["reward-model"].running


def test_each_image_is_as_small_as_it_was_said_to_be(engine: Engine) -> None:
    sizes = {}
    for name in (BASE_NAME, *(services(CPU)[name].definition["image"] for name in ("judge", "multi-agent"))):
        with engine.buildah.mounted(name) as folder:
            counted = subprocess.run(["du", "-s", "--block-size=1", folder], check=True, capture_output=True, text=True)
        sizes[name] = int(counted.stdout.split()[0]) / 1e6
    base = sizes.pop(BASE_NAME)
    assert {name: size - base for name, size in sizes.items() if size - base > MEGABYTES} == {}
