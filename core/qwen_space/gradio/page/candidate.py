"""A function of an app as one that can chat, and how well it fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from qwen_space.gradio.page.api_parameters import API
from qwen_space.gradio.page.app import (
    CHATS,
    NUMBERS,
    TEXTS,
    TEXTS_WITH_FILES,
    AppComponent,
    AppFunction,
)
from qwen_space.gradio.page.endpoint import SAMPLING, Role
from qwen_space.gradio.page.media_inputs import MEDIA_ROLES
from qwen_space.gradio.page.opening import WORKS
from qwen_space.gradio.page.orders import follows_up
from qwen_space.gradio.page.outputs import PAGES, find_output, says_status, strangeness
from qwen_space.gradio.page.roles import Clues, Roles, asks, is_setting, looks_like_system
from qwen_space.gradio.page.steps import ASKING

__all__ = [
    "Candidate",
    "choose_first",
    "distinct_inputs",
    "visitor_inputs",
    "with_chats",
    "with_rivals",
]

# Names that chat functions have in the Qwen Spaces and in gr.ChatInterface, best first.
_KNOWN_NAMES = ("model_chat_1", "model_chat", "chat", "bot", "respond", "predict")

_CHAT_NAME = re.compile(r"(?:\w+_)?chat(?:_\w+)?")
# Functions for whole chats.
_OF_CHATS = re.compile(r"new|load|save|rename|search|summari[sz]e|title|select|list")

# Functions for an earlier message, by the names that programmers give them.
_SIDELINE = re.compile(
    r"(?:on_|handle_|do_)?(?:regenerate|regen|retry|rerun|undo|clear|reset|delete|remove|edit|export"
    r"|flag|like|dislike|vote|upvote|downvote|stop|cancel)(?:_|$)"
)

# Words on buttons that send a message, or ask for a reply to it in another way.
_SENDING = re.compile(
    r"\b(?:send|submit|ask|chat|talk|go|run|generate|answer|reply|respond|stream|enter|start|query"
    r"|predict|execute)\b"
    r"|发送|發送|提交|提问|对话|回答|生成|送信|質問|回答|보내기?|전송|질문"
    r"|отправ\w{0,6}|спросить|ответ\w{0,6}|senden"
    r"|fragen|envoyer|demander|enviar|preguntar|perguntar|invia|chiedi|gönder|kirim|gửi|إرسال",
    re.IGNORECASE,
)

# The other words of a button that does no more than that: "Send message", not "Generate title".
_MESSAGE = re.compile(
    r"\b(?:a|an|the|my|your|it|to|get|message|msg|question|prompt|request|text|input|ai|bot|model"
    r"|assistant|now|with|without|streaming)\b|消息|问题|メッセージ|сообщение|вопрос|nachricht"
    r"|frage|mensaje|pregunta|mensagem|pergunta|messaggio",
    re.IGNORECASE,
)

_LOGIN = re.compile(
    r"user ?(?:name|id)|\blog-?in\b|e-?mail|account|用户名|用戶名|账号|帳號|логин|имя пользователя"
    r"|ユーザー名|아이디|usuario|benutzer|identifiant",
    re.IGNORECASE,
)

_TURNS = re.compile(
    r"histor|memory|(?:chat|context|conversation|previous|past)[a-z ]{0,10}(?:turn|round|message)"
    r"|历史|歷史|轮次|轮数|上文|истори|контекст",
    re.IGNORECASE,
)

_WITH_TURNS = re.compile(
    rf"{_TURNS.pattern}|context|remember|conversation|multi-?\s?turn|多轮|上下文|记忆"
    "|запомин|память",
    re.IGNORECASE,
)
# Check boxes that leave no turns out of the prompt, whatever they do with them or with a machine.
_OTHER_MEMORY = re.compile(
    r"\b(?:low|less|gpu|show|display|save|export|clear|reset|documents?|files?|rag|web|search)\b",
    re.IGNORECASE,
)

# Boxes by whose text an app finds the turns, which it keeps itself.
_KEYS = re.compile(
    r"\b(?:session|thread|conversation|chat)[ _-]?(?:id|key)\b"
    r"|(?:会话|會話|セッション|스레드|세션) ?id"
    r"|\bid (?:сессии|чата|диалога|de (?:sesión|sessão|session))\b",
    re.IGNORECASE,
)


class Candidate(msgspec.Struct, frozen=True):
    """A function that can chat.

    Attributes:
        start: The function that the page runs first.
        steps: All functions that a message needs; the last one gives the reply.
        roles: The roles of the components.
        missing: The names in `roles=` that are of no input of its.
        shows_chat: Whether the page shows its reply in a chat.
        gives_response: Whether it is for the API alone, beside a chat of the page, as `/chat` of a
            `gr.ChatInterface`.
        asks_later: Whether the page shows the box of its prompt only later, as one for answers to
            the model's own questions.
        is_closed: Whether that box is in a part of the page that is not open at first, as a tab.
        has_rival: Whether the app's API lists a function that takes the same box.
        is_action: Whether a button for another thing starts it, such as "Explain", while its box
            is sent to a function with the same output.
        buttons: The words on the buttons that start it.
    """

    start: AppFunction
    steps: tuple[AppFunction, ...]
    roles: Roles
    missing: tuple[Any, ...]
    shows_chat: bool = False
    gives_response: bool = False
    asks_later: bool = False
    is_closed: bool = False
    has_rival: bool = False
    is_action: bool = False
    buttons: tuple[str, ...] = ()

    @property
    def last(self) -> AppFunction:
        """The function that gives the reply."""
        return self.steps[-1]

    @property
    def output(self) -> int | None:
        """The position of the reply: of several chats, the one that the turns are put into."""
        chosen = {part for part, (role, _) in self.roles.items() if role == "history"}
        for position, each in enumerate(self.last.outputs):
            if each.id in chosen and each.kind in CHATS:
                return position
        return find_output(self.last)

    @property
    def reply(self) -> Any:
        """The number of the component that shows the reply; None without one."""
        return None if self.output is None else self.last.outputs[self.output].id

    @property
    def chat_parts(self) -> Mapping[Role | None, Any]:
        """The components of the prompt, the turns and the system prompt."""
        roles = self.roles.items()
        return {role: part for part, (role, _) in roles if role in {"prompt", "history", "system"}}

    @property
    def turn_parts(self) -> Mapping[Role | None, Any]:
        """The components of the turns and the system prompt."""
        return {role: part for role, part in self.chat_parts.items() if role != "prompt"}

    @property
    def is_public(self) -> bool:
        """Whether the app's API lists it, with a name."""
        return self.last.public and self.last.api_name is not None

    @property
    def takes_media(self) -> bool:
        """Whether it takes pictures or files, in the message or beside it."""
        return self.takes_files_in_message or any(
            role in MEDIA_ROLES for role, _ in self.roles.values()
        )

    @property
    def takes_files_in_message(self) -> bool:
        """Whether its prompt may come with files, so that it answers one without any, too."""
        return any(each.kind in TEXTS_WITH_FILES for each in self.prompts)

    @property
    def prompts(self) -> list[AppComponent]:
        """The components that take the prompt."""
        inputs = distinct_inputs(self.steps)
        return [each for each in inputs if self.roles.get(each.id, ("",))[0] == "prompt"]

    @property
    def locked(self) -> str:
        """The placeholder of the prompt's box where the page locks it at first; "" elsewhere."""
        return next((each.placeholder for each in self.prompts if each.is_locked), "")

    @property
    def is_login(self) -> bool:
        """Whether its prompt is the name in a login form, beside a password."""
        has_password = any(each.is_password for each in distinct_inputs(self.steps))
        return has_password and any(
            _LOGIN.search((each.label or "")[:200]) for each in self.prompts
        )

    @property
    def asks_setting(self) -> bool:
        """Whether its prompt is a path, a name or the like, by its label."""
        labels = [(each.label or "")[:200] for each in self.prompts]
        return any(is_setting(each) for each in labels)

    @property
    def only_reports(self) -> bool:
        """Whether it gives a status alone, and its box has a name that asks for no message."""
        shown = None if self.output is None else self.last.outputs[self.output]
        texts = [text for each in self.prompts for text in (each.label, each.placeholder) if text]
        return (
            shown is not None
            and says_status(shown)
            and WORKS.isdisjoint(each.kind for each in self.last.outputs)
            and bool(texts)
            and not any(asks(text[:500]) for text in texts)
        )

    @property
    def asks_more(self) -> bool:
        """Whether it takes words on an answer or a question that came before, by their label."""
        texts = [each for each in distinct_inputs(self.steps) if each.kind in TEXTS]
        return any(follows_up(each.label or "") for each in texts)

    @property
    def asks_role(self) -> bool:
        """Whether its prompt may be the model's role, by its label."""
        return any(looks_like_system(each, Clues()) is not None for each in self.prompts)

    @property
    def is_named_chat(self) -> bool:
        """Whether its name in the API is that of a function that chats."""
        name = self.last.api_name or ""
        has_chat = _CHAT_NAME.fullmatch(name) is not None and _OF_CHATS.search(name) is None
        return has_chat or name in _KNOWN_NAMES

    @property
    def asks_sound(self) -> bool:
        """Whether a button hands it a sound or a film beside its prompt, and it shows no chat.

        A page of several tabs has one for each, and one for questions alone.
        """
        roles = {role for role, _ in self.roles.values()}
        return (
            "submit" not in self.start.events
            and not self.shows_chat
            and not roles.isdisjoint({"audio", "video"})
        )

    @property
    def is_submitted(self) -> bool:
        """Whether the submit event of its box starts it."""
        boxes = {each.id for each in self.prompts}
        return any(event == "submit" and part in boxes for part, event in self.start.targets)

    @property
    def is_sent(self) -> bool:
        """Whether the submit event of its box starts it, or a button that only sends that."""
        return self.is_submitted or any(map(_only_sends, self.buttons))

    @property
    def sampling(self) -> frozenset[Role | None]:
        """The sampling parameters that it takes."""
        return SAMPLING.intersection(role for role, _ in self.roles.values())

    @property
    def forgets(self) -> bool:
        """Whether the app leaves the page's turns out of the prompt.

        Their number is 0, a box is not checked, or a box has the key of those that the app keeps.
        """
        inputs = distinct_inputs(self.steps)
        zeros = [each for each in inputs if each.kind in NUMBERS and each.value == 0]
        unchecked = [each for each in inputs if each.kind == "checkbox" and each.value is False]
        texts = [each for each in inputs if each.kind in TEXTS]
        return (
            any(_TURNS.search((each.label or "")[:200]) for each in zeros)
            or any(_KEYS.search((each.label or "")[:200]) for each in texts)
            or any(
                _WITH_TURNS.search(label) and not _OTHER_MEMORY.search(label)
                for label in ((each.label or "")[:200] for each in unchecked)
            )
        )

    @property
    def likeness(self) -> tuple[Any, ...]:
        """The part that two candidates share which do the same, as a box's and a button's."""
        inputs = tuple(tuple(each.id for each in step.inputs) for step in self.steps)
        return inputs, find_output(self.last)

    def goes_back_to(self, other: Candidate) -> bool:
        """Whether it takes the prompt of another, too, which does not take its own."""
        own, others = ({part.id for part in each.prompts} for each in (self, other))
        taken, given = ({part.id for part in distinct_inputs(each.steps)} for each in (self, other))
        return own.isdisjoint(others | given) and bool(others) and others <= taken

    @property
    def is_hidden(self) -> bool:
        """Whether the app's API lacks one of its ends, or its name."""
        return not (self.start.public and self.last.public) or self.last.api_name is None

    @property
    def unfitness(self) -> tuple[int, ...]:
        """The faults of a function, whatever else it has; fewer are better."""
        first, last = self.start, self.last
        output = find_output(last)
        return (
            len(self.missing),
            output is not None and last.outputs[output].kind == "multimodaltextbox",
            bool(first.events) and not first.events & ASKING,
            _SIDELINE.match((last.api_name or "").lower()) is not None or self.is_login,
        )

    @property
    def rank(self) -> tuple[int, ...]:
        """How well a function fits; less is better.

        gr.ChatInterface keeps the steps of its page out of the app's API: they read the prompt
        from the session's state, which only the step before them fills. They are what is left
        where `multimodal=True` makes its `/chat` fail, in Gradio 4.22 to 4.37: it
        gives its text to a MultimodalTextbox, which takes no plain text.
        """
        first, last = self.start, self.last
        output = find_output(last)
        strange = 0 if output is None else strangeness(last.outputs[output])
        name = last.api_name
        known = _KNOWN_NAMES.index(name) if name in _KNOWN_NAMES else len(_KNOWN_NAMES)
        told = {(role, component) for component, (role, _) in self.roles.items()}
        return (
            *self.unfitness,
            not last.has_page,
            self.is_hidden and self.has_rival,
            not self.shows_chat,
            self.only_reports,
            self.is_hidden,
            self.asks_later or self.asks_more,
            self.shows_chat and self.is_closed,
            strange == 2,
            self.asks_setting,
            output is not None and ("prompt", last.outputs[output].id) in told,
            self.is_action,
            not last.streams,
            self.asks_sound,
            known,
            self.is_closed,
            bool(first.events) and "submit" not in first.events,
            not self.is_named_chat,
            any(each.is_parameter and each.kind == API for each in self.prompts),
            output is not None and last.outputs[output].kind in {"json", *PAGES},
            -min(len(self.sampling), 2),
            strange,
            self.asks_role,
        )


