"""The ``zhufu`` command. It reads options and shows results; the work is done in the modules beside it.

Heavy imports (torch, TRL) happen inside the commands that need them, so that ``zhufu --help`` and ``zhufu score``
answer at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import DeadlineExpired, InvalidData, InvalidRequest, RewardUnavailable, ZhufuError
from trainer.data.audit.command import audit_command
from trainer.data.split.command import split_command
from trainer.evaluation.policies.command import policy_command
from trainer.evaluation.probes.command import probes_command
from trainer.evaluation.ratings.command import agreement_command, sheets_command
from trainer.evaluation.rewards.command import rewards_command
from trainer.judge_optimizer.command import optimize_judge_command
from trainer.monitors.errors import EXIT_STATUS, MonitorStopped
from trainer.reproduce.command import reproduce_command
from trainer.sampling.command import sample_command

if TYPE_CHECKING:
    from trainer.length_control import LengthControl
    from trainer.presets import PresetName
    from trainer.stack.llm import LlmApi

app = typer.Typer(help="Rewards as a service for reinforcement learning of creative writing.", no_args_is_help=True)
train_app = typer.Typer(help="Train a policy or a reward model.", no_args_is_help=True)
data_app = typer.Typer(help="Get data, look through it, split it.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure what rewards and policies are worth.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.add_typer(data_app, name="data")
app.add_typer(evaluate_app, name="evaluate")
app.command("sample")(sample_command)
data_app.command("audit")(audit_command)
data_app.command("split")(split_command)
evaluate_app.command("probes")(probes_command)
evaluate_app.command("rewards")(rewards_command)
evaluate_app.command("policy")(policy_command)
evaluate_app.command("sheets")(sheets_command)
evaluate_app.command("agreement")(agreement_command)
app.command("optimize-judge")(optimize_judge_command)
app.command("reproduce")(reproduce_command)

console = Console()
errors = Console(stderr=True)

INTERRUPTED = 130
DEFAULT_BASE_PORT = 8000

DataOption = Annotated[str, typer.Option("--data", help="starter, starter:train|validation|test, or a file.")]
EvalDataOption = Annotated[
    str | None, typer.Option("--eval-data", help="Held-out data; for the starter set its validation split.")
]
ModelOption = Annotated[str, typer.Option("--model", help="A folder, a hub id, or tiny: a small one from scratch.")]
OutputOption = Annotated[Path, typer.Option("--output", help="Folder of this run.")]
PresetOption = Annotated[str, typer.Option("--preset", help="laptop or paper.")]
SeedOption = Annotated[int, typer.Option("--seed")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")]
SaveStepsOption = Annotated[int, typer.Option("--save-steps", help="Steps between checkpoints.", min=1)]
EpochsOption = Annotated[float | None, typer.Option("--epochs", help="Instead of the preset's.", min=0.0)]
LearningRateOption = Annotated[float | None, typer.Option("--learning-rate", help="Instead of the preset's.", min=0.0)]
BatchSizeOption = Annotated[int | None, typer.Option("--batch-size", help="Instead of the preset's.", min=1)]
LoraOption = Annotated[
    int | None, typer.Option("--lora-rank", help="LoRA adapters of this rank; 0 trains the whole model.", min=0)
]
ApiKeyOption = Annotated[str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the reward services.")]


@train_app.command("sft")
def train_sft_command(
    output: OutputOption,
    model: ModelOption = "tiny",
    data: Annotated[
        str, typer.Option("--data", help="starter:warm-up, starter, starter:train|validation|test, or a file.")
    ] = "starter:warm-up",
    eval_data: EvalDataOption = None,
    vocabulary: Annotated[
        list[str] | None,
        typer.Option(
            "--vocabulary",
            help="Data whose characters a model from scratch shall know, too, for what it is trained on later; "
            "repeatable.",
        ),
    ] = None,
    preset: PresetOption = "laptop",
    epochs: EpochsOption = None,
    learning_rate: LearningRateOption = None,
    batch_size: BatchSizeOption = None,
    lora_rank: LoraOption = None,
    seed: SeedOption = 0,
    save_steps: SaveStepsOption = 200,
    resume: ResumeOption = False,
) -> None:
    """Teach a policy to write greetings from examples."""
    from trainer.data.formats import load_examples
    from trainer.presets import SFT
    from trainer.runs import Run
    from trainer.sft import TINY, SftJob, train_sft

    if vocabulary and model != TINY:
        raise typer.BadParameter("only a model from scratch gets one", param_hint="--vocabulary")
    chosen = _override(
        SFT[_preset(preset)], epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, lora=_lora(lora_rank)
    )
    examples = _loaded(load_examples(data))
    held_out = _held_out(data, eval_data)
    job = SftJob(
        model=model,
        examples=examples,
        evaluation=_loaded(load_examples(held_out)) if held_out else [],
        preset=chosen,
        seed=seed,
        save_steps=save_steps,
        tokenizer_texts=_texts(vocabulary or []),
    )
    settings = {
        "model": model,
        "data": data,
        "eval_data": held_out,
        "vocabulary": vocabulary or [],
        "seed": seed,
        "preset": dataclasses.asdict(chosen),
    }
    _check_model(model)
    run = Run(output, command="train sft", settings=settings, resume=resume)
    figures = train_sft(job, run, console)
    _finish_training(run, "Supervised fine-tuning", ["loss", "eval_loss"], figures, settings)


@train_app.command("rm")
def train_rm_command(
    output: OutputOption,
    model: Annotated[
        str, typer.Option("--model", help="A folder, a hub id, tiny: from scratch, or e5: a pretrained encoder.")
    ] = "tiny",
    data: DataOption = "starter",
    eval_data: EvalDataOption = None,
    preset: PresetOption = "laptop",
    policy: Annotated[
        str | None, typer.Option("--policy", help="A policy whose own samples become hard negatives.")
    ] = None,
    hard_negatives: Annotated[
        int | None, typer.Option("--hard-negatives", help="Made-up bad completions for each prompt.", min=0)
    ] = None,
    length_control: Annotated[
        str | None,
        typer.Option("--length-control", help="none, batch, matched, odin or residual."),
    ] = None,
    ngram_prior: Annotated[
        bool | None,
        typer.Option("--ngram-prior/--no-ngram-prior", help="Add what the characters alone say; wants --eval-data."),
    ] = None,
    epochs: EpochsOption = None,
    learning_rate: LearningRateOption = None,
    batch_size: BatchSizeOption = None,
    lora_rank: LoraOption = None,
    seed: SeedOption = 0,
    save_steps: SaveStepsOption = 200,
    resume: ResumeOption = False,
) -> None:
    """Train a reward model on preference pairs (Bradley-Terry)."""
    from trainer.checkpoints.e5_weights import installed_e5
    from trainer.data.formats import load_pairs
    from trainer.presets import DEFAULT_PRESET, REWARD_MODEL, REWARD_MODEL_E5
    from trainer.reward_model import E5, RewardModelJob, train_reward_model
    from trainer.runs import Run

    chosen = _override(
        REWARD_MODEL_E5 if model == E5 and _preset(preset) == DEFAULT_PRESET else REWARD_MODEL[_preset(preset)],
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        hard_negatives=hard_negatives,
        length_control=_length_control(length_control),
        ngram_prior=ngram_prior,
        lora=_lora(lora_rank),
    )
    pairs = _loaded(load_pairs(data))
    held_out = _held_out(data, eval_data)
    if ngram_prior and not held_out:
        raise typer.BadParameter("wants --eval-data, to be weighed by", param_hint="--ngram-prior")
    settings = {
        "model": model,
        "data": data,
        "eval_data": held_out,
        "policy": policy,
        "seed": seed,
        "preset": dataclasses.asdict(chosen),
    }
    if model == E5:
        installed_e5()
    else:
        _check_model(model)
    run = Run(output, command="train rm", settings=settings, resume=resume)
    job = RewardModelJob(
        model=model,
        pairs=pairs,
        validation=_loaded(load_pairs(held_out)) if held_out else [],
        preset=chosen,
        seed=seed,
        save_steps=save_steps,
        samples=_policy_samples(policy, [pair.prompt for pair in pairs], seed) if policy else (),
    )
    figures = train_reward_model(job, run, console)
    _finish_training(run, "Reward model", ["loss", "eval_loss", "accuracy", "eval_accuracy"], figures, settings)


@train_app.command("grpo")
def train_grpo_command(
    output: OutputOption,
    model: Annotated[str, typer.Option("--model", help="A folder or a model hub id, best one after train sft.")],
    reward: Annotated[
        list[str], typer.Option("--reward", help="NAME=URL, http(s):// or redis(s)://…?reward=NAME; repeatable.")
    ],
    weight: Annotated[
        list[str] | None, typer.Option("--weight", help="NAME=W; repeatable; 1 unless given, 0 is logged only.")
    ] = None,
    data: DataOption = "starter",
    preset: PresetOption = "laptop",
    eval_data: EvalDataOption = None,
    eval_samples: Annotated[
        int, typer.Option("--eval-samples", help="Samples a held-out prompt, before and after; 0: none.", min=0)
    ] = 4,
    eval_prompts: Annotated[int, typer.Option("--eval-prompts", help="Held-out prompts at most.", min=1)] = 100,
    steps: Annotated[int | None, typer.Option("--steps", help="Instead of the preset's.", min=1)] = None,
    epochs: EpochsOption = None,
    learning_rate: LearningRateOption = None,
    kl_weight: Annotated[float | None, typer.Option("--kl-weight", help="Instead of the preset's.", min=0.0)] = None,
    group_size: Annotated[int | None, typer.Option("--group-size", help="Completions a prompt.", min=2)] = None,
    prompts_per_step: Annotated[int | None, typer.Option("--prompts-per-step", min=1)] = None,
    max_completion_tokens: Annotated[int | None, typer.Option("--max-completion-tokens", min=1)] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.01)] = None,
    lora_rank: LoraOption = None,
    vllm: Annotated[str | None, typer.Option("--vllm", help="colocate, or URL of trl vllm-serve.")] = None,
    vllm_memory_share: Annotated[
        float, typer.Option("--vllm-memory-share", help="Of each GPU, with --vllm colocate.", min=0.05, max=0.95)
    ] = 0.3,
    deepspeed: Annotated[str | None, typer.Option("--deepspeed", help="A DeepSpeed configuration file.")] = None,
    outage_seconds: Annotated[float, typer.Option(help="How long a reward that is away is waited for.", min=1)] = 900.0,
    max_failed_share: Annotated[
        float, typer.Option(help="Stop with a checkpoint when more rollouts than this get no reward.", min=0, max=1)
    ] = 0.5,
    shadow_every: Annotated[
        int, typer.Option(help="Ask rewards of weight 0 at each n-th step only: they may be slow or dear.", min=1)
    ] = 1,
    monitor: Annotated[
        list[str] | None,
        typer.Option(
            "--watch",
            help="NAME=WARN:STOP or NAME=WARN:STOP:STEPS, NAME=off, or a preset: default, warn-only, strict, off; "
            "repeatable.",
        ),
    ] = None,
    monitor_corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--watch-corpus",
            help="What the policy must not copy: the corpus of retrieval, or data that train; repeatable; the "
            "greetings in --data unless given.",
        ),
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port.")] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Where; 0.0.0.0 in a container, so that Prometheus in another one can read them.")
    ] = "127.0.0.1",
    api_key: ApiKeyOption = None,
    seed: SeedOption = 0,
    save_steps: SaveStepsOption = 20,
    resume: ResumeOption = False,
) -> None:
    """Reinforcement learning with rewards that services give."""
    from trainer.data.formats import load_prompts
    from trainer.evaluation.policies.copying import KnownTexts
    from trainer.grpo import GrpoJob, monitors_of, train_grpo
    from trainer.grpo_report import HeldOut, measure_held_out, reported_if_stopped, write_grpo_report
    from trainer.monitors.corpus import corpus_texts, greetings_in
    from trainer.monitors.options import parse_monitors
    from trainer.presets import GRPO
    from trainer.processes import is_main_process
    from trainer.rewards import parse_rewards
    from trainer.runs import Run

    specs = parse_rewards(reward, weight or [])
    monitors = parse_monitors(monitor or [])
    chosen = _override(
        GRPO[_preset(preset)],
        epochs=epochs,
        learning_rate=learning_rate,
        kl_weight=kl_weight,
        group_size=group_size,
        prompts_per_step=prompts_per_step,
        max_completion_tokens=max_completion_tokens,
        temperature=temperature,
        max_steps=steps,
        lora=_lora(lora_rank),
    )
    if epochs is not None and steps is None:
        chosen = dataclasses.replace(chosen, max_steps=-1)
    prompts = _loaded(load_prompts(data))
    held_out_source = _held_out(data, eval_data, split="test")
    settings = {
        "model": model,
        "data": data,
        "eval_data": held_out_source,
        "rewards": {spec.name: spec.weight for spec in specs},
        "seed": seed,
        "preset": dataclasses.asdict(chosen),
    }
    _check_model(model, may_be_untrained=False)
    known = corpus_texts(monitor_corpus) if monitor_corpus else greetings_in(data)
    job = GrpoJob(
        model=model,
        prompts=prompts,
        rewards=specs,
        preset=chosen,
        seed=seed,
        save_steps=save_steps,
        api_key=api_key,
        outage_seconds=outage_seconds,
        max_failed_share=max_failed_share,
        shadow_every=shadow_every,
        monitors=monitors,
        corpus=KnownTexts(known) if known else None,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        vllm=_vllm(vllm, vllm_memory_share),
        deepspeed=deepspeed,
    )
    monitors_of(job)  # what cannot be watched shall come to light before anything else
    run = Run(output, command="train grpo", settings=settings, resume=resume)
    held_out = None
    if held_out_source and eval_samples:
        held_out = HeldOut(_loaded(load_prompts(held_out_source))[:eval_prompts], eval_samples)
    is_main = is_main_process()  # of several that train together, the one that measures and shows
    shown = console if is_main else Console(quiet=True)
    before = measure_held_out(job, model, held_out, console) if held_out and is_main else None
    with reported_if_stopped(run, settings):
        counts = train_grpo(job, run, shown)
    if not is_main:
        return
    after = measure_held_out(job, str(run.model_folder), held_out, console) if held_out else None
    path = write_grpo_report(run, before, after, counts, settings)
    _show_counts(counts)
    console.print(f"model:  {run.model_folder}\nreport: {path}", soft_wrap=True, markup=False)


@app.command("from-agents")
def from_agents_command(
    output: Annotated[Path, typer.Option("--output", help="Folder of all stages; given again, it is gone on with.")],
    prompts: Annotated[str, typer.Option("--prompts", help="starter:train|validation|test, or a file.")] = "starter",
    limit: Annotated[int | None, typer.Option("--limit", help="The first so many prompts only.", min=1)] = None,
    candidates: Annotated[int, typer.Option("--candidates", help="Texts written for each prompt.", min=2, max=16)] = 4,
    pair_by: Annotated[str, typer.Option("--pair-by", help="verdict or quality.")] = "verdict",
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Ceiling on the tokens paid.", min=1)] = None,
    reward_base: Annotated[str, typer.Option("--reward-base", help="What the reward model grows from.")] = "tiny",
    policy: Annotated[str | None, typer.Option("--policy", help="A policy to begin with; else a small one.")] = None,
    preset: PresetOption = "laptop",
    steps: Annotated[int | None, typer.Option("--steps", help="Of GRPO, instead of the preset's.", min=1)] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Of the others, instead of the preset's.")] = None,
    eval_samples: Annotated[
        int, typer.Option("--eval-samples", help="Samples a held-out prompt, before and after; 0: none.", min=0)
    ] = 4,
    base_port: Annotated[int, typer.Option(help="First port of the stack.", min=1)] = DEFAULT_BASE_PORT,
    seed: SeedOption = 0,
) -> None:
    """Pairs from the agents, a reward model from the pairs, a policy from the reward model.

    Starts and ends what it needs on this machine; ZHUFU_LLM_URL and ZHUFU_LLM_MODEL name the agents' LLM. Given again
    after any end, it goes on where it was.
    """
    from trainer.from_agents import FromAgentsJob, run_from_agents

    def given(**options: Any) -> list[str]:
        """As they are typed, without those that are not given."""
        named = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
        return [part for name, value in named.items() for part in (f"--{name}", str(value))]

    training = given(preset=_preset(preset), seed=seed)
    job = FromAgentsJob(
        output=output,
        base_port=base_port,
        sample=given(
            prompts=prompts, limit=limit, candidates=candidates, pair_by=pair_by, max_tokens=max_tokens, seed=seed
        ),
        train_rm=[*training, *given(model=reward_base, epochs=epochs)],
        train_sft=[*training, *given(epochs=epochs)],
        train_grpo=[*training, *given(steps=steps, eval_samples=eval_samples)],
        policy=policy,
    )
    run_from_agents(job, console)


@app.command("score")
def score_command(
    prompt: Annotated[str, typer.Argument(help="What was asked for.")],
    completion: Annotated[str, typer.Argument(help="What was written.")],
    reward: Annotated[list[str], typer.Option("--reward", help="URL of a reward; repeatable.")],
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds.", min=0.1)] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each reward.")] = False,
    api_key: ApiKeyOption = None,
) -> None:
    """Ask rewards for their score of one text. The exit status is 1 where one gave none."""
    with errors.status(f"waiting for an answer, {timeout:g} s at most"), _retries_not_logged():
        answers = asyncio.run(_score(prompt, completion, reward, timeout, api_key))
    scores = [answer for answer in answers if not isinstance(answer, ZhufuError)]
    if as_json:
        for score in scores:
            sys.stdout.write(score.model_dump_json() + "\n")
    elif answered := [score for score in scores if score.status != "expired"]:
        table = Table("reward", "status", "components", "version", "seconds")
        for score in answered:
            components = ", ".join(f"{name} {value:.3f}" for name, value in score.components.items())
            shown = f"{score.reward:.4f}" if score.reward is not None else "none"
            table.add_row(shown, score.status, components, score.version, f"{score.latency_seconds:.3f}")
        console.print(table)
    troubles = [trouble for trouble in map(_why_no_reward, answers) if trouble is not None]
    for trouble in troubles:
        errors.print(f"error: {trouble}", style="red", markup=False, soft_wrap=True)
    if troubles:
        raise typer.Exit(1)


@app.command("up")
def up_command(
    base_port: Annotated[
        int, typer.Option(help="Redis here, judge +1, reward model +2, agents +3, local LLM +4.", min=1)
    ] = DEFAULT_BASE_PORT,
    reward_checkpoint: Annotated[
        str | None, typer.Option(help="Checkpoint of the reward model; the starter one unless given.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Keeps the data of Redis; temporary unless given.")] = None,
    log_dir: Annotated[Path | None, typer.Option(help="Logs of all processes.")] = None,
    judge: Annotated[
        bool, typer.Option("--judge/--no-judge", help="With the judge and the agents, and the LLM that they ask.")
    ] = True,
    agents: Annotated[bool, typer.Option("--agents/--no-agents", help="With the agents.")] = True,
    llm_model: Annotated[
        Path | None, typer.Option(help="A GGUF file to ask; unless given, ZHUFU_LLM_URL or Gemma 3 270M.")
    ] = None,
    llm_api: Annotated[
        str | None, typer.Option(help="chat or completions: how it is asked; completions for a local model.")
    ] = None,
) -> None:
    """Start the whole stack on this machine; Ctrl-C stops it.

    Judge and agents ask the LLM that ZHUFU_LLM_URL, ZHUFU_LLM_MODEL and ZHUFU_LLM_API_KEY name; without them, a small
    one that is started here for trying things out.
    """
    from trainer.checkpoints import starter_reward_model
    from trainer.stack import Stack, choose_llm

    if llm_api not in {None, "chat", "completions"}:
        raise typer.BadParameter("chat or completions", param_hint="--llm-api")
    if not judge and (llm_model or llm_api):
        raise typer.BadParameter("without a judge nobody asks an LLM", param_hint="--no-judge")
    checkpoint = reward_checkpoint or str(starter_reward_model())
    with Stack(
        reward_checkpoint=checkpoint,
        base_port=base_port,
        data_dir=data_dir,
        log_dir=log_dir,
        console=console,
        llm=choose_llm(llm_model, cast("LlmApi | None", llm_api)) if judge else None,
        agents=agents,
    ) as stack:
        stack.print_summary()
        stack.run_until_interrupted()


@app.command("demo")
def demo_command(
    output: Annotated[Path, typer.Option("--output", help="Folder of this run; must be new.")] = Path("runs/demo"),
    base_port: Annotated[int, typer.Option(help="First port of the stack.", min=1)] = DEFAULT_BASE_PORT,
    seed: SeedOption = 0,
) -> None:
    """Watch a small model learn from a reward that another process serves."""
    from trainer.demo import DemoJob, run_demo

    result = run_demo(DemoJob(output=_fresh(output), base_port=base_port, seed=seed), console)
    if not result.passed:
        errors.print("[red]the demo broke a bound; the report says which[/]")
        raise typer.Exit(1)


@data_app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help="paper: the release of the paper's authors.")],
    target: Annotated[Path, typer.Option("--target", help="Folder to put it into.")] = Path("data/paper"),
) -> None:
    """Download published data (needs a network; the paper's release carries no licence)."""
    from trainer.data.fetch import fetch_paper

    if name != "paper":
        raise InvalidData(name, "only `paper` can be fetched")
    for path in fetch_paper(target, console):
        console.print(str(path), markup=False, soft_wrap=True)


async def _score(prompt: str, completion: str, urls: list[str], timeout: float, api_key: str | None) -> list[Any]:
    from pydantic import ValidationError

    from shared.client import RewardClient
    from shared.schemas import Rollout

    try:
        rollout = Rollout(id="1", prompt=prompt, completion=completion)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InvalidRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    async def ask(url: str) -> Any:
        async with RewardClient.from_url(url, api_key=api_key, timeout_seconds=timeout) as client:
            try:
                (score,) = await client.score([rollout])
            except ZhufuError as error:  # what other rewards answer is shown nevertheless
                return error
            return score

    return list(await asyncio.gather(*map(ask, urls)))


@contextlib.contextmanager
def _retries_not_logged() -> Iterator[None]:
    """For who waits at a terminal and sees how it ends; a training, which goes on without them, logs its retries."""
    from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

    hooks = get_on_retry_hooks()
    set_on_retry_hooks(())
    try:
        yield
    finally:
        set_on_retry_hooks(hooks)


def _why_no_reward(answer: Any) -> str | None:
    """One line: what went wrong, its code, and what to do where nobody answered; None for a score with a reward."""
    if isinstance(answer, ZhufuError):
        detail, code = answer.detail, answer.code
    elif answer.error is not None:
        detail, code = f"{answer.status}: {answer.error.detail}", answer.error.code
    else:
        return None
    nobody = code in {RewardUnavailable.code, DeadlineExpired.code}
    hint = ". Is it running? `zhufu up` starts a stack on this machine; --timeout waits longer" if nobody else ""
    return f"{detail} [{code}]{hint}"


def _preset(name: str) -> PresetName:
    if name not in {"laptop", "paper"}:
        raise typer.BadParameter("laptop or paper", param_hint="--preset")
    return cast("PresetName", name)


def _length_control(name: str | None) -> LengthControl | None:
    from trainer.length_control import LengthControl

    if name is None:
        return None
    try:
        return LengthControl(name)
    except ValueError:
        raise typer.BadParameter(", ".join(LengthControl), param_hint="--length-control") from None


def _check_model(model: str, *, may_be_untrained: bool = True) -> None:
    """Raise before a folder is made for a run that could not begin."""
    from trainer.models import load_tokenizer
    from trainer.sft import TINY

    if model != TINY:
        load_tokenizer(model)
    elif not may_be_untrained:
        raise InvalidData(
            TINY, "an untrained model writes nothing to be rewarded; make one with `zhufu train sft` first"
        )


def _vllm(option: str | None, memory_share: float) -> Any:
    from trainer.grpo import VllmOptions

    if option is None:
        return None
    if option == "colocate":
        return VllmOptions(mode="colocate", gpu_memory_share=memory_share)
    return VllmOptions(mode="server", base_url=option)


def _lora(rank: int | None) -> Any:
    """None where the preset decides, False for full training, else adapters."""
    from trainer.presets import LoraPreset

    if rank is None:
        return None
    return LoraPreset(rank=rank, alpha=2 * rank) if rank else False


def _override(preset: Any, **changes: Any) -> Any:
    """The preset with what was given on the command line."""
    given = {name: value for name, value in changes.items() if value is not None}
    if given.get("lora") is False:
        given["lora"] = None
    return dataclasses.replace(preset, **given)


def _held_out(data: str, eval_data: str | None, split: str = "validation") -> str | None:
    """Where the held-out data come from: as given, or the starter set's own split."""
    if eval_data is not None:
        return eval_data
    return f"starter:{split}" if data in {"starter", "starter:train", "starter:warm-up"} else None


def _loaded(loaded: Any) -> list[Any]:
    """The records; what had to be left out is said, not hidden."""
    if loaded.skipped:
        errors.print(loaded.summary(), style="yellow", markup=False, soft_wrap=True)
    return list(loaded.records)


def _texts(sources: list[str]) -> list[str]:
    """Every prompt and every completion of some sources."""
    from trainer.data.entries import read_source

    entries = [entry for source in sources for entry in read_source(source).entries]
    return [text for entry in entries for text in (entry.prompt, *(each.text for each in entry.completions))]


def _policy_samples(policy: str, prompts: list[str], seed: int) -> list[tuple[str, str]]:
    from trainer.evaluation.policy import generate
    from trainer.presets import GRPO

    grpo = GRPO["laptop"]
    samples = generate(
        policy,
        prompts,
        samples_per_prompt=4,
        max_tokens=grpo.max_completion_tokens,
        temperature=1.0,
        top_p=1.0,
        prompt_prefix="",
        seed=seed,
        console=console,
        title="policy samples",
    )
    return [(sample.prompt, sample.completion) for sample in samples]


def _finish_training(run: Any, title: str, curves: list[str], figures: dict[str, float], settings: Any) -> None:
    from trainer.report.page import Report, write_report
    from trainer.report.plots import curve

    history = run.history()
    groups: dict[str, list[str]] = {}
    for name in curves:
        groups.setdefault(name.removeprefix("eval_"), []).append(name)
    report = Report(
        title=f"zhufu: {title}",
        summary=f"{history[-1]['step'] if history else 0} steps.",
        figures={name: f"{value:.4f}" for name, value in figures.items()},
        plots=[curve(history, names, name, name) for name, names in groups.items()],
        settings=settings,
    )
    path = write_report(report, run.output / "report.html")
    for name, value in figures.items():
        console.print(f"{name}: {value:.4f}")
    console.print(f"model:  {run.model_folder}\nreport: {path}", soft_wrap=True, markup=False)


def _show_counts(counts: dict[str, int]) -> None:
    table = Table("reward / status", "rollouts")
    for name, count in sorted(counts.items()):
        table.add_row(name, str(count))
    console.print(table)


def _fresh(output: Path) -> Path:
    """A folder that does not exist yet: the name itself, or with the first free number behind it."""
    candidate, number = output, 1
    while candidate.exists():
        number += 1
        candidate = output.with_name(f"{output.name}-{number}")
    candidate.mkdir(parents=True)
    return candidate


def main() -> None:
    """Run the command; an error that is ours is one sentence, and exit status 1 unless a monitor has stopped a run."""
    try:
        app()
    except ZhufuError as error:
        errors.print(f"error: {error.detail}", style="red", markup=False, soft_wrap=True)
        sys.exit(EXIT_STATUS if isinstance(error, MonitorStopped) else 1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
