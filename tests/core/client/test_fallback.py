from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from qwen_space import (
    Completed,
    Event,
    JobError,
    ModelNotOfferedError,
    NoSpaceAnsweredError,
    Notice,
    PromptTooLongError,
    QueueFullError,
    QuotaError,
    QwenSpaceError,
    SpaceClient,
    SpaceConfig,
    SpaceFailure,
    SpaceTimeoutError,
    Started,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
)
from qwen_space.chat.messages import Turn
from qwen_space.client.cooldown import FIRST_COOLDOWN, LONGEST_COOLDOWN, Cooldowns
from qwen_space.client.fallback import Member, stream_with_fallback
from qwen_space.config import make_config
from qwen_space.events import EventStream, Exits, last
from tests.hub_front import Answer, HubFront, told
from tests.scripted_server import (
    CONFIG,
    Exchange,
    ScriptedServer,
    completed,
    generating,
    status,
)

CHAT = [Turn("user", "Hi")]
HELLO = [Started(None), TextDelta("Hello"), Completed("Hello", 0.1)]
BUSY = Answer(503, "<!DOCTYPE html><html><body>Loading</body></html>")

Script = Sequence[Event | Exception] | Exception


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Spaces:
    """Several Spaces, with a script for each call.

    Attributes:
        asked: The places of those that were asked, in order.
        open: How many streams are open.
    """

    def __init__(self, *scripts: list[Script], **options: Any) -> None:
        self.asked: list[int] = []
        self.limits: list[Timeouts] = []
        self.open = 0
        self.clock = Clock()
        self.cooldowns = Cooldowns(self.clock)
        self.sizes: list[int | Exception | None] = [None] * len(scripts)
        self._scripts = scripts
        self._options = options

    def stream(self, **more: Any) -> EventStream[Event]:
        members = [self._member(place) for place in range(len(self._scripts))]
        return stream_with_fallback(members, self.cooldowns, CHAT, {}, **more)

    async def ask(self, **more: Any) -> Completed:
        self.asked.clear()
        done = await last(self.stream(**more))
        assert self.open == 0
        return done

    def _member(self, place: int) -> Member:
        async def queue_size() -> int | None:
            size = self.sizes[place]
            if isinstance(size, Exception):
                raise size
            return size

        def stream(_: Any, __: Any, limits: Timeouts) -> EventStream[Event]:
            async def enter(exits: Exits) -> AsyncIterator[Event]:
                assert self.open == 0, "two at once"
                self.open += 1
                exits.push(self._leave)
                self.asked.append(place)
                self.limits.append(limits)
                scripts = self._scripts[place]
                script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
                if isinstance(script, Exception):
                    raise script
                return _play(script)

            return EventStream(enter)

        config = SpaceConfig(space=f"http://127.0.0.1:{place + 1}", **self._options)
        return Member(config, stream, queue_size)

    async def _leave(self, *_: object) -> None:
        self.open -= 1


async def _play(script: Sequence[Event | Exception]) -> AsyncIterator[Event]:
    for step in script:
        if isinstance(step, Exception):
            raise step
        yield step


def full(retry_after: float | None = None) -> QueueFullError:
    return QueueFullError("Full", retry_after)


def sent(error: QwenSpaceError) -> QwenSpaceError:
    error.may_have_run = True
    return error


# The order


async def test_the_first_one_is_asked_alone_as_long_as_it_answers() -> None:
    spaces = Spaces([HELLO], [HELLO])

    replies = [await spaces.ask() for _ in range(3)]

    assert [reply.space for reply in replies] == ["http://127.0.0.1:1"] * 3
    assert spaces.asked == [0]


async def test_the_one_that_answered_is_kept_when_another_is_rested() -> None:
    spaces = Spaces([full(), HELLO], [HELLO, HELLO, full(), HELLO])
    await spaces.ask()
    spaces.clock.now += 1_000

    assert (await spaces.ask()).space == "http://127.0.0.1:2"
    assert (await spaces.ask()).space == "http://127.0.0.1:1"
    assert spaces.asked == [1, 0]


def test_the_one_that_answered_is_kept_though_it_took_longer_than_the_others_rest() -> None:
    clock = Clock()
    cooldowns = Cooldowns(clock)
    cooldowns.fail(0, full())
    clock.now += 1_000
    cooldowns.succeed(1)

    assert cooldowns.order(2) == [1, 0]
    cooldowns.fail(1, full())
    cooldowns.succeed(0)
    assert cooldowns.order(2) == [0, 1]


async def test_each_failure_in_a_row_doubles_the_cooldown_up_to_a_limit() -> None:
    spaces = Spaces([full()], [HELLO])
    rests = []
    for _ in range(9):
        spaces.cooldowns.fail(0, full())
        rests.append(spaces.cooldowns.left(0))

    assert rests[:3] == [FIRST_COOLDOWN, 2 * FIRST_COOLDOWN, 4 * FIRST_COOLDOWN]
    assert rests[-1] == LONGEST_COOLDOWN
    spaces.cooldowns.succeed(0)
    spaces.cooldowns.fail(0, full())
    assert spaces.cooldowns.left(0) == FIRST_COOLDOWN


