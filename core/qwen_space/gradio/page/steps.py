"""Follows the steps of an app's page: which functions it runs for one message, and in which order.

A page runs a function on an event, or after another function (`.then`, `.success`). Each function
has one at most that it comes after, so that they are trees; each tree is walked once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from typing import Any

from qwen_space.gradio.page.app import CHATS, CHOICES, KEEPING, TEXTS, AppComponent, AppFunction
from qwen_space.gradio.page.media_inputs import hands_over, is_restored, keeps_file
from qwen_space.gradio.page.shown_replies import ShownReplies

__all__ = ["ASKING", "LOADING", "Page"]

ASKING = frozenset({"submit", "click", "key_down"})
"""Events by which a visitor asks; others, as "change" or "like", follow from something else."""

LOADING = frozenset({"load", "unload", "tick"})
"""Events that no visitor makes."""

_CHANGING = frozenset({"blur", "change", "input"})

_TYPING = frozenset({"change", "input"})
_UPLOADING = frozenset({"upload", "change"})
_PRESSING = frozenset({"click"})

_PRESSES = re.compile(r"click|submit|dispatch|send", re.IGNORECASE)

_MOST_STEPS = 20  # that are run for one message

_STATES = frozenset({"state", "browserstate"})
_KEEPING_UNSEEN = frozenset({*TEXTS, "html", "markdown", "code", "number"})


class Page:
    """The functions of an app in the order in which its page runs them.

    Args:
        functions: All of the app's functions.
        hidden: The numbers of the components that the page does not show at first.

    Attributes:
        starts: The functions that the page runs first: on an event, or for the API alone.
        submitting: The components whose submit event starts a function.
        elsewhere: The components whose value has an event of its own that hands it to the server.
        on_load: The functions that the page runs as it loads.
        opens_sessions: Whether it runs one as it is left, too, so that it may keep things for each.
    """

    def __init__(
        self, functions: Sequence[AppFunction], hidden: AbstractSet[Any] = frozenset()
    ) -> None:
        self._hidden = hidden
        numbers = {each.id for each in functions}
        self._following: dict[Any, list[AppFunction]] = {}
        self._writers: dict[Any, list[AppFunction]] = {}
        self._changers: dict[Any, list[AppFunction]] = {}
        self._settings: dict[Any, bool] = {}
        self._given: dict[Any, set[Any]] = {}
        self._chats = {p.id for each in functions for p in each.outputs if p.kind in CHATS}
        self._taken = {part.id for each in functions for part in each.inputs}
        self.starts: list[AppFunction] = []
        self.submitting: set[Any] = set()
        self._scripted: set[Any] = set()  # those whose event may press a button by a script alone
        self._boxes: dict[Any, set[Any]] = {}
        self.elsewhere: set[Any] = set()
        for each in functions:
            if each.after is None or each.after not in numbers:
                self.starts.append(each)
            else:
                self._following.setdefault(each.after, []).append(each)
            boxes = {part for part, event in each.targets if event == "submit"}
            self.submitting |= boxes
            self._scripted |= frozenset() if each.runs or _only_focuses(each) else boxes
            self._boxes.setdefault(_parts(each), set()).update(boxes)
            if not each.outputs and len(each.inputs) == 1 and each.events & _CHANGING:
                self.elsewhere.add(each.inputs[0].id)
            if (changed := _changed_state(each)) is not None:
                self._changers.setdefault(changed, []).append(each)
            for output in each.outputs:
                if self._may_keep(output):
                    self._writers.setdefault(output.id, []).append(each)
        self._follow_changes()
        for start in self.starts:
            given = {part.id for each in self._tree(start) for part in each.outputs}
            for target in _targets(start):
                self._given.setdefault(target, set()).update(given)
        # A timer's function runs later, one for "unload" as the page is left.
        unasked = [each for each in self.starts if not each.events & ASKING]
        loading = [each for each in unasked if "load" in each.events and not each.repeats]
        loads = {each.id for each in loading}
        self.on_load = [each for start in loading for each in self._tree(start)]
        # A tab that is open has been selected, the first one too.
        self._on_select: dict[Any, list[AppFunction]] = {}
        for start in unasked:
            for part, event in start.targets if start.id not in loads else ():
                if event == "select":
                    self._on_select.setdefault(part, []).extend(self._tree(start))
        self._ticking = [start for start in unasked if "tick" in start.events or start.repeats]
        self.opens_sessions = any("unload" in each.events for each in self.starts)
        # By a component, the trees that a change starts, each with the place of a giver in it.
        self._changing: dict[Any, list[tuple[list[AppFunction], int]]] = {}
        for start in unasked if loading else ():
            if "change" in start.events:
                tree = [*islice(self._tree(start), _MOST_STEPS)]
                for place, each in enumerate(tree):
                    for given in {part.id for part in each.outputs} if each.runs else ():
                        self._changing.setdefault(given, []).append((tree, place))

    def _follow_changes(self) -> None:
        """Let a function come after one that shows the chat, where that changes what starts it.

        So a page may answer: the first function puts the message into the chat and into a state
        or a hidden box, whose change starts the function that replies in the chat. It is followed
        from a visitor's function only, so that there is no circle. A hidden menu holds no message:
        one of earlier chats opens what is chosen there.
        """
        replying: dict[Any, list[AppFunction]] = {}
        for each in self.starts:
            states = {part.id for part in each.inputs if part.kind in _STATES}
            menus = {part.id for part in each.inputs if part.kind in CHOICES}
            triggers = each.changing
            is_unseen = all(part in states or part in self._hidden - menus for part in triggers)
            if is_unseen and each.events == {"change"} and each.runs:
                for trigger in triggers:
                    replying.setdefault(trigger, []).append(each)
        if not replying:
            return
        asked = [each for each in self.starts if each.events & ASKING]
        for writer in [each for start in asked for each in self._tree(start)]:
            shown = {part.id for part in writer.outputs if part.kind in CHATS}
            for part in writer.outputs:
                for each in replying.get(part.id, ())[:_MOST_STEPS]:
                    goes_on = any(one.id in shown for one in each.outputs)
                    following = self._following.setdefault(writer.id, [])
                    if goes_on and each not in following and len(following) < _MOST_STEPS:
                        following.append(each)

    def chain(
        self, start: AppFunction, takes_prompt: Callable[[AppFunction], bool]
    ) -> list[AppFunction]:
        """Return the functions that a message needs; the last one gives the reply.

        The last function that streams the chat by the queue is taken to be the one that answers,
        unless the page shows the chat only after it, from a state that it gives.

        Args:
            start: The function that the page runs first.
            takes_prompt: Whether a function takes a text of the user's.

        Returns:
            None at all if no function takes the prompt, none replies, or there are too many.
        """
        path: list[AppFunction] = []
        members: set[Any] = set()
        known: set[Any] = set()  # the components that the chat has passed through
        shown = ShownReplies()
        found = self._next([start], lambda each: each.runs and takes_prompt(each))
        while found:
            path += found
            last = found[-1]
            members.add(last.id)
            known.update(part.id for part in last.outputs)
            known.update(part.id for part in last.inputs if part.kind in TEXTS)
            shown.add(last)
            streams = last.streams and last.queued and not self._hands_on_chat(last)
            if (shown.is_sure and streams) or len(members) > _MOST_STEPS:
                break
            shown.streams = streams and shown.is_likely
            goes = partial(_goes, known, shown)
            found = self._next(self._following.get(last.id, ()), goes)
        steps = _needed(path, members) if shown else []
        return steps if len(steps) <= _MOST_STEPS else []

    def _hands_on_chat(self, function: AppFunction) -> bool:
        """Whether one after it streams its chat on, or shows its state as a chat.

        One that streams may read the turns from a state that is given beside the chat.
        """
        chats = {each.id for each in function.outputs if each.kind in CHATS}
        given = chats | {each.id for each in function.outputs if each.kind == "state"}

        def goes_on(each: AppFunction) -> bool:
            takes = any(part.id in given for part in each.inputs)
            if chats:
                gives = each.streams and any(part.id in chats for part in each.outputs)
            else:
                gives = any(part.kind in CHATS for part in each.outputs)
            return each.runs and takes and gives

        return bool(self._next(self._following.get(function.id, ()), goes_on))

    def _next(
        self, functions: Sequence[AppFunction], is_next: Callable[[AppFunction], bool]
    ) -> list[AppFunction]:
        """Return the first function that is next, after those that lead to it; none without one."""
        waiting = [(each, 0) for each in reversed(functions)]
        leading: list[AppFunction] = []
        while waiting:
            each, depth = waiting.pop()
            del leading[depth:]
            if is_next(each):
                return [*leading, each]
            leading.append(each)
            following = self._following.get(each.id, ())
            waiting += [(one, len(leading)) for one in reversed(following)]
        return []

    def boxes(self, start: AppFunction, inputs: Iterable[Any]) -> Collection[Any]:
        """Return the boxes among some inputs whose submit event does the same as a function.

        It starts one with the same inputs and outputs: a page may give each of its boxes such an
        event, and a button one, too. Else one that gives another component that this one gives,
        too, as that of a box for a name does not, or a script that may press the button. A
        function that puts a text into the chat that it takes has the message: no box of a later
        step, such as an address to open, is it.
        """
        if own := self._boxes.get(_parts(start)):
            return own
        if _adds_message(start):
            inputs = [each.id for each in start.inputs]
        given = {part for each in _targets(start) for part in self._given.get(each, ())}
        return {
            box
            for box in inputs
            if box in self._scripted
            or any(part in given and part != box for part in self._given.get((box, "submit"), ()))
        }

    def gives(self, start: AppFunction, component: Any) -> bool:
        """Whether a function that the page runs for the same event gives this component."""
        return any(component in self._given.get(each, ()) for each in _targets(start))

    def answers_in_chat(self, box: Any) -> bool:
        """Whether the submit event of a box starts a function that shows a chat."""
        return not self._chats.isdisjoint(self._given.get((box, "submit"), ()))

    def opening(self, tabs: Iterable[Any]) -> list[AppFunction]:
        """Return the functions that the page runs as it loads, and as these tabs are opened."""
        selecting = [each for tab in tabs for each in self._on_select.get(tab, ())]
        return [*self.on_load, *selecting]

    def loading(self, needed: Collection[Any], tabs: Iterable[Any] = ()) -> list[AppFunction]:
        """Return those of them that fill these components."""
        steps = _needed(self.opening(tabs), set(), set(needed))
        return steps[-_MOST_STEPS:]

    def ticks(self, component: Any) -> bool:
        """Whether a function that the page runs again and again gives a component."""
        trees = [each for start in self._ticking for each in self._tree(start)]
        return any(part.id == component for each in trees for part in each.outputs)

    def changing(
        self,
        needed: Collection[Any],
        own: Collection[AppFunction] = (),
        prompts: Collection[Any] = (),
    ) -> list[tuple[AppFunction, list[AppFunction]]]:
        """Return the functions that the page runs when its load has changed a component.

        Gradio's page starts them when a component gets another value than it has, and not for the
        value that it has at first.

        Args:
            needed: The components to fill.
            own: The functions of the chat, which no load is to start.
            prompts: The components that take the prompt, which no load is to send.

        Returns:
            Each start, with those of it and of the functions after it that fill something: those
            that a load's values may start first, then those that these may start.
        """
        passed, unsent = {each.id for each in own}, {*prompts}
        wanted, waiting = set(needed), [*needed]
        starting: dict[Any, dict[Any, list[AppFunction]]] = {}
        seen: set[tuple[Any, int]] = set()
        while waiting:
            for tree, place in self._changing.get(waiting.pop(), ()):
                if (tree[0].id, place) in seen:  # for another of its components
                    continue
                seen.add((tree[0].id, place))
                is_own = not passed.isdisjoint(each.id for each in tree)
                if is_own or not unsent.isdisjoint(tree[0].changing):
                    continue
                for trigger in tree[0].changing:
                    starting.setdefault(trigger, {})[tree[0].id] = tree
                steps = _needed(tree[: place + 1], {tree[place].id})
                taken = {part.id for each in steps for part in each.inputs}
                more = taken.union(tree[0].changing) - wanted
                wanted |= more
                waiting += more
        given = [part.id for each in self.on_load if each.runs for part in each.outputs]
        chosen: dict[Any, tuple[AppFunction, list[AppFunction]]] = {}
        for component in given:  # which grows
            for tree in starting.get(component, {}).values():
                if tree[0].id not in chosen and len(chosen) < _MOST_STEPS:
                    steps = _needed(tree, set(), set(wanted))
                    chosen[tree[0].id] = tree[0], steps
                    given += (part.id for each in steps for part in each.outputs)
        return [*chosen.values()]

    def typing(self, boxes: Collection[Any], needed: Collection[Any]) -> list[AppFunction]:
        """Return the functions that the page runs as somebody writes into a box.

        Args:
            boxes: The boxes.
            needed: The components to fill.
        """
        found: list[AppFunction] = []
        for start in self.starts:
            typed = {part for part, event in start.targets if event in _TYPING}
            if typed <= {*boxes} and typed and not start.events & ASKING:
                found += _needed([*self._tree(start)], set(), {*needed})
        return found[:_MOST_STEPS]

    def uploading(self, needed: Collection[Any]) -> Iterator[tuple[list[AppFunction], Any]]:
        """Yield the steps that start as a file is chosen, and give these components or keep it.

        With each the component whose event starts them; None for a button that hands the chosen
        files to a state.
        """
        for events in (_UPLOADING, _PRESSING):
            for start in self.starts:
                if not start.events & events:
                    continue
                tree = [*self._tree(start)]
                steps = _needed(tree, set(), set(needed))[-_MOST_STEPS:]
                if events is _UPLOADING:
                    if not steps and start.trigger in needed and keeps_file(tree):
                        steps = [each for each in tree if each.runs][:_MOST_STEPS]
                    taken = [part for each in steps for part in each.inputs]
                    if any(each.id == start.trigger and not is_restored(each) for each in taken):
                        yield steps, start.trigger
                elif hands_over(steps, needed):
                    yield steps, None

    def remembers(self, steps: Sequence[AppFunction], used: Collection[Any] = ()) -> bool:
        """Whether the last step may read earlier turns from a state, and not from its chat.

        A state that a step before it has written from the message and the chat holds nothing
        else. Any other may hold the turns: Qwen's own demo changes a list in place. So may a
        component that no visitor writes into, as a hidden JSON.

        Args:
            steps: The steps.
            used: The components that have a role.
        """
        filled: set[Any] = set()
        doubtful = False
        for step in steps:
            keeping = [each for each in step.inputs if each.id not in used and self._may_keep(each)]
            doubtful = any(each.id not in filled and not self._is_setting(each) for each in keeping)
            written = {each.id for each in step.outputs if self._may_keep(each)}
            filled = filled - written if doubtful else filled | written
        return doubtful or self._hands_out(steps)

    def _may_keep(self, component: AppComponent) -> bool:
        """Whether a component may keep turns: a state, or one that no visitor writes into."""
        is_unseen = component.id in self._hidden or component.is_locked
        return component.kind in _STATES | KEEPING or (
            component.kind in _KEEPING_UNSEEN and is_unseen
        )

    def _hands_out(self, steps: Sequence[AppFunction]) -> bool:
        """Whether the steps give a state that others alone take: a handle, as to stop a chat.

        Then the chat itself may go on behind it, on the server.
        """
        own = {each.id for step in steps for each in step.inputs}
        given = {each.id for step in steps for each in step.outputs if each.kind == "state"}
        return not self._taken.isdisjoint(given - own)

    def _is_setting(self, state: AppComponent) -> bool:
        """Whether a state holds a setting: the functions that write it know of no chat.

        The value of any other component that no function writes cannot be another one later.
        """
        if state.id not in self._settings:
            writers = self._writers.get(state.id, ())
            self._settings[state.id] = all(
                each.inputs
                and not any(part.kind in CHATS or self._may_keep(part) for part in each.inputs)
                for each in writers
            ) and (bool(writers) or state.kind != "state" or _is_constant(state.value))
        return self._settings[state.id]

    def setting(
        self, states: Iterable[Any], reply: Any
    ) -> Iterator[tuple[AppFunction, AppComponent]]:
        """Yield the functions that put one input into one of these states, and that input.

        They write the state, or change the object in it, and may empty the chat. One that gives
        the reply elsewhere asks the model.

        Args:
            states: The states.
            reply: The component that shows the reply.
        """
        for state in states:
            writers = self._writers.get(state, ())[:_MOST_STEPS]
            changers = self._changers.get(state, ())[:_MOST_STEPS]
            found = [(each, [*each.inputs]) for each in writers if each.runs]
            found += ((each, [p for p in each.inputs if p.id != state]) for each in changers)
            for each, inputs in found:
                replies = (part for part in each.outputs if part.kind not in CHATS)
                if len(inputs) == 1 and all(part.id != reply for part in replies):
                    yield each, inputs[0]

    def _tree(self, start: AppFunction) -> Iterator[AppFunction]:
        """Yield a function and all that come after it, in the order of the page."""
        waiting = [start]
        while waiting:
            each = waiting.pop()
            yield each
            waiting += reversed(self._following.get(each.id, ()))


def _is_constant(value: Any) -> bool:
    """Whether the value of a state that no function writes stays as it is.

    A list may be changed in place, as may an object, which `/config` has as its `repr`. Nothing
    is told of it by Gradio 5 and newer.
    """
    return isinstance(value, (str, int, float)) and str(value)[:1] != "<"


def _adds_message(function: AppFunction) -> bool:
    """Whether a function gives a chat that it takes, beside a text that it takes."""
    chats = {part.id for part in function.outputs if part.kind in CHATS}
    texts = [part for part in function.inputs if part.kind in TEXTS]
    return bool(texts) and any(part.id in chats for part in function.inputs)


def _only_focuses(function: AppFunction) -> bool:
    """Whether a function's script only puts the cursor into another box, as behind a name."""
    return "focus" in function.script and _PRESSES.search(function.script) is None


