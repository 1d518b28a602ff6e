"""The g4f provider that this project descends from, with its interface, for code written for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from qwen_space.events import TextDelta
from qwen_space.gradio.page.known_spaces import QWEN_2_5

if TYPE_CHECKING:
    import os
    import ssl

__all__ = ["Qwen_Qwen_2_5"]

_SIZES = next(each.choices for each in QWEN_2_5.inputs if each.role == "model")


class Qwen_Qwen_2_5:  # noqa: N801 - the provider's name
    """The public Qwen2.5 Space as a provider; a subclass with another `url` is another Space.

    New code takes `qwen_space.Space`.
    """

    label = "Qwen Qwen-2.5"
    url = "https://qwen-qwen2-5.hf.space"
    api_endpoint = f"{url}/queue/join"
    working = True
    supports_stream = True
    supports_system_message = True
    supports_message_history = False  # earlier turns become lines of the prompt
    default_model = "qwen-qwen2-5"
    model_aliases: ClassVar[dict[str, str]] = {"qwen-2.5": default_model}
    models: ClassVar[list[str]] = [default_model, *(_SIZES or ())]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "api_endpoint" not in vars(cls):
            cls.api_endpoint = f"{cls.url}/queue/join"

    @classmethod
    async def create_async_generator(
        cls,
        model: str | None,
        messages: Sequence[Mapping[str, Any]],
        proxy: str | None = None,
        *,
        verify: bool | str | os.PathLike[str] | ssl.SSLContext = True,
        trust_env: bool = True,
        auth: tuple[str, str] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[str, None]:
        """Yield the pieces of the reply to a chat; closing the generator stops the job.

        A piece cannot be taken back: where the app rewrites what it said, the pieces go on after
        the new text.

        Args:
            model: A size such as "7B", or `default_model`, which None and "" stand for too.
            messages: `{"role": ..., "content": ...}` each.
            proxy: The URL of an HTTP proxy.
            verify: How the server's certificate is checked; see `SpaceConfig`.
            trust_env: Whether the proxies and certificates that the environment names are used.
            auth: The user and the password of an app with a login.
            kwargs: Ignored.

        Raises:
            ValueError: The messages or the model cannot be right.
            QwenSpaceError: As for `SpaceClient.stream_chat`.
        """
        from qwen_space.client.client import SpaceClient  # imports aiohttp, a fifth of a second

        client = SpaceClient(
            cls.url,
            model=model or cls.default_model,
            proxy=proxy,
            verify=verify,
            trust_env=trust_env,
            auth=auth,
        )
        async with client, client.stream_chat(messages) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield event.delta
