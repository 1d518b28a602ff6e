"""How the sampling parameters of an app's chat look: their names, labels and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from qwen_space.gradio.page.endpoint import Role

__all__ = ["CREATIVITY", "FIGURES", "NO_CREATIVITY", "Figure"]


class Figure(msgspec.Struct, frozen=True):
    """How one of the sampling parameters looks.

    Attributes:
        parameters: The names of parameters, the surest first, in one form.
        words: Labels, the surest first.
        against: Other meanings of such a label.
        fits: Whether a range, of minimum and maximum, may be its.
        own: Whether a range can hardly be another parameter's.
    """

    parameters: tuple[str, ...]
    words: tuple[re.Pattern[str], ...]
    against: re.Pattern[str]
    fits: Callable[[float, float], bool]
    own: Callable[[float, float], bool]


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text, re.IGNORECASE) for text in texts)


_NEVER = re.compile(r"(?!)")
FIGURES: Mapping[Role, Figure] = {
    "max_tokens": Figure(
        (
            "max_new_tokens",
            "max_tokens",
            "max_output_tokens",
            "max_completion_tokens",
            "max_gen_tokens",
            "max_generation_tokens",
            "max_gen_len",
            "max_new_token",
            "max_dec_len",
            "max_length",
            "max_len",
            "num_predict",
            "n_predict",
            "num_tokens",
            "tokens",
            "output_length",
            "request_output_len",
            "maximum_new_tokens",
            "maximum_length",
            "max_response_tokens",
            "max_answer_tokens",
        ),
        _patterns(
            r"max[a-z_. -]{0,12}(?:new|output|gen|completion|response|answer|dec)[a-z_ -]{0,12}"
            r"(?:tok|len)",
            r"(?:new|output|generated|completion|response|answer)[ _-]tokens"
            r"|(?:output|response) len|(?:num|n)_predict|tokens to generate"
            r"|最大.{0,6}(?:输出|輸出|生成|新)"
            r"|(?:输出|輸出|生成|回复|回答).{0,6}(?:长度|長度|token|字数)|новых токен",
            r"max[a-z_. -]{0,12}(?:tok|len)|(?:tok|len)[a-z]{0,6}[ _-]?max"
            r"|max[a-z]{0,4}[. _]{1,2}(?:number|amount|count)[ _]of[ _]tok",
            r"最大.{0,8}(?:长度|長度|token|字数)|(?:长度|長度)(?:上限|限制)"
            r"|макс.{0,16}(?:токен|длин)|(?:токен|длин).{0,12}макс|количество токенов"
            r"|最大.{0,8}(?:トークン|出力|長さ)|최대.{0,8}(?:토큰|길이|출력)"
            r"|máx[a-zíó. ]{0,12}tokens|tokens? máx|(?:longueur|maximale) (?:max|länge)"
            r"|(?:longitud|comprimento) máx",
        ),
        re.compile(
            r"input|context|prompt|histor|source|memory|window|penalty|turns|\bmin\b|min_|retriev|"
            r"replac|chunk|summar|search|document|overlap|think|reason|image|vision|audio|video|embed|"
            r"\btools?\b|(?:chat|message) len|\bwords\b|sentence|seconds|\(s\)|"
            r"输入|上下文|历史|контекст|вход|истори|入力|履歴|文脈|입력|기록|문맥"
            r"|eingabe|verlauf|kontext|entrada|entrée|(?:de la|votre) question",
            re.IGNORECASE,
        ),
        lambda low, high: high >= 16,
        lambda low, high: high >= 128,
    ),
    "temperature": Figure(
        ("temperature", "temp"),
        _patterns(r"temp[eé]rat[uú]r[ea]?|\btemp\b|温度|溫度|температур|온도|nhiệt độ"),
        re.compile(r"decay|increment|fallback|step|last|°|celsius|room|%|percent", re.IGNORECASE),
        lambda low, high: low >= 0 and high <= 100,  # those that a slider has by default
        lambda low, high: 0 <= low < 1 < high <= 5,
    ),
    "top_p": Figure(
        ("top_p", "topp", "p", "nucleus", "top_p_nucleus_sampling"),
        _patterns(r"\btop[ _-]{0,3}p\b|topp\b|nucleus|核采样|核取样"),
        _NEVER,
        lambda low, high: high <= 100,
        lambda low, high: low >= 0 and 0.9 <= high <= 1,
    ),
}

CREATIVITY = re.compile(
    r"creativ|criativ|créativ|kreativ|randomness|创造性|创意|随机性|創造性|креативн|창의",
    re.IGNORECASE,
)
"""A temperature by another name, unless it is in per cent."""

NO_CREATIVITY = re.compile(
    r"\btop[ _-]{0,3}[pk]\b|\bmin[ _-]{0,3}p\b|nucleus|seed|penalty|采样|种子|惩罚",
    re.IGNORECASE,
)
"""Other figures whose labels say that they make a text more creative."""
