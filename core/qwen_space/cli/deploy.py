"""`qwen-space deploy`: a folder to push as a Space, or to run as a container."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from string import Template
from urllib.parse import SplitResult, urlsplit

from qwen_space.cli.serve import add_engine_options, check_engine

__all__ = ["add_deploy"]

_MODELS = {
    "gguf": "Qwen/Qwen2.5-1.5B-Instruct-GGUF:qwen2.5-1.5b-instruct-q4_k_m.gguf",
    "zerogpu": "Qwen/Qwen2.5-7B-Instruct",
    "endpoint": None,  # the server's first
    "vllm": "Qwen/Qwen2.5-7B-Instruct",
    "ollama": "qwen2.5:7b",
}
_BASE_URLS = {"vllm": "http://vllm:8000/v1", "ollama": "http://ollama:11434/v1"}

# The ports that a Space may reach on other machines.
_OPEN_PORTS = (None, 80, 443, 8080)

_BOX = """
## In a container

```bash
docker compose up --build
```

Then the page is at http://127.0.0.1:7860. `QWEN_SPACE_TOKEN` and `QWEN_SPACE_AUTH` are taken from
the environment, or from a file `.env` beside `compose.yaml`. For other machines put a proxy with
TLS before it.
"""

_CLOSED = """The secret `QWEN_SPACE_TOKEN`, if you set one, closes the Space to programs that do not
send it as `hf_token`."""

_SECRETS = f"""{_CLOSED} `QWEN_SPACE_AUTH` (`USER:PASS`) gives the page a login."""

_ABOUT = {
    "gguf": "A GGUF file on the processor, by llama.cpp.",
    "zerogpu": "A model on ZeroGPU, by transformers.",
    "endpoint": "A page, and an API, in front of a server that speaks OpenAI's chat completions.",
    "vllm": "A page, and an API, in front of vLLM.",
    "ollama": "A page, and an API, in front of Ollama.",
}

_ENDPOINT = f"""Give the model's server as the variable `QWEN_SPACE_BASE_URL`, and its key as the
secret `OPENAI_API_KEY`. The hub lets a Space reach the ports 80, 443 and 8080 only.

{_SECRETS}"""

_ZEROGPU = f"""ZeroGPU needs a PRO or an Enterprise account; visitors pay with their quota.

