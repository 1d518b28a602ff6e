"""The options, the programs, and the way in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from qwen_space.local import LocalSpace, Sampling, ScriptedEngine
from tests.browser.driver import WORDS, ask, picture, programs, replied

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_the_options_apply_without_another_button(page: Page, engine: ScriptedEngine) -> None:
    page.get_by_role("button", name="Options").click()
    page.get_by_label("System prompt").fill("Be brief.")
    number = page.get_by_label("number input for Temperature")
    number.fill("0")
    number.press("Tab")
    page.wait_for_function(
        "document.querySelector('.sidebar').getBoundingClientRect().right <= innerWidth"
    )
    picture(page, "options")
    ask(page, "Hi")
    replied(page, "four.")

    assert engine.requests[0][0] == {"role": "system", "content": "Be brief."}
    assert engine.samplings[0] == Sampling(0, 1, 2048, None)


def test_the_options_begin_with_the_engines_own(open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS)
    engine.defaults = Sampling(temperature=0, max_tokens=60)  # type: ignore[attr-defined]
    with LocalSpace(engine) as careful:
        page = open_page(url=careful.url)
        ask(page, "Hi")
        replied(page, "four.")

    assert engine.samplings[0] == Sampling(0, 1, 60, None)


def test_the_programs_have_this_spaces_address(page: Page, space: LocalSpace) -> None:
    page.get_by_role("button", name="Options").click()
    for framework in ("LangChain", "LlamaIndex"):
        page.get_by_role("button", name=re.compile(f"^{framework}")).click()

    for line in ("model = ChatQwenSpace(space=", "llm = QwenSpace(space="):
        page.get_by_text(f'{line}"{space.url}")').last.wait_for()


def test_the_pages_of_gradio_open_from_the_options(page: Page) -> None:
    page.get_by_role("button", name="Options").click()
    page.get_by_role("button", name="All functions").click()

    page.get_by_text("model_chat_1").first.wait_for()


def test_of_several_models_one_is_chosen_by_name(open_page: Callable[..., Page]) -> None:
    engine = ScriptedEngine(WORDS)
    engine.models = ("Qwen2.5-7B", "Qwen2.5-72B")  # type: ignore[attr-defined]
    with LocalSpace(engine) as several:
        page = open_page(url=several.url)
        page.get_by_label("Model").click()
        page.get_by_role("option", name="Qwen2.5-72B").click()
        ask(page, "Hi")
        replied(page, "four.")

    assert engine.samplings[0].model == "Qwen2.5-72B"


def test_a_browser_is_asked_for_the_token(open_page: Callable[..., Page]) -> None:
    login = {"username": "anyone", "password": "sesame"}
    with LocalSpace(ScriptedEngine(WORDS), token="sesame") as closed:
        page = open_page(url=closed.url, http_credentials=login)
        ask(page, "Hi")
        replied(page, "four.")
        assert f'ChatQwenSpace(space="{closed.url}", hf_token="TOKEN")' in programs(page)
        assert "sesame" not in page.content()


def test_a_login_leads_to_the_page(open_page: Callable[..., Page]) -> None:
    with LocalSpace(ScriptedEngine(WORDS), auth=("ada", "sesame")) as closed:
        page = open_page(url=closed.url, ready="Login")
        page.get_by_label("username").fill("ada")
        page.get_by_label("password").fill("sesame")
        page.get_by_role("button", name="Login").click()
        ask(page, "Hi")
        replied(page, "four.")
        assert f'llm = QwenSpace(space="{closed.url}", auth=("USER", "PASS"))' in programs(page)
        assert f"qwen-space chat {closed.url} --auth USER" in programs(page)