def distinct_inputs(steps: Iterable[AppFunction]) -> tuple[AppComponent, ...]:
    """Return the components that some steps take, each once."""
    return tuple({each.id: each for step in steps for each in step.inputs}.values())


def visitor_inputs(steps: Iterable[AppFunction]) -> tuple[AppComponent, ...]:
    """Return the components that some steps take, each once, and that no step has filled before.

    One that takes nothing may only lock or unlock them.
    """
    filled: set[Any] = set()
    found: dict[Any, AppComponent] = {}
    for step in steps:
        found.update({each.id: each for each in step.inputs if each.id not in filled})
        filled.update(each.id for each in step.outputs if step.inputs and each.id not in found)
    return tuple(found.values())


def with_chats(
    components: Iterable[AppComponent], function: AppFunction
) -> tuple[AppComponent, ...]:
    """Return components and, behind them, the chats that a function shows."""
    shown = [each for each in function.outputs if each.kind in CHATS]
    return tuple({each.id: each for each in (*components, *shown)}.values())


def with_rivals(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return an app's candidates, each with the rivals that it has among the others."""
    listed = {part.id for each in candidates if each.is_public for part in each.prompts}
    sent = [each for each in candidates if each.is_sent]
    return [
        replace(
            each,
            has_rival=any(part.id in listed for part in each.prompts),
            is_action=_names_another_thing(each) and any(_precedes(other, each) for other in sent),
        )
        for each in candidates
    ]


def choose_first(rivals: list[Candidate]) -> list[Candidate]:
    """Return the first of several that the page runs for one message, else all of them.

    One whose box is sent with the message of another answers a question that the app asked back.
    Two models answer side by side so, each in a chat of its own; both may be a
    `gr.ChatInterface` with one box. So it is of two of these with functions of one name. Where
    both give one chat, the first may do no more than put the message there.
    """
    asking = [each for each in rivals if not any(map(each.goes_back_to, rivals))]
    rivals = asking or rivals
    given = {each.last.outputs[each.output].id for each in rivals if each.output is not None}
    if len(given) < len(rivals):
        return rivals
    boxes = {part.id for each in rivals for part in each.prompts}
    are_for_api = all(each.gives_response for each in rivals)
    submits = [any((part, "submit") in each.start.targets for part in boxes) for each in rivals]
    names = {re.sub(r"_\d{1,3}$", "", each.last.api_name or "") for each in rivals}
    shares_box = len(boxes) == 1 and (are_for_api or all(submits))
    return rivals[:1] if shares_box or (are_for_api and len(names) == 1) else rivals


def _names_another_thing(candidate: Candidate) -> bool:
    """Whether the buttons that start a function have words, and none of them sends a message."""
    has_words = any(any(map(str.isalpha, words)) for words in candidate.buttons)
    sends = candidate.is_submitted or any(map(_SENDING.search, candidate.buttons))
    return has_words and not sends


def _only_sends(words: str) -> bool:
    """Whether the words on a button say that it sends a message, and name nothing else."""
    rest = _MESSAGE.sub("", _SENDING.sub("", words))
    return _SENDING.search(words) is not None and not any(map(str.isalnum, rest))


def _precedes(sent: Candidate, action: Candidate) -> bool:
    """Whether a function that the box is sent to gives its reply where a button's gives its own."""
    given = {part.id for part in sent.last.outputs}
    shown = action.output
    is_same = shown is not None and action.last.outputs[shown].id in given
    return is_same and sent.prompts == action.prompts and sent.unfitness <= action.unfitness
