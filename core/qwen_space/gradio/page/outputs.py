"""Tells which output of a function shows the reply, and which may show words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from qwen_space.gradio.page.app import CHATS, TEXTS, TEXTS_WITH_FILES, AppComponent, AppFunction
from qwen_space.gradio.page.roles import Clues, looks_like_system

__all__ = [
    "PAGES",
    "find_output",
    "find_remark_places",
    "may_follow_plan",
    "says_answer",
    "says_plan",
    "says_status",
    "strangeness",
]

_REPLIES = frozenset(
    {
        *TEXTS,
        "code",
        "markdown",
        "json",
        "modelscopemarkdown",
        "modelscopelegacymarkdown",
        "antdxbubble",
    }
)

_REPLY = re.compile(
    r"answer|respon[sd]|reply|output|result|completion|generat|assistant|\bfinal\b"
    r"|回答|答案|回复|回覆|响应|輸出|输出|结果|結果|生成|ответ|результат|応答|返答|답변|응답"
    r"|réponse|risposta|antwort|respuesta|resposta|yan[i\u0131]t|cevap|إجابة|رد"
    r"|trả lời|phản hồi|kết quả|jawaban|odpowied|відповід|sonuç|نتيجة|जवाब|उत्तर",
    re.IGNORECASE,
)
_COUNT = (
    r"^\W*(?:number of|count of|nombre de|n[\u00fau]mero de|numero di|anzahl|количество|число)\b"
    r"|次数|次數|数量|數量|[答件回]数|횟수|개수|số (?:lượng|lần)"
)
_NO_REPLY = re.compile(
    rf"{_COUNT}|"
    r"status|\blogs?\b|source|context|referen|citation|retriev|error|\btime\b|latency|tokens"
    r"|debug|thought|thinking|reasoning|score|history|detected|usage|cost|\btitle\b|\braw json"
    r"|search results?|suggested \w{2,20}s\b|follow-?ups?\b|\bprogress\b"
    r"|状态|狀態|进度|進度|日志|来源|來源|参考|參考|资料|资源|耗时|错误|思考|статус|журнал|источник|контекст"
    r"|statut|journal|quellen|fuentes|fontes|出典|根拠|検索|引用|依据|检索|상태|출처|근거|검색"
    r"|ステータス|トークン|(?<![ァ-ヶ])ログ(?![ァ-ヶ])|令牌|토큰|진행"
    r"|\bestado\b|\bstato\b|\bfonti\b|durum|kaynak|trạng thái|nguồn|حالة|مصادر|المصدر",
    re.IGNORECASE,
)

# A status and no more, where an agent's log may hold its answer.
_STATUS = re.compile(
    r"\bstatus|状态|狀態|статус|statut|ステータス|상태|\bestado\b|\bstato\b|durum|trạng thái|حالة",
    re.IGNORECASE,
)
_LOG = re.compile(r"\blogs?\b|日志|журнал|лог\b|journal|ログ|로그", re.IGNORECASE)

_CHAT = re.compile(r"chat|conversation|对话|對話|聊天|диалог|чат|会話|대화", re.IGNORECASE)
_TURNS = frozenset({"history", "log", "logs"})  # that a chat has
_NO_CHAT = re.compile(r"statist|setting|control|list|统计|设置|列表|设定|設定", re.IGNORECASE)
_OPEN_SOURCE = re.compile(r"\bopen[- ]?source\b", re.IGNORECASE)
# What an answer comes with, as "Answer with sources"; a "response time" is a figure of it.
_JOINED = re.compile(
    r"\b(?:with|and|plus|incl\w*|mit|und|avec|et|con|y|com|e|и|\u0441)\b|[&+/,]|[与與和及と附含带]",
    re.IGNORECASE,
)
# Surer than an output or a result, which may be any, as a chart or a map in HTML is.
_ANSWER = re.compile(
    r"answer|respon[sd]e|reply|回答|回复|ответ|답변|antwort|réponse|respuesta|resposta|risposta"
    r"|yan[i\u0131]t|cevap|إجابة|trả lời|jawaban|odpowied|відповід",
    re.IGNORECASE,
)

# Words about an answer.
_OF_ANSWER = re.compile(
    rf"{_COUNT}|"
    r"length|\bcount|\bwords\b|\brat(?:e|ing)\b|evaluat|quality|feedback|confiden|language|grade"
    r"|评价|评分|长度|字数|оценк|длин",
    re.IGNORECASE,
)

# A plan of something, as of a journey, is the answer.
_PLAN = re.compile(
    r"\W*(?:(?:the|research|search|first|initial) )?(?:plan|outline)\W*"
    r"|\W*(?:план|大纲|大綱|提纲|计划|計画|개요|계획|gliederung|esquema|piano|taslak)\W*",
    re.IGNORECASE,
)

# What is written by a plan. A budget or keywords beside it are no answer.
_WORK = re.compile(
    r"report|article|essay|draft|story|\bpost\b|blog|paper|letter|mail|document|summary|script"
    r"|speech|\bbook\b|chapter|\bcode\b|program|solution|content|\btext\b"
    r"|报告|報告|文章|论文|正文|отч[её]т|стать|текст|bericht|artikel|rapport|informe|relat[óo]rio",
    re.IGNORECASE,
)

_REMARKS = TEXTS - TEXTS_WITH_FILES | {
    "html",
    "markdown",
    "modelscopemarkdown",
    "modelscopelegacymarkdown",
}

PAGES = frozenset({"html", "headless"})
"""Components that may show a whole chat, as HTML."""

_LONGEST_NAME = 80  # of a text that stands in a component at first, as "The report appears here"


def find_output(function: AppFunction) -> int | None:
    """Return the position of the output that shows the reply; None if there is none.

    A text that the function takes, too, is most likely the prompt's, which it clears. A JSON that
    the page does not show keeps the turns of the HTML that it does, unless its label is a reply's:
    that of `/chat` of a gr.ChatInterface is "Response". Of several texts, the label tells an
    answer, and tells a status or the sources from it, which HTML beside it may be instead.
    """
    others = {each.id for each in function.inputs if each.kind in TEXTS}
    unseen = (each for each in function.outputs if each.props.get("visible") is False)
    others |= {each.id for each in unseen if each.kind == "json" and strangeness(each)}
    for wanted, passed, most in (
        (CHATS, (), 2),
        (_REPLIES, others, 0),
        (PAGES, (), 0),
        (_REPLIES, others, 1),
        (PAGES, (), 1),
        (_REPLIES, others, 2),
        (PAGES, (), 2),
        (_REPLIES, (), 2),
    ):
        places = [
            position
            for position, each in enumerate(function.outputs)
            if each.kind in wanted and each.id not in passed and strangeness(each) <= most
        ]
        has_plan = wanted is not CHATS and any(says_plan(function.outputs[at]) for at in places)
        found = [
            (
                strangeness(each),
                each.kind not in CHATS and not says_answer(each),
                has_plan and not may_follow_plan(each),
                position,
            )
            for position in places
            for each in [function.outputs[position]]
        ]
        if found:
            return min(found)[-1]
    return None


def says_answer(component: AppComponent) -> bool:
    """Whether the label of a text says that it is an answer, and not a figure of one."""
    label = _name(component)
    return _ANSWER.search(label) is not None and _OF_ANSWER.search(label) is None


def says_plan(component: AppComponent) -> bool:
    """Whether the label of a text says that it is a plan, which comes before the answer."""
    return _PLAN.fullmatch((component.label or "")[:200]) is not None


def says_status(component: AppComponent) -> bool:
    """Whether the label of a text says that it is a status, and neither a log nor a result."""
    label = (component.label or "")[:200]
    is_more = _LOG.search(label) is not None or _REPLY.search(label) is not None
    return component.kind not in CHATS and _STATUS.search(label) is not None and not is_more


def may_follow_plan(component: AppComponent) -> bool:
    """Whether a text may be the answer that a plan comes before, and not some more of the plan."""
    label = _name(component)
    return not label or says_answer(component) or _WORK.search(label) is not None


def strangeness(component: AppComponent) -> int:
    """Return how little the label of a text looks like a reply's: 0, 1 or 2.

    2 is for a status, the sources and the like.
    """
    label = _name(component)
    is_page = component.kind in PAGES
    is_chat = _CHAT.search(label) is not None and _NO_CHAT.search(label) is None
    if component.kind in CHATS or (is_page and is_chat):
        return 0
    label = _OPEN_SOURCE.sub("", label)
    if found := _NO_REPLY.search(label):
        first = label[: found.start()]
        is_chat = found[0].lower() in _TURNS and _CHAT.search(first) is not None
        is_joined = _REPLY.search(first) and _JOINED.search(first)
        return 1 if is_joined or is_chat else 2
    return 0 if (_ANSWER if is_page else _REPLY).search(label) else 1


def _name(component: AppComponent) -> str:
    """Return the label of a text; without one, the short text that stands in it at first."""
    if component.label or component.kind in PAGES:
        return (component.label or "")[:200]
    words = component.value if isinstance(component.value, str) else ""
    words = words or component.placeholder
    return words if len(words) <= _LONGEST_NAME else ""


def find_remark_places(
    outputs: Iterable[AppComponent], inputs: Iterable[AppComponent], reply: Any
) -> dict[Any, tuple[str, Any]]:
    """Return the outputs in which an app may say something beside its reply.

    Args:
        outputs: The outputs of all steps.
        inputs: Their inputs: a box among them is the visitor's, as is that of a system prompt.
        reply: The number of the component that shows the reply.

    Returns:
        Their labels and the values that the page has at first, by their numbers.
    """
    taken = {each.id for each in inputs} | {reply}
    return {
        each.id: (each.label or "", each.value)
        for each in outputs
        if each.kind in _REMARKS
        and each.id not in taken
        and looks_like_system(each, Clues()) is None
    }
