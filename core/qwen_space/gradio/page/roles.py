"""Tells the inputs of an app's chat apart: which is the prompt, which the system prompt, and so on.

The evidence is a component's own: the parameter that it is passed as, its label, its placeholder,
its value, its range, and the events of the page that it takes part in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from qwen_space.gradio.page.api_parameters import may_hold_turns
from qwen_space.gradio.page.app import CHATS, CHOICES, NUMBERS, TEXTS, AppComponent
from qwen_space.gradio.page.endpoint import Role, bare_name
from qwen_space.gradio.page.figures import CREATIVITY, FIGURES, NO_CREATIVITY
from qwen_space.gradio.page.media_inputs import MEDIA_KINDS, MediaRole, is_restored
from qwen_space.gradio.page.message_lists import find_message_list
from qwen_space.gradio.page.orders import (
    MATERIAL,
    MATERIAL_TEXT,
    ROLE_ORDER,
    find_order,
    follows_up,
    is_instructed,
    offers_orders,
)

__all__ = [
    "Clues",
    "Roles",
    "asks",
    "assign_roles",
    "is_setting",
    "looks_like_system",
]

Roles = Mapping[Any, tuple[Role | None, str]]  # by a component's number: its role, and the reason


class Clues(msgspec.Struct, frozen=True):
    """The page's wiring of the components of a chat.

    Attributes:
        submitting: The components whose submit event starts a function.
        cleared: The components that the functions of this chat give, too.
        elsewhere: The components whose value the server gets by an event of their own, for all
            its visitors, whatever the chat's function is given.
        parameters: The names of the parameters that a component is passed as, by its number.
        chosen: The roles that the caller gave, by the component's number; None for no role.
        place: Of several chats that answer side by side, the position of the one that is asked,
            and their number.
    """

    submitting: Collection[Any] = ()
    cleared: Collection[Any] = ()
    elsewhere: Collection[Any] = ()
    parameters: Mapping[Any, Sequence[str]] = msgspec.field(default_factory=dict)
    chosen: Mapping[Any, Role | None] = msgspec.field(default_factory=dict)
    place: tuple[int, int] = (0, 1)

    def parameter_in(self, component: AppComponent, names: Collection[str]) -> str | None:
        """Return the component's parameter if it is one of these."""
        named = self.parameters.get(component.id, ())
        return next((name for name in named if bare_name(name) in names), None)


def assign_roles(components: Iterable[AppComponent], clues: Clues) -> Roles:
    """Return the roles of those components that have one."""
    roles: dict[Any, tuple[Role | None, str]] = {
        number: (role, "asked for with roles=") for number, role in clues.chosen.items()
    }
    taken = {role for role, _ in roles.values()}
    free = [each for each in components if each.id not in roles]
    for role, find in _FINDERS:
        if role not in taken and (found := find(free, clues)) is not None:
            component, why = found
            component = _of_place(component, free, clues.place)
            roles[component.id] = (role, why)
            free = [each for each in free if each.id != component.id]
    return roles


def _of_place(
    component: AppComponent, components: Iterable[AppComponent], place: tuple[int, int]
) -> AppComponent:
    """Return the one of a chat's place where each of several chats has such a component."""
    at, count = place
    label = _bare_label(component)
    alike = [each for each in components if each.kind == component.kind]
    alike = [each for each in alike if _bare_label(each) == label]
    return alike[at] if label and len(alike) == count else component


def _bare_label(component: AppComponent) -> str:
    """Return a label without the letter or the number of one of several models at its end."""
    return re.sub(r"[\W_]*(?:\b|_)(?:[a-d]|\d)\W*$", "", (component.label or "")[:200].lower())


_Found = tuple[AppComponent, str] | None

# The parameters of chat functions, in one form: Qwen's and ms-swift's, gr.ChatInterface's, the
# templates of Hugging Face's own documentation, and those of widely used web demos.
_PROMPTS = frozenset(
    {
        "query",
        "prompt",
        "message",
        "question",
        "user_input",
        "msg",
        "text",
        "user_message",
        "instruction",
        "inputs",
    }
)
_SYSTEMS = frozenset(
    {
        "system",
        "system_prompt",
        "system_message",
        "sys_prompt",
        "sys_message",
        "system_text",
        "system_content",
        "system_instruction",
        "system_instructions",
        "system_msg",
        "sysprompt",
        "preprompt",
        "pre_prompt",
    }
)
_HISTORIES = frozenset({"history", "chat_history", "conversation_history", "messages"})
_MODELS = frozenset({"model", "model_name", "model_size", "model_id", "model_choice", "model_path"})

