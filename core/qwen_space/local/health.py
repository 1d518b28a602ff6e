"""Answers `/health` and `/metrics`, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from qwen_space.local.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Health"]


class Health:
    """ASGI middleware that answers two paths, and passes all others on.

    Args:
        app: The app behind it.
        metrics: The figures.
        name: The model's name.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, name: str) -> None:
        self._app = app
        self._metrics = metrics
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/health":
            await JSONResponse({"status": "ok", "model": self._name})(scope, receive, send)
        elif path == "/metrics":
            body, kind = self._metrics.render()
            await Response(body, media_type=kind)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
