from __future__ import annotations

import pytest

from qwen_space import tokens
from qwen_space.tokens.limiter import TokenLimiter
from tests.pieces import cut

PROSE = "The quick brown fox jumps over the lazy dog, again and again. " * 20
CODE = "def add(a: int, b: int) -> int:\n    return a + b\n" * 20
CHINESE = "敏捷的棕色狐狸跳过了懒狗。" * 20


async def limited(text: str, most: int, size: int) -> tuple[str, TokenLimiter]:
    limiter, out = TokenLimiter(most), ""
    for piece in cut(text, size):
        out += await limiter.feed(piece)
        if limiter.hit:
            break
    return out, limiter


@pytest.mark.parametrize("text", [PROSE, CODE, CHINESE], ids=["prose", "code", "chinese"])
@pytest.mark.parametrize("most", [1, 7, 100])
@pytest.mark.parametrize("size", [1, 5, 10_000])
async def test_a_text_ends_with_its_last_token_whatever_the_pieces(
    text: str, most: int, size: int
) -> None:
    out, limiter = await limited(text, most, size)

    assert limiter.hit
    assert text.startswith(out)
    assert tokens.count(out) <= most
    assert tokens.count(text[: len(out) + 12]) > most


async def test_a_text_within_the_number_is_whole() -> None:
    most = tokens.count(PROSE)

    assert (await limited(PROSE, most, 3))[0] == PROSE
    out, limiter = await limited(PROSE, most - 1, 3)
    assert limiter.hit
    assert len(out) < len(PROSE)


async def test_a_text_that_replaces_another_is_counted_alone() -> None:
    limiter = TokenLimiter(5)
    await limiter.feed(PROSE)
    assert limiter.hit

    assert await limiter.restart("Hello.") == "Hello."
    assert not limiter.hit


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that were counted."""
    counted: list[int] = []
    count = tokens.count
    monkeypatch.setattr(tokens, "count", lambda text: counted.append(len(text)) or count(text))
    return counted


async def test_a_text_is_counted_few_times(counted: list[int]) -> None:
    await limited(PROSE * 8, 2_000, 4)

    assert len(counted) < 60


@pytest.mark.parametrize("text", [PROSE, CHINESE], ids=["prose", "chinese"])
async def test_of_a_long_text_only_the_end_is_counted_again(counted: list[int], text: str) -> None:
    most = 20_000

    out, limiter = await limited(text * 200, most, 50)

    assert limiter.hit
    assert abs(tokens.count(out) - most) < 20
    assert sum(counted) - len(out) < 10 * len(out)


async def test_an_end_that_grows_without_tokens_costs_no_more(counted: list[int]) -> None:
    await limited("a " * 9_999 + " " * 2_000, 10_010, 1)

    assert max(counted[-500:]) < 20_000


@pytest.mark.parametrize("most", [0, -1])
def test_a_number_below_one_is_refused(most: int) -> None:
    with pytest.raises(ValueError, match=f"max_tokens={most}"):
        TokenLimiter(most)