@pytest.mark.parametrize(("wanted", "rests"), [(37.0, 37.0), (0.0, 0.0), (1e12, 86_400.0)])
async def test_a_space_rests_as_long_as_it_wants_and_a_day_at_most(
    wanted: float, rests: float
) -> None:
    cooldowns = Cooldowns(Clock())

    cooldowns.fail(0, QuotaError("No", wanted))

    assert cooldowns.left(0) == rests


async def test_those_that_rest_are_asked_where_no_other_answers_the_soonest_first() -> None:
    spaces = Spaces([full(50), HELLO], [full(20), HELLO], [HELLO, JobError("no")])
    await spaces.ask()

    assert (await spaces.ask()).space == "http://127.0.0.1:2"
    assert spaces.asked == [2, 1]


async def test_a_space_that_cannot_serve_one_call_is_asked_for_the_next() -> None:
    failures = [ModelNotOfferedError("No"), ValueError("no such input"), PromptTooLongError("No")]
    spaces = Spaces([*failures, HELLO], [HELLO])

    assert [(await spaces.ask()).space[-1] for _ in range(4)] == ["2", "2", "2", "1"]


async def test_the_shortest_queue_is_first_those_that_rest_or_do_not_say_are_last() -> None:
    spaces = Spaces([HELLO], [HELLO], [HELLO], [HELLO])
    spaces.sizes = [None, 5, 2, 0]
    spaces.cooldowns.fail(3, full())

    assert (await spaces.ask(strategy="least_queue")).space == "http://127.0.0.1:3"
    spaces.sizes[1:3] = [JobError("?"), ValueError("?")]
    assert (await spaces.ask(strategy="least_queue")).space == "http://127.0.0.1:1"


# Errors after which the next Space is asked


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(full(), id="at-once"),
        pytest.param([Started(None), JobError("no")], id="before-text"),
        pytest.param(SpaceTimeoutError("connect", 1.0), id="connect"),
    ],
)
async def test_the_reply_names_those_that_failed_and_a_notice_tells_of_each(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    spaces = Spaces([script], [HELLO])

    async with spaces.stream() as stream:
        events = [event async for event in stream]

    notices = [event for event in events if isinstance(event, Notice)]
    assert len(notices) == 1
    assert "http://127.0.0.1:1 does not answer: " in notices[0].message
    assert notices[0].message.endswith("Asking http://127.0.0.1:2.")
    done = events[-1]
    assert isinstance(done, Completed)
    error = script if isinstance(script, Exception) else script[-1]
    assert done.failures == (SpaceFailure("http://127.0.0.1:1", str(error)),)
    assert notices[0].message in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        pytest.param([sent(StreamInterruptedError("", "cut"))], id="may-have-run"),
        pytest.param([TextDelta("He"), JobError("no")], id="after-text"),
        pytest.param([TextDelta("He"), full()], id="full-after-text"),
    ],
)
async def test_an_error_is_final_and_the_space_rests(error: Script) -> None:
    spaces = Spaces([error], [HELLO])

    with pytest.raises(QwenSpaceError):
        await spaces.ask()

    assert spaces.asked == [0]
    assert spaces.open == 0
    assert (await spaces.ask()).space == "http://127.0.0.1:2"


async def test_misuse_of_all_spaces_is_a_value_error_and_a_mixture_is_not() -> None:
    wrong = ValueError("no such input")

    with pytest.raises(ValueError, match="no such input"):
        await Spaces([wrong], [ValueError("neither")]).ask()
    with pytest.raises(NoSpaceAnsweredError, match=r"\(1\).*no such input\. \(2\).*Full\."):
        await Spaces([wrong], [full()]).ask()


async def test_a_call_that_is_cancelled_asks_no_other_and_lets_none_rest() -> None:
    started = asyncio.Event()

    async def hang() -> AsyncIterator[Event]:
        started.set()
        await asyncio.Event().wait()
        yield Started(None)

    spaces = Spaces([HELLO], [HELLO])
    member = spaces._member(0)
    stream = EventStream(lambda _: asyncio.sleep(0, hang()))
    hanging = Member(member.config, lambda *_: stream, member.queue_size)
    task = asyncio.create_task(
        last(stream_with_fallback([hanging, spaces._member(1)], spaces.cooldowns, CHAT, {}))
    )
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert spaces.asked == []
    assert spaces.cooldowns.left(0) == 0


# Time