{_CLOSED}"""

_SETTINGS = {
    "gguf": f"The free hardware is enough for a small model.\n\n{_SECRETS}",
    "zerogpu": _ZEROGPU,
}


class DeployError(ValueError):
    """The folder cannot be written."""


def add_deploy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    deploy = commands.add_parser(
        "deploy",
        help="write a folder to push as a Hugging Face Space, or to run with Docker",
        description="Write a folder with an app, its requirements and this package: it can be "
        "pushed as a Space of the Hugging Face hub as it is, and has a Dockerfile and a compose "
        "file for a machine of your own. Nothing is uploaded.",
    )
    deploy.add_argument("folder", type=Path, metavar="DIR")
    deploy.add_argument(
        "--engine",
        choices=tuple(_MODELS),
        help="gguf: a file on the processor; zerogpu: transformers on the hub's shared GPUs; "
        "endpoint: in front of --base-url; vllm, ollama: the same with that server in the "
        "compose file (default: gguf, or endpoint where there is a --base-url)",
    )
    deploy.add_argument("--title", help="on the hub (default: by the model)")
    deploy.add_argument("--force", action="store_true", help="overwrite the files of a folder")
    add_engine_options(deploy, max_tokens=2048)
    deploy.set_defaults(run=_deploy)


def _deploy(options: argparse.Namespace) -> None:
    from qwen_space.local.errors import MissingExtraError

    if importlib.util.find_spec("gradio") is None:  # whose version goes into the folder
        raise MissingExtraError("gradio", "local")
    engine = options.engine or ("endpoint" if options.base_url else "gguf")
    check_engine(options)
    if engine in {"gguf", "zerogpu"}:
        _refuse_unused(engine, options)
        base_url = None
    else:
        base_url = _base_url(engine, options.base_url)
    model = options.model or (None if options.small else _MODELS[engine])
    files = dict(_files(engine, model, base_url, options))
    folder = _Folder(options.folder, force=options.force)
    for name, text in files.items():
        folder.write(name, text)
    folder.copy_package()
    if model and engine == "gguf" and _is_file(model):
        folder.copy(Path(model).expanduser())
        folder.write(".gitattributes", "*.gguf filter=lfs diff=lfs merge=lfs -text\n")
    print(f"{options.folder} has a Space. Its README.md says how to push it and how to run it.")


def _refuse_unused(engine: str, options: argparse.Namespace) -> None:
    """Raise an error for an option that would have no effect in the folder.

    Raises:
        DeployError: There is one.
    """
    given = {
        "--base-url": options.base_url,
        "--ocr": engine == "zerogpu" and options.ocr,
        "--parallel": engine == "zerogpu" and options.slots,
        "--threads": engine == "zerogpu" and options.threads,
        "--gpu-layers": engine == "zerogpu" and options.gpu_layers,
        "--no-prompt-cache": engine == "zerogpu" and not options.prompt_cache,
        "--small": engine == "zerogpu" and options.small,
    }
    for name, value in given.items():
        if value:
            raise DeployError(f"--engine {engine} takes no {name}.")


class _Folder:
    """The folder that is written.

    Raises:
        DeployError: It is no folder, or has files and may not be overwritten.
    """

    # All that any engine writes, so that nothing is left of another one.
    NAMES = (".dockerignore", ".gitattributes", "Dockerfile", "compose.yaml", "qwen_space")

    def __init__(self, path: Path, *, force: bool) -> None:
        self._path = path
        if path.exists() and not path.is_dir():
            raise DeployError(f"{path} is a file: name a folder.")
        if path.is_dir() and any(path.iterdir()) and not force:
            raise DeployError(
                f"{path} is not empty: name another folder, or give --force to overwrite the files "
                "of a Space in it."
            )
        package = path / "qwen_space"
        if package.exists() and not (package / "_version.py").exists():
            raise DeployError(f"{package} is no copy of this package: move it away.")
        path.mkdir(parents=True, exist_ok=True)
        for name in self.NAMES:
            _remove(path / name)

    def write(self, name: str, text: str) -> None:
        (self._path / name).write_text(text, "utf-8", newline="\n")

    def copy(self, file: Path) -> None:
        shutil.copyfile(file, self._path / file.name)

    def copy_package(self) -> None:
        """Copy this package, so that the Space runs the code that was tried here."""
        source = Path(str(resources.files("qwen_space")))
        ignored = shutil.ignore_patterns("__pycache__", "docs")
        shutil.copytree(source, self._path / "qwen_space", ignore=ignored)


def _files(
    engine: str, model: str | None, base_url: str | None, options: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file but the package's."""
    if engine == "zerogpu":
        yield "app.py", _fill("zerogpu.py", model=json.dumps(model), **_sampling(options))
    else:
        lines, arguments = _serve_options(engine, model, base_url, options)
        yield "app.py", _fill("serve.py", model_lines=lines, options=_as_list(arguments))
        yield "Dockerfile", _fill("Dockerfile")
        yield ".dockerignore", _fill("dockerignore")
        yield "compose.yaml", _compose(engine, model, options.context)
    yield (
        "requirements.txt",
        "".join(f"{line}\n" for line in _requirements(engine, ocr=options.ocr)),
    )
    yield "README.md", _readme(engine, model, options)


def _readme(engine: str, model: str | None, options: argparse.Namespace) -> str:
    shown = re.sub(r"(-GGUF)?(:.*\.gguf)?$", "", (model or "").rpartition("/")[2])
    title = options.title or f"Chat with {shown or 'Qwen'}"
    if not title.isprintable():
        raise DeployError(f"--title {title!r} has characters that cannot be shown.")
    on_hub = engine in {"gguf", "zerogpu", "vllm"} and model and not _is_file(model)
    models = f"models:\n  - {str(model).partition(':')[0]}\n" if on_hub else ""
    is_zero = engine == "zerogpu"
    return _fill(
        "README.md",
        title=title,
        yaml_title=json.dumps(title, ensure_ascii=False),
        gradio=metadata.version("gradio"),
        python="3.10" if is_zero else "3.12",
        hardware="zero-a10g" if is_zero else "cpu-basic",
        models=models,
        about=_ABOUT[engine],
        where=" with the hardware ZeroGPU" if is_zero else "",
        settings=_SETTINGS.get(engine, _ENDPOINT),
        box="" if is_zero else _BOX,
    )


