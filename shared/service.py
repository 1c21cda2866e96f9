"""`create_app` makes a service of a scorer: both doors, health, metrics, keys, request ids and a drained shutdown.

A service writes a `shared.scorer.Scorer` and its settings; everything else is here.

    app = create_app(scorer, settings)
    run_service(app, settings)

Order at start: listen (so that /healthz answers), load the scorer, start the batcher, open the queue door, be ready.
Order at SIGTERM: turn callers away (`shared.http.leaving`), stop listening, finish the HTTP requests,
stop reading the queue, drain the batcher, save the results, hand back what is left, close the scorer.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from redis.exceptions import RedisError

from shared.admission import Admission
from shared.batch_selection import BatchLimits
from shared.batching import MicroBatcher
from shared.dialects.door import TrainerDoor
from shared.dialects.routes import dialect_routes
from shared.errors import InvalidRequest, NotReady, Problem, ShuttingDown
from shared.http.auth import ApiKeys, bearer_scheme
from shared.http.body import read_model
from shared.http.direct import DirectRoute
from shared.http.disconnect import disconnected
from shared.http.leaving import Leave, LeaveMiddleware, LeavingServer
from shared.http.problems import add_problem_handlers, problem_responses
from shared.http.request_id import RequestIdMiddleware
from shared.logging import configure_logging
from shared.metrics import ServiceMetrics
from shared.playground import Relay, playground_routes
from shared.queue.broker import Broker
from shared.queue.consumer import QueueDoor, QueueLimits
from shared.readiness import ReadinessWatch
from shared.schemas import (
    Distribution,
    Health,
    RewardInfo,
    RewardVersion,
    Rollout,
    Score,
    ScoreFailure,
    ScoreRequest,
    ScoreResponse,
)
from shared.scorer import Scorer
from shared.settings import ServiceSettings
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

PREFETCH_BATCHES = 4
"""How many batches of rollouts one process takes from the queue ahead of its scorer, so that replicas share fairly."""
REDIS_CHECK_SECONDS = 2.0
COLLECT_AFTER = 20_000
"""Python looks for cycles after so many objects more, not after 700 as by default: a request of 64 rollouts makes as
many by itself, all of them freed without, and the looking took a quarter of a service's time."""
WATCH_AFTER_SECONDS = 0.05
"""A caller is watched, lest it goes, from when its answer takes longer than this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The rollouts of one HTTP request on their way to a score."""

    rollouts: Sequence[Rollout]
    admission: Admission