async def test_the_whole_call_has_one_limit_of_time_in_total() -> None:
    spaces = Spaces([full()], [HELLO], timeouts=Timeouts(total=60.0))
    await spaces.ask()
    first, second = spaces.limits

    assert 0 < second.total < first.total <= 60  # type: ignore[operator]
    spaces = Spaces([SpaceTimeoutError("total", 0.3)], [HELLO], timeouts=Timeouts(total=60.0))
    with pytest.raises(SpaceTimeoutError, match="within 60 seconds"):
        await spaces.ask()


async def test_a_space_that_sleeps_is_waited_for_in_the_end() -> None:
    asleep = SpaceTimeoutError("wake", 10.0)
    spaces = Spaces([asleep, HELLO], [full()], [asleep, HELLO])

    done = await spaces.ask()

    assert done.space == "http://127.0.0.1:1"
    assert spaces.asked == [0, 1, 2, 0]
    assert [each.wake for each in spaces.limits] == [10, 10, 10, 300]
    assert [each.space[-1] for each in done.failures] == ["2", "3"]
    assert "raise Timeouts(fallback_wake=...)" in done.failures[1].reason


@pytest.mark.usefixtures("short_pauses")
async def test_a_sleeping_space_on_the_hub_is_waited_for_shortly_then_another_answers() -> None:
    async with (
        HubFront([BUSY], [told("SLEEPING")]) as front,
        ScriptedServer(config=status(200, CONFIG)) as other,
        SpaceClient(
            [front.space(), other.url],
            hub=front.hub,
            max_retries=0,
            timeouts=Timeouts(fallback_wake=0.1),
            session=front.session,
        ) as client,
    ):
        done = await client.complete("Hi")

    assert done.space == other.url
    assert "not awake within 0.1 seconds" in done.failures[0].reason


@pytest.mark.usefixtures("short_pauses")
async def test_where_no_other_answers_a_sleeping_space_wakes_up_and_answers() -> None:
    async with (
        HubFront([*[BUSY] * 12, True], [told("SLEEPING")]) as front,
        ScriptedServer(config=status(500, {"detail": "?"})) as other,
        SpaceClient(
            [front.space(), other.url],
            hub=front.hub,
            max_retries=0,
            timeouts=Timeouts(fallback_wake=0.05),
            session=front.session,
        ) as client,
    ):
        done = await client.complete("Hi")

    assert (done.space, done.text) == (front.space(), "Hello there.")


# State


def test_a_pickle_knows_nothing_of_failures() -> None:
    cooldowns = Cooldowns(Clock())
    cooldowns.fail(0, full(50))
    cooldowns.succeed(1)

    assert cooldowns.order(2) == [1, 0]
    assert pickle.loads(pickle.dumps(cooldowns)).order(2) == [0, 1]


def test_many_threads_share_the_state() -> None:
    clock = Clock()
    cooldowns = Cooldowns(clock)
    errors: list[BaseException] = []

    def work(place: int) -> None:
        try:
            for _ in range(2_000):
                cooldowns.fail(place, full())
                assert sorted(cooldowns.order(4)) == [0, 1, 2, 3]
                cooldowns.succeed((place + 1) % 4)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


async def test_a_client_of_several_spaces_closes_them_all() -> None:
    async with ScriptedServer() as first, ScriptedServer() as second:
        first.join = status(429, {"detail": "No"})
        async with SpaceClient([first.url, second.url]) as client:
            done = await client.complete("Hi")
        await first.until(lambda server: server.connections == 0)
        await second.until(lambda server: server.connections == 0)

    assert done.space == second.url


async def test_a_call_that_passes_a_space_over_leaves_the_others_calls_alone() -> None:
    go_on = asyncio.Event()

    async def data(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.send(generating("Hel"))
        await go_on.wait()
        await exchange.send(completed("Hello."))
        await exchange.end_stream()

    full = status(503, {"detail": "Queue is full."})
    async with (
        ScriptedServer(config=status(200, CONFIG), join=full) as first,
        ScriptedServer(config=status(200, CONFIG), data=data) as second,
    ):
        client = SpaceClient([first.url, second.url])
        async with client.stream("Hi") as events:
            while not isinstance(await anext(events), TextDelta):
                pass
            client._cooldowns.succeed(0)
            client._cooldowns._first = 0
            other = asyncio.create_task(client.complete("Hi"))
            await second.until(lambda server: len(server.streams) == 2)
            go_on.set()
            done = [event async for event in events][-1]

        assert isinstance(done, Completed)
        assert done.text == (await other).text == "Hello."


def test_the_configuration_of_several_has_the_first_and_the_others() -> None:
    config = make_config(["a/b", {"space": "http://127.0.0.1:1", "model": "x"}], max_retries=7)

    assert [each.space for each in config.all_configs] == ["a/b", "http://127.0.0.1:1"]
    assert [each.model for each in config.all_configs] == ["qwen-2.5", "x"]
    assert {each.max_retries for each in config.all_configs} == {7}