def _serve_options(
    engine: str, model: str | None, base_url: str | None, options: argparse.Namespace
) -> tuple[str, list[str]]:
    """Return the lines of app.py about the model, and those of its options."""
    values = {
        "--max-tokens": options.max_tokens,
        "--temperature": options.temperature,
        "--parallel": options.slots,
        "--takes": options.takes and ",".join(sorted(options.takes)),
    }
    if base_url is not None:
        lines = (
            "# The server of the model; its key is the secret OPENAI_API_KEY.\n"
            f'base_url = os.environ.get("QWEN_SPACE_BASE_URL") or {json.dumps(base_url)}\n'
        )
        named = ['"--base-url", base_url']
        named += [f'"--model", {json.dumps(model)}'] if model else []
    else:
        values |= {
            "--context": options.context,
            "--threads": options.threads,
            "--gpu-layers": options.gpu_layers,
        }
        lines = f"model = {json.dumps(model)}\n" if model else ""
        if model and _is_file(model):
            name = json.dumps(Path(model).name)
            lines = f"model = os.path.join(os.path.dirname(os.path.abspath(__file__)), {name})\n"
        named = ['"--model", model'] if model else ['"--small"']
    flags = {"--ocr": options.ocr, "--no-prompt-cache": not options.prompt_cache}
    given = {name: str(value) for name, value in values.items() if value is not None}
    return lines, [
        *named,
        *(f"{json.dumps(name)}, {json.dumps(value)}" for name, value in given.items()),
        *(json.dumps(name) for name, is_set in flags.items() if is_set),
    ]


def _as_list(lines: list[str]) -> str:
    return "[\n" + "".join(f"    {line},\n" for line in lines) + "]"


def _sampling(options: argparse.Namespace) -> dict[str, str]:
    return {"temperature": repr(options.temperature), "max_tokens": repr(options.max_tokens)}


def _compose(engine: str, model: str | None, context: int) -> str:
    command = ["--model", model, "--served-model-name", model, "--max-model-len", str(context)]
    return _fill(
        f"compose-{engine}.yaml",
        command=json.dumps(command),
        pull=json.dumps(["ollama", "pull", model]),
        context=str(context),
    )


def _requirements(engine: str, *, ocr: bool) -> Iterator[str]:
    """Yield the package's own requirements for an engine, with the version of Gradio here."""
    from packaging.requirements import Requirement

    extras = {"local"} | ({"transformers"} if engine == "zerogpu" else set())
    extras |= {"ocr"} if ocr else set()
    unused = set() if engine == "gguf" else {"xllamacpp"}
    for line in metadata.requires("qwen-space") or ():
        requirement = Requirement(line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if requirement.name in unused or (extra and extra[1] not in extras):
            continue
        if extra:
            requirement.marker = None
        is_gradio = requirement.name == "gradio"
        yield f"gradio=={metadata.version('gradio')}" if is_gradio else str(requirement)
    if engine == "zerogpu":
        yield "spaces"


def _base_url(engine: str, given: str | None) -> str:
    """Return the address of the model's server, as app.py has it.

    Raises:
        DeployError: There is none, or it holds a password.
    """
    base_url = given or _BASE_URLS.get(engine)
    if base_url is None:
        raise DeployError(
            "--engine endpoint needs --base-url URL, the address of the model's server."
        )
    parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
    if parts.username or parts.password:
        raise DeployError(
            "--base-url has a user or a password, which everybody could read in the folder: leave "
            "them out, and give the whole address as the secret QWEN_SPACE_BASE_URL."
        )
    if given:
        _warn_of_ports(parts)
    return base_url


def _warn_of_ports(parts: SplitResult) -> None:
    if parts.port not in _OPEN_PORTS or parts.hostname in {"localhost", "127.0.0.1", "::1"}:
        print(
            f"Note: a Space on the hub cannot reach {parts.hostname}:{parts.port or 80}. "
            "It reaches the ports 80, 443 and 8080 of public addresses.",
            file=sys.stderr,
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_file(model: str) -> bool:
    return Path(model).expanduser().is_file()


def _fill(name: str, **values: str) -> str:
    template = resources.files("qwen_space.cli.deployment") / f"{name}.txt"
    return Template(template.read_text("utf-8")).substitute(values)