_SYSTEM_WORDS = re.compile(
    r"\bsys(?:tem)?[ _-]?(?:prompt|messages?\b|msg|instruct|role|context|content|text)"
    r"|systemnachricht|systemanweisung|\bpre-?prompt|custom instructions"
    r"|系[统統].{0,3}(?:提示|消息|訊息|指令|设定|設定|角色|prompt)|人设|人設|角色(?:设定|设置|描述|設定)"
    r"|системн\w{1,3} (?:промпт|промт|сообщ|инструк|роль)"
    r"|システム.{0,2}(?:プロンプト|メッセージ|指示|設定)|시스템 ?(?:프롬프트|메시지|지시|설정|역할)"
    r"|(?:prompt|m[eo]\w{4,7}|i[ns]\w{5,10}) (?:(?:del?|do|di|du) )?(?:sistema|système)",
    re.IGNORECASE,
)
# Alone, or in a label of few words that asks for no message: a question may be about any system.
_SYSTEM = re.compile(
    r"\bsys(?:tem)?\b|\bpersona\b|系统|系統|систем|システム|시스템|\bsistema\b|système",
    re.IGNORECASE,
)
_MOST_SYSTEM_WORDS = 3
# In a label alone, as placeholders have them for messages, too; and only where another text is.
_ROLE_WORDS = re.compile(
    r"\b(?:assistant|(?:chat)?bot|agent|model|ai)(?:'s)? (?:instructions?|role|personality)\b"
    r"|\binstructions? (?:for|to) (?:the |your )?(?:assistant|(?:chat)?bot|agent|model|ai)\b"
    r"|(?<!\w)роль(?!\w)|役割|역할|rollenbeschreibung",
    re.IGNORECASE,
)
# Where there are several, as "User System Prompt" and "System Pre-Context" beside it.
_SYSTEM_PROMPTS = (
    re.compile(
        r"\s?(?:default )?sys(?:tem)?[ _-]?(?:prompt|message|instruction)?s?\W?$", re.IGNORECASE
    ),
    re.compile(
        r".*sys(?:tem)?[ _-]?(?:prompt|message|instruction)|.*系[统統].{0,2}(?:提示|消息)",
        re.IGNORECASE,
    ),
)
_NO_SYSTEM = re.compile(r"(?:operating|file)[ _-]?system|system (?:info|status|log)", re.IGNORECASE)
_PROMPT_WORDS = re.compile(
    r"message|prompt|question|request|\bask\b|\bchat\b|\binput\b|query|\btype\b|say something"
    r"|\buser\b"
    r"|输入|輸入|消息|问题|提问|发送|сообщ|вопрос|запрос|введите|напишите|メッセージ|質問|메시지|질문"
    r"|frage|nachricht|pregunta|mensaje|pergunta|mensagem|domanda|messaggio|\bsoru|mesaj"
    r"|câu hỏi|tin nhắn|pertanyaan|pesan|سؤال|رسالة",
    re.IGNORECASE,
)


# Labels of settings that are texts, too.
_OTHERS = re.compile(
    r"\b(?:models?|api|keys?|tokens?|urls?|links?|hosts?|port|path|folder|directory|endpoint|titles?"
    r"|subject|recipient"
    r"|lang(?:uage)?s?|country|(?:user|file|table)?[ _-]?name|id|e-?mail)\b"
    r"|模型|密钥|语言|名称|路径|модел|язык|ключ|имя|путь|名前|言語|モデル|이름|언어|경로|모델"
    r"|\b(?:modèles?|pfad|sprache|nombre|idioma|ruta|nome|caminho|nom|langue|chemin|enlace)\b"
    r"|\b(?:ad[i\u0131]|dosya yolu|đường dẫn|ngôn ngữ|tên|اسم|رابط|لغة)\b",
    re.IGNORECASE,
)
# What a label says of any box, as in "Enter the URLs (one per line)".
_ORDER = re.compile(
    r"\b(?:please|enter|paste|type|insert|provide|put|add|give|your|the|an?|here)\b|\([^()]*\)",
    re.IGNORECASE,
)
_SETTING = re.compile(rf"(?<![\u0430-\u044f])(?:{_OTHERS.pattern})", re.IGNORECASE)
_ASKING = re.compile(
    r"\b(?:talk|write|tell|speak|say|text)\b|\b(?:to|for|with) (?:the )?(?:model|api)"
    r"|对话|對話|聊天|спрос|текст|для модел",
    re.IGNORECASE,
)


