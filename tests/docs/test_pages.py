"""Each block of Python in README, pages and docstrings runs, and prints the output below it."""

from __future__ import annotations

import inspect
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qwen_space.cli import demo_pages
from qwen_space.cli.conversation_commands import COMMANDS as COMMANDS_OF_A_CHAT
from qwen_space.cli.main import _parser
from tests.docs.examples import Examples
from tests.docs.replies import REPLIES, reply
from tests.docs.stage import Stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from conftest import ScriptedSpace

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("core/qwen_space", "langchain_qwen_space", "llama_index_qwen_space")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
WITH_EXAMPLES = [path for path in (*PAGES, *MODULES) if "```python\n" in path.read_text("utf-8")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
BASH = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.strip()
    for page in PAGES
    for block in BASH.findall(page.read_text("utf-8"))
    for line in re.findall(r"qwen-space [a-z][^|>)`&\n]*", block.replace("\\\n", ""))
]


def names_of(path: Path) -> dict[str, Any]:
    """Return the names that the examples of docstrings take for given."""
    if path.suffix != ".py":
        return {}
    from langchain_core.tools import tool
    from pydantic import BaseModel

    @tool
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"It is sunny in {city}."

    class Person(BaseModel):
        name: str

    return {"get_weather": get_weather, "Person": Person}


@pytest.fixture(autouse=True)
def _settings(llama_index_loop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo a page's settings of all of LlamaIndex."""
    from llama_index.core import Settings

    monkeypatch.setattr(Settings, "_llm", None)


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Undo a page's settings of logging, which would add records to other tests."""
    loggers = [logging.getLogger(), logging.getLogger("qwen_space")]
    before = [each.level for each in loggers]
    yield
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)


@pytest.mark.filterwarnings(
    # As in the agents' own tests.
    "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect",
    "ignore:is_running called from within a step:DeprecationWarning",
)
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_page_run(
    path: Path,
    space: ScriptedSpace,
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    text = path.read_text("utf-8")
    space.engine.reply = REPLIES.get(path.name, reply)
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    stage.prepare(tmp_path)
    here = tmp_path / path.name
    here.write_text(stage.substitute(path.name, text), "utf-8")

    examples = Examples(here, names_of(path))
    examples.run()
    if pytestconfig.getoption("--rewrite-outputs") and path.suffix == ".md":
        path.write_text(examples.with_outputs(text), "utf-8")

    assert not examples.wrong
    if path.suffix == ".md":
        assert set(examples.outputs) == examples.shown, "an output is not below its block"
    assert examples.count == len(re.findall(r"^ *```python$", text, re.MULTILINE))


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_a_page_exist(
    line: str, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(line, comments=True)

    options = _parser().parse_args(words)

    assert callable(options.run)


def test_the_wheel_has_the_pages_of_the_demo() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert [f"docs/{name}.md" for name in demo_pages.PAGES] == [
        path for path in included if path.startswith("docs/")
    ]


def test_the_links_of_the_readme_work_on_an_index_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    text = (ROOT / "README.md").read_text("utf-8")

    for each in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)

    links = LINK.findall(CODE.sub("", text))
    assert len(links) > 20
    assert all(link.startswith("https://") for link in links)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(CODE.sub("", page.read_text("utf-8")))
    local = [target for target in targets if not target.startswith(("http://", "https://"))]

    missing = [target for target in local if not (page.parent / target.partition("#")[0]).exists()]

    assert missing == []
    if page.parent != ROOT:  # a site has nothing beside docs/
        inside = [
            (page.parent / target).resolve().is_relative_to(ROOT / "docs") for target in local
        ]
        assert all(inside)


def test_the_site_leads_to_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]

    listed = re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE)

    assert sorted(listed) == sorted(
        str(page.relative_to(ROOT / "docs").as_posix()) for page in PAGES if page.parent != ROOT
    )


@pytest.mark.parametrize("language", ["ru", "zh"])
def test_a_translation_has_the_same_commands_and_the_same_code(language: str) -> None:
    def read(page: Path) -> tuple[list[str], list[str]]:
        text = page.read_text("utf-8")
        blocks = re.findall(r"^```(?:python|bash)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        code = [re.sub(r'"[^"]*"', '""', block) for block in blocks]  # the words are its own
        return re.findall(r"pip install [^`\n]+", text), code

    assert read(ROOT / "docs" / language / "getting-started.md") == read(
        ROOT / "docs" / "getting-started.md"
    )


def test_the_messages_of_the_page_of_errors_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    table = page.partition("## By message\n")[2].partition("\n## ")[0]
    code = "".join(path.read_text("utf-8") for path in MODULES)

    messages = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))

    assert len(messages) > 10
    assert [message for message in messages if message not in code] == []


def test_the_page_of_the_command_line_has_all_that_chat_takes() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]

    options = [name for name in commands["chat"]._option_string_actions if name.startswith("--")]

    names = [name for name in options if name != "--help"]
    names += [each.name for each in COMMANDS_OF_A_CHAT]
    names += [f"qwen-space {name}" for name in commands]
    # A longer name that begins so is another one.
    missing = [name for name in names if not re.search(rf"`{re.escape(name)}(?![\w-])", page)]
    assert missing == []


def test_each_argument_is_on_the_page_of_options() -> None:
    from langchain_qwen_space import ChatQwenSpace
    from llama_index_qwen_space import QwenSpace
    from qwen_space import SpaceClient
    from qwen_space.chat_model.model import SpaceChatModel
    from qwen_space.config import SpaceOptions

    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    of_client = inspect.signature(SpaceClient).parameters
    own = SpaceChatModel.model_fields.keys() | (
        set(QwenSpace.__annotations__) & QwenSpace.model_fields.keys()
    )
    names = {*of_client, *SpaceOptions.__annotations__, *own, *ChatQwenSpace.__annotations__}

    assert [
        name for name in sorted(names) if not name.startswith("_") and f"`{name}`" not in page
    ] == []


def test_each_error_is_on_the_page_of_errors() -> None:
    import langchain_qwen_space.errors
    import qwen_space.errors

    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    names = {*qwen_space.errors.__all__, *langchain_qwen_space.errors.__all__} - {"typed"}

    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", page)] == []
