from __future__ import annotations

import pickle
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr

from qwen_space.chat_model.mould import Mould


class Plain(BaseModel):
    name: str = ""
    words: list[str] = []
    more: dict[str, Any] = {}


class Open(Plain):
    model_config = ConfigDict(extra="allow")

    _seen: list[str] = PrivateAttr(default_factory=list)


def test_a_copy_is_what_pydantic_would_make() -> None:
    for kind in (Plain, Open):
        made, checked = Mould(kind(name="")).copy(name="a"), kind(name="a")

        assert type(made) is kind
        assert made == checked
        assert repr(made) == repr(checked)
        assert made.model_dump(exclude_unset=True) == checked.model_dump(exclude_unset=True)
        assert made.model_fields_set == checked.model_fields_set == {"name"}
        assert pickle.loads(pickle.dumps(made)) == checked


def test_no_copy_shares_what_is_changed_in_another() -> None:
    mould = Mould(Open(name=""))
    one, other = mould.copy(name="one"), mould.copy(name="other")

    one.words.append("a")
    one.more["a"] = one.extra = 1  # type: ignore[attr-defined]
    one.name = "changed"
    one.more = {}
    one._seen.append("a")

    assert other == mould.copy(name="other") == Open(name="other")
    assert other.model_fields_set == {"name"}
    assert other.model_extra == {}
    assert other._seen == mould.copy(name="other")._seen == []


def test_what_is_given_is_taken_as_it_is() -> None:
    words = ["a"]

    assert Mould(Plain(words=[])).copy(words=words).words is words