def _words(component: AppComponent) -> list[tuple[str, str]]:
    """Return the texts that a page shows for a component, each with its name."""
    texts = [("label", component.label or ""), ("placeholder", component.placeholder)]
    return [(name, text[:500]) for name, text in texts if text]


def _names(component: AppComponent, clues: Clues) -> list[tuple[str, str]]:
    """Return the texts that a page shows for a component; its parameters in words without any."""
    named = clues.parameters.get(component.id, ())
    return _words(component) or [("parameter", name[:500].replace("_", " ")) for name in named]


def is_setting(label: str) -> bool:
    """Whether the label of a text is the name of a setting, and asks for no message."""
    label = _ORDER.sub("", label)
    return len(label.split()) <= 3 and not asks(label) and _SETTING.search(label) is not None


def looks_like_system(component: AppComponent, clues: Clues, *, surely: bool = False) -> str | None:
    """Return the reason why a component looks like a system prompt's; None if it does not.

    Args:
        component: An input.
        clues: The wiring of the page.
        surely: Leaves out the words that a prompt's label may have, too.
    """
    is_text = component.kind in TEXTS and not component.is_password
    if not (is_text or (component.is_open_choice and offers_orders(component))):
        return None
    surely = surely or not is_text
    if name := clues.parameter_in(component, _SYSTEMS):
        return f"the parameter is called {name}"
    for where, text in _words(component):
        found = _SYSTEM_WORDS.search(text) or _bare_system(text, surely=surely)
        if found and not _NO_SYSTEM.search(text):
            return f"the {where} says {found[0].lower()}"
    if not surely and (found := _ROLE_WORDS.search((component.label or "")[:500])):
        return f"the label says {found[0].lower()}"
    value = str(component.value or "")[:500]
    may_be_message = surely and is_text and any(asks(text) for _, text in _words(component))
    found = None if may_be_message else ROLE_ORDER.match(value)
    if not (found or surely) and clues.submitting:
        found = find_order(component.label or "", value)
    if found and component.id not in clues.submitting:
        return f"its value begins with {found[0].strip()}"
    return None


def _bare_system(text: str, *, surely: bool) -> re.Match[str] | None:
    """Find the word "system" in a text of few words that asks for nothing."""
    found = _SYSTEM.search(text)
    if found is None or asks(text) or len(text.split()) > _MOST_SYSTEM_WORDS:
        return None
    is_alone = not any(each.isalnum() for each in _SYSTEM.sub("", text, count=1))
    return found if is_alone or not surely else None


def asks(text: str) -> bool:
    """Whether a label or a placeholder asks for a message."""
    return _PROMPT_WORDS.search(text) is not None or _ASKING.search(text) is not None


def _find_prompt(components: Sequence[AppComponent], clues: Clues) -> _Found:
    texts = [each for each in components if each.kind in TEXTS and not each.is_password]
    # A box that only shows has no submit event; one for messages may be locked at first.
    texts = [each for each in texts if not each.is_locked or each.id in clues.submitting] or texts
    texts = [each for each in texts if looks_like_system(each, clues, surely=True) is None]
    texts = _without_others(texts, clues)
    texts = [each for each in texts if clues.parameter_in(each, _MODELS) is None]
    for find in (_submitted, _emptied, _named_prompt):
        if (found := find(texts, clues)) is not None:
            return found
    found = find_message_list(
        components,
        clues.parameters,
        lambda surely: any(_may_be_message(each, clues, surely=surely) for each in texts),
    )
    if found is not None:
        return found
    if (found := _labelled_prompt(texts, clues)) is not None:
        return found
    if not texts:
        codes = [each for each in components if each.kind == "code" and not each.is_locked]
        return (codes[0], "the only text is code") if len(codes) == 1 else None
    if len(texts) == 1:
        return texts[0], "the only text"
    first = _first(texts)
    return first, "the first text" if first is texts[0] else "the first text that is no setting's"