def _changed_state(function: AppFunction) -> Any:
    """Return the state that a function changes by one input, or the object in it; None for none.

    One that gives the state on may be a button's, and may tell the visitor that it has done so.
    """
    states = [each.id for each in function.inputs if each.kind == "state"]
    if len(states) != 1 or len(function.inputs) != 2 or not function.runs:
        return None
    if any(each.id == states[0] for each in function.outputs):
        is_setter = not (function.streams or any(each.kind in CHATS for each in function.outputs))
    else:
        is_setter = not function.outputs and bool(function.events & _CHANGING)
    return states[0] if is_setter else None


def _goes(known: Collection[Any], shown: ShownReplies, function: AppFunction) -> bool:
    """Whether a function takes the chat from those before it, and gives it on.

    Args:
        known: The components that the chat has passed through.
        shown: The replies that they show.
        function: The function.
    """
    takes = any(each.id in known for each in function.inputs)
    return function.runs and takes and shown.may_go_on(function)


def _parts(function: AppFunction) -> tuple[Any, ...]:
    """Return the components that a function takes and gives."""
    return tuple(each.id for each in function.inputs), tuple(each.id for each in function.outputs)


def _targets(start: AppFunction) -> Sequence[Any]:
    """Return the events that start a function; one that no event starts has one of its own."""
    return start.targets[:_MOST_STEPS] or [("function", start.id)]


def _needed(
    path: Sequence[AppFunction], members: Collection[Any], needed: set[Any] | None = None
) -> list[AppFunction]:
    """Return the members of a path, and those that give something to one after them.

    Between them a page may do other things, such as switching off a button. One that gives nothing
    may change a state that it takes in place.
    """
    needed = set() if needed is None else needed
    steps = []
    for each in reversed(path):
        given = each.outputs or [part for part in each.inputs if part.kind == "state"]
        if each.id in members or (each.runs and any(part.id in needed for part in given)):
            needed.update(part.id for part in each.inputs)
            steps.append(each)
    return steps[::-1]
