"""The fields, construction and copies of a chat model, where a framework's models are pydantic's.

It needs pydantic, which both frameworks bring, and which the core does not import by itself.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SkipValidation,
    ValidationError,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from qwen_space.chat.media import Media
from qwen_space.chat.stop import StopScanner
from qwen_space.chat_model.arguments import (
    SAMPLING,
    build_config,
    drop_none,
    drop_secrets,
    format_validation_error,
)
from qwen_space.chat_model.call import ChatCall
from qwen_space.chat_model.call_arguments import CallArguments
from qwen_space.chat_model.names import resolve_names
from qwen_space.chat_model.space import Space
from qwen_space.config import (
    DEFAULT_MAX_FILE_SIZE,
    DEFAULT_MAX_FILES,
    DEFAULT_MAX_QUEUE,
    DEFAULT_MAX_SIZE,
    DEFAULT_MODEL,
    DEFAULT_REASONING_TAGS,
    History,
    InputRole,
    Strategy,
    Timeouts,
    check_auth,
    default_space,
    dump_spaces,
    hide_entry_secrets,
    list_tls_contexts,
)
from qwen_space.errors import ModelNotOfferedError
from qwen_space.tokens.limits import Limits, get_full_name, get_limits
from qwen_space.tools import Message

if TYPE_CHECKING:
    from qwen_space.gradio.page.endpoint import Endpoint

__all__ = ["SpaceChatModel"]

logger = logging.getLogger(__name__)

_SAMPLES = (
    Media("image", data=b"", name="a.png"),
    Media("audio", data=b"", name="a.wav"),
    Media("video", data=b"", name="a.mp4"),
    Media("file", data=b"", name="a.pdf"),
)


class SpaceChatModel(BaseModel):
    """The part of a chat model that is the same in each framework.

    It comes first among the base classes, so that its fields and its constructor win. The class
    adds `hf_token`, in the form that its framework has for secrets.
    """

    space: str | Sequence[str | dict[str, Any]] = Field(
        default_factory=default_space,
        description="A Space's id (owner/name), or the URL of a Gradio app; or a list of those, of "
        "which the next is asked where one does not answer, each maybe a dict with options of its "
        "own. From QWEN_SPACE_URL if set, where commas separate several.",
    )
    strategy: Strategy = Field(
        default="sticky",
        description="Which of several Spaces is asked first: sticky keeps to one as long as it "
        "answers, least_queue asks for the lengths of their queues.",
    )
    model: str = Field(
        default=DEFAULT_MODEL,
        description="qwen-2.5 for the Space's default, a size (7B), or a full name "
        "(Qwen2.5-7B-Instruct).",
    )
    system_prompt: str | None = Field(
        default=None,
        description="The system prompt of calls without a system message; None is the Space's own.",
    )
    temperature: float | None = Field(
        default=None,
        description="Goes to the app's input of that name; a warning says so where it has none.",
    )
    top_p: float | None = Field(default=None, description="As temperature.")
    max_tokens: int | None = Field(
        default=None,
        gt=0,
        description="Tokens after which a reply ends. It goes to the app's input of that name; "
        "where there is none, tokens are counted here, and the reply and the job ended.",
    )
    stop: list[str] | None = Field(
        default=None,
        description="Texts before the first of which a reply ends. A call's own stop wins.",
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        description="Seconds to wait for the first token once the app has started, and for the "
        "next sign of life, for which 20 are waited at least; see timeouts.",
    )
    timeouts: Timeouts = Field(
        default_factory=Timeouts, description="All time limits, each on its own, in seconds."
    )
    max_retries: int = Field(
        default=2, description="How often a step that cannot have run the prompt is tried again."
    )
    history: History = Field(
        default="auto",
        description="Earlier turns: split renders them into the prompt, native fills the app's "
        "own history, auto does that where the app told how, turns alternate and no tools are "
        "bound, and splits elsewhere.",
    )
    tool_advice: bool = Field(
        default=True,
        description="Whether sentences after the tools, and after their results, say how to make "
        "several calls, and when none. False leaves Qwen's own template, in native turns to the "
        "byte, which large models do well with.",
    )
    endpoint: str | None = Field(
        default=None,
        description="The api name of the app's function, or its number as #3, when discovery "
        "should not choose.",
    )
    roles: dict[str, InputRole | None] = Field(
        default_factory=dict,
        description="The roles of the app's inputs, where discovery tells them wrongly, by label, "
        "parameter or position, such as {'Message': 'prompt', '2': 'system'}.",
    )
    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Values for further inputs of the app, by label."
    )
    proxy: str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The URL of an HTTP proxy for all requests.",
    )
    trust_env: bool = Field(
        default=True,
        description="Whether the proxies and the certificates that the environment names are used.",
    )
    verify: Annotated[
        bool | str | os.PathLike[str] | ssl.SSLContext,
        SkipValidation,
        WithJsonSchema({"type": ["boolean", "string"]}),
    ] = Field(
        default=True,
        exclude=True,
        description="How the server's certificate is checked: True by the certificates that the "
        "system trusts, a file or a folder of certificates by those, an ssl.SSLContext as it "
        "says; False not at all.",
    )
    auth: tuple[str, str] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The user and the password of an app with a login, Gradio's launch(auth=...).",
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        exclude=True,
        repr=False,
        description="Headers to add to all requests, or to put in place of ours.",
    )
    max_size: int = Field(
        default=DEFAULT_MAX_SIZE,
        description="The most bytes of an answer or a message of the Space, and the most "
        "characters of a reply.",
    )
    max_files: int = Field(
        default=DEFAULT_MAX_FILES,
        description="The most pictures and files that a chat may have.",
    )
    max_file_size: int = Field(
        default=DEFAULT_MAX_FILE_SIZE,
        description="The most bytes of one of them, and of a file of a reply.",
    )
    max_queue: int = Field(
        default=DEFAULT_MAX_QUEUE,
        description="How many events of a blocking stream its reader may be behind; then the "
        "Space has to wait.",
    )
    reasoning_tags: tuple[str, str] | None = Field(
        default=DEFAULT_REASONING_TAGS,
        description="The tags around a model's thoughts at the start of its reply; None for no "
        "thoughts.",
    )

    model_config = ConfigDict(
        arbitrary_types_allowed=True,  # an `ssl.SSLContext`
        hide_input_in_errors=True,  # it may hold the token
        defer_build=True,  # its subclasses build their own validators
    )

    shared_by_copies: ClassVar[tuple[str, ...]] = ("verify",)
    """Fields of which a deep copy has the same object: an `ssl.SSLContext` has no copy."""

    _space: Space | None = PrivateAttr(default=None)

    # Construction

    if not TYPE_CHECKING:  # where the fields are the arguments

        def __init__(self, **kwargs: Any) -> None:
            fault = ""
            try:
                super().__init__(**kwargs)
            except ValidationError as exc:
                fault = format_validation_error(exc)
            if fault:  # raised here, as pydantic's error would be its context, and holds the token
                raise ValueError(fault)

    def model_post_init(self, context: Any, /) -> None:
        """Let the framework's base class do its part, which pydantic's own version leaves out."""
        super().model_post_init(context)

    @model_validator(mode="before")
    @classmethod
    def _resolve_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        # LlamaIndex writes the class's name among the fields of a dump.
        values = {name: value for name, value in values.items() if name != "class_name"}
        return resolve_names(cls.__name__, values, _argument_names(cls))

    @field_validator("space")
    @classmethod
    def _hide_entry_secrets(cls, space: Any) -> Any:
        return hide_entry_secrets(space)

    @field_serializer("space")
    def _dump_spaces(self, space: Any) -> Any:
        return dump_spaces(space)

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("auth")
    @classmethod
    def _hide_password(cls, auth: Any) -> Any:
        return check_auth(auth)

    @model_validator(mode="after")
    def _check_early(self) -> Self:
        build_config(self)
        StopScanner(self.stop or ())
        return self

    # Calls

    def _open_space(self) -> Space:
        """Return the Space, made anew when a field has changed since."""
        config = build_config(self)
        if self._space is None or self._space.config != config:
            self._space = Space.from_config(config)
        return self._space

    def _take_arguments(
        self,
        kwargs: Mapping[str, Any],
        *,
        to_schema: Callable[[Any], Mapping[str, Any]] | None = None,
    ) -> CallArguments:
        """Return a call's arguments, with the model's own in place of those that are missing.

        Raises:
            ValueError: An argument cannot be right.
        """
        return CallArguments.take(
            type(self).__name__,
            kwargs,
            stop=self.stop,
            usage_hint=self.tool_advice,
            to_schema=to_schema,
            fields=type(self).model_fields,
        )

    def _make_call(
        self,
        messages: Sequence[Message],
        arguments: CallArguments,
        limits: Limits | None,
        *,
        before_reask: Callable[[], Awaitable[object]] | None = None,
    ) -> ChatCall:
        """Return a call; see `ChatCall`."""
        return ChatCall(
            space=self._open_space(),
            messages=messages,
            options=arguments.options,
            tools=arguments.tools,
            response_format=arguments.response_format,
            limits=limits,
            reask=arguments.reask,
            stream_arguments=arguments.stream_arguments,
            before_reask=before_reask,
        )

    @property
    def _told_window(self) -> int | None:
        """The context window that the app told, as far as it was asked."""
        found = self._found
        return None if found is None else found.context_window

    @property
    def _told_media(self) -> frozenset[str]:
        """The kinds of media that the app takes, as far as it was asked."""
        if (found := self._found) is None:
            return frozenset()
        return frozenset(each.kind for each in _SAMPLES if found.chat_takes_media(each))

    def _known_limits(self, window: int | None) -> Limits | None:
        """Return the limits of the model, or of the one that the app was found to run.

        Args:
            window: The context window, where it is known.
        """
        own = get_limits(self.model, self.space, window)
        return own or get_limits(self._name_model(self.model), self.space, window)

    def _name_model(self, model: str) -> str:
        """Return a model's full name, by the app's own choice as far as it was asked."""
        name = get_full_name(model, self.space)
        if name == model and (found := self._found) is not None:
            with contextlib.suppress(ModelNotOfferedError):
                name = get_full_name(str(found.choose_model(model) or model), self.space)
        return name

    @property
    def _found(self) -> Endpoint | None:
        """The endpoint, once the app was asked; None for several Spaces, of which any answers."""
        known = self._space
        if known is None or not isinstance(self.space, str) or known.config.space != self.space:
            return None
        return known.found

    @property
    def _sampling(self) -> dict[str, Any]:
        """The sampling parameters that are set."""
        return drop_none({name: getattr(self, name) for name in SAMPLING})

    # Copies

    def __getstate__(self) -> dict[Any, Any]:
        """Return the state for a pickle: all but the secrets, which are to be given again."""
        # A copy, as LlamaIndex takes objects that cannot be pickled out of the model itself.
        copy = self.model_copy()
        copy._space = None  # noqa: SLF001 - its own
        left = drop_secrets(self.__dict__)
        if dropped := [name for name in left if left[name] != self.__dict__[name]]:
            logger.warning("not pickled, so give it again: %s", ", ".join(dropped))
        copy.__dict__.update(left)
        copy.__pydantic_fields_set__.discard("hf_token")
        return super(SpaceChatModel, copy).__getstate__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy, with some fields shared."""
        memo = {} if memo is None else memo
        shared = [getattr(self, name) for name in self.shared_by_copies]
        shared += list_tls_contexts(self.space)
        memo.update({id(each): each for each in shared})
        return super().__deepcopy__(memo)


@functools.cache
def _argument_names(cls: type[BaseModel]) -> list[str]:
    """Return the constructor's arguments, the frameworks' own and their aliases among them."""
    names = {**SpaceChatModel.model_fields, **cls.model_fields}  # ours first, for the hint
    return [*names, *(field.alias for field in cls.model_fields.values() if field.alias)]
