"""The login of an app that was launched with `auth=`."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from qwen_space.config import Secret
from qwen_space.errors import AuthenticationError

__all__ = ["NOT_LOGGED_IN", "Login", "login_error", "login_form"]

NOT_LOGGED_IN = "Not authenticated"  # Gradio's answer where an app has a login


class Login:
    """The cookies of an app's login, which all clients of one Space share.

    They are as good as the password: they are in no repr and in no pickle.

    Attributes:
        cookie: The value of the header `Cookie`; empty before the first login.
    """

    def __init__(self) -> None:
        self.cookie = Secret("")

    def __reduce__(self) -> tuple[type[Login], tuple[()]]:
        return Login, ()

    def take(self, url: str, cookies: SimpleCookie) -> None:
        """Take the cookies that the app has set; over plain http, not those that want TLS."""
        is_plain = urlsplit(url).scheme == "http"
        kept = [each for each in cookies.values() if not (is_plain and each["secure"])]
        self.cookie = Secret("; ".join(f"{each.key}={each.coded_value}" for each in kept))


def login_form(auth: tuple[str, str]) -> bytes:
    """Return the body of a login, as the app's own page sends it."""
    user, password = auth
    return urlencode({"username": user, "password": password}).encode()


def login_error(url: str, status: int, detail: str | None) -> AuthenticationError:
    """Return the error of a login that failed."""
    if status == 400:
        return AuthenticationError(
            url, detail or "HTTP 400", "Check auth=(user, password): the app does not take it."
        )
    return AuthenticationError(
        url,
        f"HTTP {status}{f', {detail}' if detail else ''}",
        "The app wants a login that is not Gradio's own: log in on its page, and give the cookie "
        'of that with headers={"Cookie": ...}.',
    )
