from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr

from qwen_space.chat_model.fast_copy import FastCopy


class Plain(BaseModel):
    name: str = ""
    words: list[str] = []
    more: dict[str, Any] = {}


class Open(Plain):
    model_config = ConfigDict(extra="allow")

    _seen: list[str] = PrivateAttr(default_factory=list)


@pytest.mark.parametrize("kind", [Plain, Open])
@pytest.mark.parametrize("count", [1, 2], ids=["compared", "by-slots"])
def test_a_copy_equals_the_constructors(kind: type[Plain], count: int) -> None:
    copies, checked = FastCopy(kind(name="")), kind(name="a")

    for made in [copies.copy(name="a") for _ in range(count)]:
        assert type(made) is kind
        assert made == checked
        assert repr(made) == repr(checked)
        assert made.model_dump(exclude_unset=True) == checked.model_dump(exclude_unset=True)
        assert made.model_fields_set == checked.model_fields_set == {"name"}
        assert pickle.loads(pickle.dumps(made)) == checked


def test_a_change_of_one_copy_is_in_no_other() -> None:
    copies = FastCopy(Open(name=""))
    one, other = copies.copy(name="one"), copies.copy(name="other")

    one.words.append("a")
    one.more["a"] = one.extra = 1  # type: ignore[attr-defined]
    one.name = "changed"
    one.more = {}
    one._seen.append("a")

    assert other == copies.copy(name="other") == Open(name="other")
    assert other.model_fields_set == {"name"}
    assert other.model_extra == {}
    assert other._seen == copies.copy(name="other")._seen == []


def test_a_given_field_is_taken_as_it_is() -> None:
    words = ["a"]

    assert FastCopy(Plain(words=[])).copy(words=words).words is words


def test_a_first_copy_that_differs_makes_all_of_them_documented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Plain(name="a")
    monkeypatch.setattr(
        FastCopy, "_make_by_slots", lambda self: lambda **fields: Plain(name="other")
    )
    copies = FastCopy(Plain(name=""))

    assert [copies.copy(name="a"), copies.copy(name="a")] == [made, made]


@pytest.mark.parametrize("error", [AttributeError, StopIteration, TypeError])
def test_a_slot_that_is_missing_makes_all_of_them_documented(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FastCopy[Any]) -> None:
        raise error

    monkeypatch.setattr(FastCopy, "_make_by_slots", fail)
    copies = FastCopy(Open(name=""))
    one, other = copies.copy(name="one"), copies.copy(name="other")

    one.words.append("a")

    assert (one.name, one.model_fields_set) == ("one", {"name"})
    assert other == Open(name="other")


@pytest.mark.parametrize("kind", [Plain, Open])
def test_the_slots_of_the_installed_pydantic_are_used(kind: type[Plain]) -> None:
    copies = FastCopy(kind(name=""))

    copies.copy(name="a")

    assert copies.copy != copies._documented
    assert copies.copy(name="a") == kind(name="a")