def _without_others(texts: list[AppComponent], clues: Clues) -> list[AppComponent]:
    """Leave out those for the model's role, material or a later step, unless no other is left."""

    def is_about(label: str) -> bool:
        is_order = asks(label) and MATERIAL_TEXT.match(label) is None
        is_material = MATERIAL.search(label) is not None and not is_order
        return is_material or is_instructed(label, labels)

    others = [each for each in texts if looks_like_system(each, clues) is None]
    labels = [(each.label or "")[:200] for each in others]
    others = [each for each, label in zip(others, labels, strict=True) if not is_about(label)]
    first = [each for each in others if not follows_up(each.label or "")]
    if not all(is_setting((each.label or "")[:200]) for each in first):
        others = first
    submitting = {each.id for each in texts}.intersection(clues.submitting)
    is_left = not submitting.isdisjoint(each.id for each in others) if submitting else bool(others)
    return others if is_left else texts


def _submitted(texts: Sequence[AppComponent], clues: Clues) -> _Found:
    submitting = [each for each in texts if each.id in clues.submitting]
    if not submitting:
        return None
    likely = _emptied(submitting, clues) if len(submitting) > 1 else None
    likely = likely or _named_prompt(submitting, clues) or _labelled_prompt(submitting, clues)
    return likely[0] if likely else _first(submitting), "its submit event starts a function"


def _first(texts: Sequence[AppComponent]) -> AppComponent:
    """Return the first text that is no setting's, or the first where all are."""
    likely = (each for each in texts if not _OTHERS.search((each.label or "")[:200]))
    return next(likely, texts[0])


def _emptied(texts: Sequence[AppComponent], clues: Clues) -> _Found:
    cleared = [each for each in texts if each.id in clues.cleared]
    # Where all are given, as in functions that give all that they take, that says nothing.
    if not cleared or (len(cleared) > 1 and len(cleared) == len(texts)):
        return None
    return cleared[0], "the function clears it"


def _named_prompt(texts: Sequence[AppComponent], clues: Clues) -> _Found:
    for each in texts:
        if name := clues.parameter_in(each, _PROMPTS):
            return each, f"the parameter is called {name}"
    return None


def _may_be_message(text: AppComponent, clues: Clues, *, surely: bool) -> bool:
    """Whether a text beside a list of messages may be the prompt: no setting, nor has it a value.

    Args:
        text: The text.
        clues: The wiring of the page.
        surely: Whether its name has to ask for a message, if that is known.
    """
    names = [name[:200].replace("_", " ") for name in clues.parameters.get(text.id, ())]
    if text.value or any(map(_OTHERS.search, names)):
        return False
    return not (surely and names) or any(map(asks, names))


def _labelled_prompt(texts: Sequence[AppComponent], clues: Clues) -> _Found:
    if len(texts) < 2:
        return None
    for each in texts:
        for where, text in _words(each):
            if found := _PROMPT_WORDS.search(text):
                return each, f"the {where} says {found[0].lower()}"
    return None


def _find_history(components: Sequence[AppComponent], clues: Clues) -> _Found:
    chats = [each for each in components if each.kind in CHATS]
    if chats:
        return chats[0], f"the first {chats[0].kind}"
    for each in components:
        if may_hold_turns(each.props) and (name := clues.parameter_in(each, _HISTORIES)):
            return each, f"the parameter is called {name}"
    return None


def _find_system(components: Sequence[AppComponent], clues: Clues) -> _Found:
    looks = [(each, looks_like_system(each, clues)) for each in components]
    found = [(each, why) for each, why in looks if why and each.id not in clues.elsewhere]
    for pattern in _SYSTEM_PROMPTS:
        for each, why in found:
            if clues.parameter_in(each, _SYSTEMS) or any(
                pattern.match(text) for _, text in _words(each)
            ):
                return each, why
    return found[0] if found else None