class Service:
    """One scorer with its batcher and doors, from start to drained end. Owned by the application's lifespan."""

    def __init__(self, scorer: Scorer, settings: ServiceSettings, registry: CollectorRegistry) -> None:
        self.scorer = scorer
        self.settings = settings
        self.metrics = ServiceMetrics(scorer.info().name, registry)
        self.batcher = MicroBatcher(
            scorer,
            BatchLimits(
                max_pending=settings.max_pending_rollouts,
                max_batch_rollouts=settings.max_batch_rollouts,
                max_batch_tokens=settings.max_batch_tokens,
                max_padding_share=settings.max_padding_share,
                max_concurrent_batches=settings.max_concurrent_batches,
                score_timeout_seconds=settings.score_timeout_seconds,
            ),
            self.metrics,
        )
        self._readiness = ReadinessWatch(self.check_ready, self.metrics.ready)
        self.leave = Leave()
        self.failed = False
        self.on_fatal: Callable[[], None] | None = None
        self._broker: Broker | None = None
        self._door: QueueDoor | None = None
        self._loading: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start loading in the background, so that health can be asked meanwhile."""
        self._loading = asyncio.create_task(self._start(), name="start-service")

    async def _start(self) -> None:
        try:
            await self.scorer.start()
            self.batcher.start()
            if self.settings.redis_url is not None:
                self._broker = Broker.from_url(self.settings.redis_url.get_secret_value(), self.scorer.info().name)
                limits = QueueLimits(
                    max_in_work=min(
                        self.settings.max_pending_rollouts,
                        PREFETCH_BATCHES * self.settings.max_batch_rollouts * self.settings.max_concurrent_batches,
                    ),
                    max_attempts=self.settings.max_attempts,
                    lease_seconds=self.settings.lease_seconds,
                    retry_wait_seconds=self.settings.retry_wait_seconds,
                )
                self._door = QueueDoor(self._broker, self.batcher, self.scorer, limits, self.metrics)
                self._door.start()
        except Exception as error:
            self.failed = True
            log.error("start_failed", exc_info=error)
            if self.on_fatal is not None:
                self.on_fatal()
        else:
            self._readiness.start()
            log.info("ready", reward=self.scorer.info().name, version=self.scorer.info().version)

    async def end(self) -> None:
        """Drain and close; see the order in the module's docstring."""
        if self._loading is not None and not self._loading.done():
            await end_tasks([self._loading])
        await self._readiness.stop()
        begun = time.monotonic()
        if self._door is not None:
            await self._door.stop_reading()
        await self.batcher.drain(self.settings.drain_timeout_seconds)
        if self._door is not None:
            left = self.settings.drain_timeout_seconds - (time.monotonic() - begun)
            await self._door.close(max(1.0, left))
        await self.scorer.close()
        log.info("drained", seconds=round(time.monotonic() - begun, 3))

    def check_alive(self) -> None:
        """Raise `NotReady` where only a new process can help."""
        if self.failed:
            raise NotReady("the service could not start; its log says why")
        if self._loading is None or not self._loading.done():
            return
        if not self.batcher.alive or (self._door is not None and not self._door.alive):
            raise NotReady("a loop of this process has died; its log says why")

    async def check_ready(self) -> None:
        """Raise `NotReady` unless this process can score now, stays, and, where it has a queue, Redis answers."""
        if self._loading is None or not self._loading.done():
            raise NotReady("still loading")
        self.check_alive()
        if self.leave.begun:
            raise NotReady("this process is about to end")
        await self.scorer.check()
        if self._broker is not None:
            try:
                async with asyncio.timeout(REDIS_CHECK_SECONDS):
                    await self._broker.ping()
            except (RedisError, OSError, TimeoutError) as error:
                raise NotReady("Redis does not answer") from error

    def admit(self, request: ScoreRequest) -> Admitted:
        """Take in the rollouts of one HTTP request; `resolved` must follow, else they are scored for nobody.

        Raises:
            NotReady: The scorer is not loaded yet.
            InvalidRequest: More rollouts than this service takes at once, or options that it does not know.
            Overloaded: There is no room for them now.
        """
        if self._loading is None or not self._loading.done():
            raise NotReady("still loading")
        most = self.settings.max_rollouts_per_request
        if len(request.rollouts) > most:
            raise InvalidRequest(f"{len(request.rollouts)} rollouts; this service takes at most {most} in a request")
        self.scorer.check_options(request.options)
        expires_at = time.monotonic() + self.settings.request_timeout_seconds
        admission = self.batcher.admit(request.rollouts, request.options, expires_at=expires_at)
        return Admitted(rollouts=request.rollouts, admission=admission)

    async def resolved(self, admitted: Admitted, gone: asyncio.Future[None]) -> list[Score]:
        """One score for each rollout, in order; none at all, and the rollouts dropped, when ``gone`` ends first."""
        limit = self.settings.request_timeout_seconds + self.settings.score_timeout_seconds
        try:
            await admitted.admission.wait(limit, gone)
            return [] if gone.done() else self._told(admitted)
        finally:
            admitted.admission.drop()

    async def answer(self, http_request: Request, asked: ScoreRequest) -> list[Score]:
        """`admit` and `resolved` for an HTTP request, until its caller has gone; raises like `admit`.

        Raises:
            ShuttingDown: The request outlasted the time to drain; another replica can do it.
        """
        admitted = self.admit(asked)
        try:
            await admitted.admission.wait(WATCH_AFTER_SECONDS)
            if admitted.admission.done:
                return self._told(admitted)
            gone = asyncio.create_task(disconnected(http_request))
            try:
                return await self.resolved(admitted, gone)
            finally:
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
        except asyncio.CancelledError:  # only uvicorn cancels a request
            raise ShuttingDown("this replica shut down before the request was done") from None
        finally:
            admitted.admission.drop()

    def _told(self, admitted: Admitted) -> list[Score]:
        """What there is to tell of each rollout now, counted."""
        scores = [
            score or self._too_late(rollout.id, admitted.admission.admitted_at)
            for score, rollout in zip(admitted.admission.so_far, admitted.rollouts, strict=True)
        ]
        self.metrics.observe_scores(zip(scores, admitted.rollouts, strict=True), door="http")
        return scores

    def _too_late(self, rollout_id: str, admitted_at: float) -> Score:
        failure = ScoreFailure(code="deadline_expired", detail="not scored within the time allowed", retryable=True)
        return Score(
            id=rollout_id,
            status="expired",
            reward=None,
            error=failure,
            version=self.scorer.info().version,
            latency_seconds=time.monotonic() - admitted_at,
        )


