"""The Spaces of a client, as callers give them: one, or several that answer in turn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict

from qwen_space.config.addresses import DEFAULT_SPACE, has_password, is_hugging_face, space_url
from qwen_space.config.environment import token_for
from qwen_space.config.space_config import Secret, SpaceConfig, Timeouts, check_auth, is_tls_context

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Required

    from qwen_space.config.space_config import InputRole

__all__ = [
    "SpaceEntry",
    "SpaceLike",
    "drop_entry_secrets",
    "dump_spaces",
    "first_space",
    "hide_entry_secrets",
    "identify",
    "list_entries",
    "list_spaces",
    "list_tls_contexts",
    "make_config",
    "shared_token",
]


class SpaceEntry(TypedDict, total=False):
    """One of several Spaces, with options of its own in place of those that all share.

    Attributes are those of `SpaceConfig`, which describes them.
    """

    space: Required[str]
    model: str
    models: Mapping[str, str]
    hf_token: str | None
    auth: tuple[str, str] | None
    endpoint: str | None
    roles: Mapping[Any, InputRole | None]
    inputs: Mapping[str, Any]
    sampling: Mapping[str, float]
    headers: Mapping[str, str]
    proxy: str | None
    trust_env: bool
    verify: bool | str | os.PathLike[str] | SSLContext
    timeouts: Timeouts
    max_retries: int
    reasoning_tags: tuple[str, str] | None


SpaceLike = str | Sequence[str | Mapping[str, Any]]
"""A Space, or several of them, each maybe a `SpaceEntry`."""

_OF_AN_ENTRY = frozenset(SpaceEntry.__annotations__)
_SECRETS = ("hf_token", "auth", "headers")
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-hf-authorization"})


def make_config(space: SpaceLike, **shared: Any) -> SpaceConfig:
    """Return the configuration of one Space, or of the first of several with the others in it.

    Args:
        space: The Space, or several of them.
        **shared: The fields of `SpaceConfig`, for each Space whose entry has no value of its own.
            Among several Spaces, those on Hugging Face get the token.

    Raises:
        ValueError: A value cannot be right, or a secret would go to Spaces that it is not meant
            for.
    """
    entries = list_entries(space)
    if len(entries) > 1:
        _check_shared(entries, shared)
    first, *others = (_merge(entry, shared, is_one=len(entries) == 1) for entry in entries)
    return SpaceConfig(**first, fallbacks=tuple(SpaceConfig(**each) for each in others))


def list_spaces(space: SpaceLike) -> list[str]:
    """Return the ids or addresses of the Spaces, in order."""
    return [entry["space"] for entry in list_entries(space)]


def first_space(space: SpaceLike) -> str:
    """Return the id or the address of the Space, or of the first of several."""
    return list_spaces(space)[0]


def shared_token(space: SpaceLike, given: str | None) -> str | None:
    """Return the token of a Space, or the one that several of them share, or None.

    Args:
        space: The Space, or several of them.
        given: The token that the caller gave; None takes that of the environment, which is for
            Hugging Face alone.
    """
    urls = [space_url(name) for name in list_spaces(space)]
    return token_for(next(filter(is_hugging_face, urls), urls[0]), given)


def identify(config: SpaceConfig) -> str | list[dict[str, Any]]:
    """Return the address of a Space; of several, the fields by which their answers may differ."""
    names = ("url", "model", "models", "endpoint", "roles", "inputs", "sampling")
    if not config.fallbacks:
        return config.url
    return [{name: getattr(each, name) for name in names} for each in config.all_configs]


def hide_entry_secrets(space: Any) -> Any:
    """Return Spaces whose `repr` shows no secret."""
    if isinstance(space, str):
        return space
    return [_hide_secrets(each) if isinstance(each, Mapping) else each for each in space]


def _hide_secrets(entry: Mapping[str, Any]) -> dict[str, Any]:
    hidden = dict(entry)
    if isinstance(hidden.get("hf_token"), str):
        hidden["hf_token"] = Secret(hidden["hf_token"])
    if "auth" in hidden:
        hidden["auth"] = check_auth(hidden["auth"])
    if isinstance(hidden.get("headers"), Mapping):
        hidden["headers"] = {name: Secret(value) for name, value in hidden["headers"].items()}
    if has_password(hidden.get("proxy")):
        hidden["proxy"] = Secret(hidden["proxy"])
    return hidden


def drop_entry_secrets(space: Any) -> Any:
    """Return Spaces as they may be pickled: without tokens, headers and passwords."""
    if isinstance(space, str):
        return space
    return [_drop_secrets(each) if isinstance(each, Mapping) else each for each in space]


def _drop_secrets(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in _SECRETS}
    if has_password(entry.get("proxy")):
        del kept["proxy"]
    if is_tls_context(entry.get("verify")):  # which has no pickle
        del kept["verify"]
    return kept


def dump_spaces(space: Any) -> Any:
    """Return Spaces as JSON has them, without secrets; `make_config` takes them again."""
    left = drop_entry_secrets(space)
    return left if isinstance(left, str) else list(map(_dump_entry, left))


def _dump_entry(entry: Any) -> Any:
    if isinstance(entry, str):
        return entry
    dumped = dict(entry)
    if isinstance(entry.get("verify"), os.PathLike):
        dumped["verify"] = os.fspath(entry["verify"])
    if isinstance(entry.get("timeouts"), Timeouts):
        dumped["timeouts"] = asdict(entry["timeouts"])
    return dumped


def list_tls_contexts(space: Any) -> list[Any]:
    """Return the values by which entries check certificates, and that have no copy."""
    entries = [] if isinstance(space, str) else space
    checks = [each.get("verify") for each in entries if isinstance(each, Mapping)]
    return [each for each in checks if is_tls_context(each)]


def list_entries(space: Any) -> list[SpaceEntry]:
    """Return the Spaces as entries, in order.

    Raises:
        ValueError: There is none, or one is neither an id, an address nor an entry.
    """
    if isinstance(space, str):
        return [{"space": space}]
    if isinstance(space, Mapping):
        return [_checked(space)]
    entries = [
        _checked(each) if isinstance(each, Mapping) else _checked({"space": each}) for each in space
    ]
    if not entries:
        raise ValueError(f"space is an empty list: name a Space, such as {DEFAULT_SPACE!r}.")
    return entries


def _checked(entry: Mapping[str, Any]) -> SpaceEntry:
    # Never with a value, which may be a secret.
    if not isinstance(entry.get("space"), str):
        raise ValueError(
            "space=[...]: an entry is an id or an address, or a dict with that as its 'space'."
        )
    if unknown := sorted(map(str, entry.keys() - _OF_AN_ENTRY)):
        known = ", ".join(sorted(_OF_AN_ENTRY))
        raise ValueError(
            f"space=[...]: {entry['space']!r} cannot have a {unknown[0]!r} of its own. "
            f"An entry may have: {known}. Give the others once, for all Spaces."
        )
    return entry  # type: ignore[return-value] # its keys were checked, SpaceConfig does the rest


def _merge(entry: SpaceEntry, shared: Mapping[str, Any], *, is_one: bool) -> dict[str, Any]:
    merged: dict[str, Any] = {**shared, **entry}
    if isinstance(merged.get("timeouts"), Mapping):  # as they are stored
        merged["timeouts"] = Timeouts(**merged["timeouts"])
    if not is_one and not is_hugging_face(space_url(entry["space"])):
        merged["hf_token"] = entry.get("hf_token")
    return merged


def _check_shared(entries: Sequence[SpaceEntry], shared: Mapping[str, Any]) -> None:
    """Refuse secrets of one server that would go to all of them."""
    if shared.get("auth") is not None:
        raise ValueError(
            "auth is the login of one app: with several Spaces, give it to the one that it is "
            'for, as {"space": ..., "auth": (user, password)}.'
        )
    headers = shared.get("headers")
    names = headers if isinstance(headers, Mapping) else ()
    if credentials := [name for name in names if str(name).lower() in _CREDENTIALS]:
        raise ValueError(
            f"headers: {credentials[0]} would go to all {len(entries)} Spaces: give it to the one "
            'that it is for, as {"space": ..., "headers": {...}}.'
        )
    urls = [space_url(entry["space"]) for entry in entries]
    if shared.get("hf_token") and not any(map(is_hugging_face, urls)):
        raise ValueError(
            "hf_token goes to Spaces on Hugging Face, and none of these is there: give each "
            'server its own, as {"space": ..., "hf_token": ...}.'
        )