def _find_model(components: Sequence[AppComponent], clues: Clues) -> _Found:
    choosing = [each for each in components if each.kind in CHOICES]
    for each in choosing:
        if name := clues.parameter_in(each, _MODELS):
            return each, f"the parameter is called {name}"
    for each in choosing:
        if (why := _model_look(each)) is not None:
            return each, why
    return None


# Models that do not answer, and other choices about a model.
_OTHER_MODELS = re.compile(
    r"embed|rerank|whisper|voice|speech|\btts\b|\basr\b|image|provider|precision|template|preset"
    r"|嵌入|向量|语音|эмбеддинг|埋め込み|임베딩",
    re.IGNORECASE,
)


def _model_look(component: AppComponent) -> str | None:
    label = (component.label or "")[:500].lower()
    if _OTHER_MODELS.search(label):
        return None
    for word, said in (
        *(("model", "model"), ("llm", "LLM"), ("qwen", "Qwen")),
        *(("模型", "模型"), ("модел", "модель"), ("modèle", "modèle"), ("モデル", "モデル")),
        *(("모델", "모델"), ("mô hình", "mô hình"), ("نموذج", "نموذج"), ("मॉडल", "मॉडल")),
    ):
        if word in label:
            return f"the label says {said}"
    # No quantifier: a choice may be a long run of digits.
    sizes = any(re.search(r"\db\b", str(each)[:200].lower()) for each in component.choices or ())
    return "its choices are sizes of models" if sizes else None


def _range(component: AppComponent) -> tuple[float, float] | None:
    low, high = (component.props.get(name) for name in ("minimum", "maximum"))
    if not all(isinstance(each, (int, float)) for each in (low, high)):
        return None
    return low, high  # type: ignore[return-value]  # numbers, as the line above says


def _find_figure(role: Role) -> Callable[[Sequence[AppComponent], Clues], _Found]:
    figure = FIGURES[role]

    def find(components: Sequence[AppComponent], clues: Clues) -> _Found:
        numbers = [each for each in components if each.kind in NUMBERS]
        for parameter in figure.parameters:
            for each in numbers:
                if clues.parameter_in(each, (parameter,)):
                    return each, f"the parameter is called {parameter}"
        numbers = [each for each in numbers if (at := _range(each)) is None or figure.fits(*at)]
        labelled = [(each, where, text) for each in numbers for where, text in _names(each, clues)]
        for words in figure.words:
            for each, where, text in labelled:
                if words.search(text) and not figure.against.search(text):
                    return each, f"the {where} says {words.findall(text)[0].lower()}"
        for each, where, text in labelled if role == "temperature" else ():
            found = None if NO_CREATIVITY.search(text) else CREATIVITY.search(text)
            if found and (at := _range(each)) and at[1] <= 2:
                return each, f"the {where} says {found[0].lower()}"
        nameless = [each for each in numbers if not _words(each)]
        nameless = [each for each in nameless if not clues.parameters.get(each.id)]
        likely = [each for each in nameless if (at := _range(each)) and figure.own(*at)]
        return (likely[0], "its range, as it has no name") if len(likely) == 1 else None

    return find


def _find_media(role: MediaRole) -> Callable[[Sequence[AppComponent], Clues], _Found]:
    def find(components: Sequence[AppComponent], clues: Clues) -> _Found:
        # One that only shows a file is no visitor's to fill.
        fitting = (each for each in components if each.kind in MEDIA_KINDS[role])
        found = next((e for e in fitting if not (e.is_locked or is_restored(e))), None)
        return None if found is None else (found, f"it is of type {found.kind}")

    return find


_FINDERS: Sequence[tuple[Role, Callable[[Sequence[AppComponent], Clues], _Found]]] = (
    ("prompt", _find_prompt),
    ("history", _find_history),
    ("system", _find_system),
    ("model", _find_model),
    ("max_tokens", _find_figure("max_tokens")),
    ("temperature", _find_figure("temperature")),
    ("top_p", _find_figure("top_p")),
    ("image", _find_media("image")),
    ("audio", _find_media("audio")),
    ("video", _find_media("video")),
    ("file", _find_media("file")),
)