def create_app(
    scorer: Scorer,
    settings: ServiceSettings,
    routers: Sequence[APIRouter] = (),
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """Make the application of one reward service.

    Args:
        scorer: What turns rollouts into outcomes. Nothing of it is called before the application starts, but `info`.
        settings: The service's settings.
        routers: Further routes of this service; they need a key like `/v1/score` does.
        registry: Where metrics are declared; a service with metrics of its own declares them there first.

    Returns:
        The application; its `Service` is ``app.state.service``.
    """
    service = Service(scorer, settings, registry or CollectorRegistry())
    keys = ApiKeys(settings.api_keys)
    info = scorer.info()
    relay = Relay(
        {name: url for name, url in settings.playground_rewards.items() if name != info.name},
        timeout_seconds=settings.playground_timeout_seconds,
        max_body_bytes=settings.max_body_bytes,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.begin()
        try:
            async with relay:
                yield
        finally:
            await service.end()

    async def require_key(request: Request, _: Annotated[Any, Depends(bearer_scheme)]) -> None:
        keys.check(request)

    app = FastAPI(
        title=f"zhufu {info.name}",
        description=info.description,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(LeaveMiddleware, leave=service.leave)
    add_problem_handlers(app)
    app.include_router(_open_routes(service))
    app.include_router(_score_routes(service, keys), dependencies=[Depends(require_key)])
    app.include_router(_reward_routes(service), dependencies=[Depends(require_key)])
    trainers = TrainerDoor(answer=service.answer, info=scorer.info, max_body_bytes=settings.max_body_bytes)
    for router in (*dialect_routes(trainers), *routers):
        app.include_router(router, dependencies=[Depends(require_key)])
    if settings.playground:
        app.include_router(playground_routes(info.name, relay, needs_key=bool(settings.api_keys)))
        app.include_router(relay.routes(), dependencies=[Depends(require_key)])
    _declare_schemas(app)
    return app


def _open_routes(service: Service) -> APIRouter:
    """Routes that need no key."""
    router = APIRouter()

    @router.get("/healthz", response_model=Health, responses=problem_responses(503))
    async def healthz() -> Health:
        """Whether this process lives; a failure asks for a new process."""
        service.check_alive()
        return Health()

    @router.get("/readyz", response_model=Health, responses=problem_responses(503))
    async def readyz() -> Health:
        """Whether this process can score now: the model is loaded, and Redis answers where there is a queue."""
        await service.check_ready()
        return Health()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """All metrics in the Prometheus text format."""
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/distribution", response_model=Distribution)
    async def distribution() -> Distribution:
        """The rewards that this process has given since its start, counted as in its metrics."""
        return service.metrics.distribution()

    return router


def _score_routes(service: Service, keys: ApiKeys) -> APIRouter:
    router = APIRouter(route_class=DirectRoute)
    body = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ScoreRequest"}}},
    }

    @router.post(
        "/v1/score",
        response_model=ScoreResponse,
        responses=problem_responses(400, 401, 413, 415, 422, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def score(request: Request) -> Response:
        """Score rollouts; the answer holds one score for each, in order, also where some of them failed."""
        keys.check(request)
        asked = await read_model(request, ScoreRequest, service.settings.max_body_bytes)
        scores = await service.answer(request, asked)
        info = service.scorer.info()
        version = RewardVersion(name=info.name, version=info.version)
        answer = ScoreResponse.model_construct(scores=scores, reward=version)  # each was checked when it was made
        return Response(answer.model_dump_json(), media_type="application/json")

    return router


def _reward_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/reward", response_model=RewardInfo, responses=problem_responses(401))
    async def reward() -> RewardInfo:
        """What this reward is: name, version, range and options."""
        return service.scorer.info()

    return router


def _declare_schemas(app: FastAPI) -> None:
    """Put the models that routes parse and render themselves into /openapi.json, too."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            for model in (ScoreRequest, Problem):
                declared = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(declared.pop("$defs", {}))
                schemas[model.__name__] = declared
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def run_service(app: FastAPI, settings: ServiceSettings) -> int:
    """Send the logs where the settings say, and serve until SIGTERM or SIGINT; then drain.

    Returns:
        The exit status of the process: 0, or 1 where the service could not start.
    """
    configure_logging(settings.log_level, settings.log_format)
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    service: Service = app.state.service
    ProcessCollector(registry=service.metrics.registry)
    GCCollector(registry=service.metrics.registry)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_seconds)),
    )
    server = LeavingServer(config, service.leave, settings.leave_seconds)

    def stop(*_: object) -> None:
        server.should_exit = True

    service.on_fatal = stop
    # Once drained, uvicorn raises the signal that ended it again; by default that would end the process as killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run()
    return 1 if service.failed or not server.started else 0
