"""Follows the layout of an app's page: the components that it hides, and those that it draws.

A component that the page has not drawn has set no value of its own. Sources, all in Gradio's `js`:
`core/src/RenderComponent.svelte` (from 5.36 on), `preload_visible_components` in
`core/src/init.ts` (5.46 to 5.50), and `core/src/init.svelte.ts` (from 6.1 on).
`tests/matrix/test_untouched.py` compares with a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

__all__ = ["Layout"]

_HIDDEN_WAIT = (5, 36)  # a component is drawn once it is visible
_KINDS_WAIT = (5, 46)  # a closed tab draws the kinds that the page shows elsewhere
_ALL_DRAWN = (6, 0)  # closed tabs, too
_CLOSED_WAIT = (6, 1)  # closed tabs and accordions

_TABS = frozenset({"tabs", "tabitem", "walkthrough", "walkthroughstep"})


class Layout:
    """The layout of an app's page.

    Args:
        layout: The tree of components in `/config`.
        components: The components of `/config`, by their numbers.
        release: The first two numbers of Gradio's version.

    Attributes:
        hidden: The numbers of the components that the page does not show at first.
        in_closed_parts: The numbers of those in a tab, an accordion or a sidebar that is not open
            at first.
        undrawn: The numbers of those that the page does not draw at first.
    """

    def __init__(
        self, layout: Any, components: Mapping[Any, Mapping[str, Any]], release: tuple[int, int]
    ) -> None:
        self._layout = layout
        self._components = components
        self.hidden = self._within(self._is_hidden)
        closed = {*self._closed_tabs(), *filter(self._is_folded, components)}
        self.in_closed_parts = self._within(closed.__contains__)
        self.undrawn = self._undrawn(release)

    def tabs_around(self, numbers: Collection[Any]) -> list[Any]:
        """Return the numbers of the tabs around these parts of the page, the outermost first."""
        found: dict[Any, None] = {}
        waiting: list[tuple[Any, tuple[Any, ...]]] = [(self._layout, ())]
        while waiting:
            node, outer = waiting.pop()
            if not isinstance(node, dict):
                continue
            number = node.get("id")
            if number in numbers:
                found.update(dict.fromkeys(outer))
            inner = (*outer, number) if self._kind(number) in _TABS else outer
            waiting += [(each, inner) for each in _children(node)]
        return [*found]

    def _undrawn(self, release: tuple[int, int]) -> frozenset[Any]:
        if release < _HIDDEN_WAIT:
            return frozenset()
        invisible = self._within(self._is_invisible)
        if release < _KINDS_WAIT or _ALL_DRAWN <= release < _CLOSED_WAIT:
            return invisible
        closed = {*self._closed_tabs()}
        if release >= _CLOSED_WAIT:
            closed.update(filter(self._is_closed_accordion, self._components))
        else:
            closed = {each for each in closed if not self._props(each).get("render_children")}
        waiting = self._within(closed.__contains__)
        if release < _ALL_DRAWN:
            shown = {*map(self._kind, self._components.keys() - invisible - waiting)}
            waiting = frozenset(each for each in waiting if self._kind(each) not in shown)
        return invisible | waiting

    def _kind(self, number: Any) -> Any:
        return self._components.get(number, {}).get("type")

    def _props(self, number: Any) -> Mapping[str, Any]:
        props = self._components.get(number, {}).get("props")
        return props if isinstance(props, dict) else {}

    def _is_hidden(self, number: Any) -> bool:
        return self._props(number).get("visible") in (False, "hidden")

    def _is_invisible(self, number: Any) -> bool:
        return self._props(number).get("visible") is False

    def _is_folded(self, number: Any) -> bool:
        is_part = self._kind(number) in {"accordion", "sidebar"}
        return is_part and self._props(number).get("open") is False

    def _is_closed_accordion(self, number: Any) -> bool:
        return self._kind(number) == "accordion" and self._props(number).get("open") is False

    def _closed_tabs(self) -> Iterator[Any]:
        """Yield the tabs that are not open at first: all but the chosen or the first one."""
        waiting = [self._layout]
        while waiting:
            node = waiting.pop()
            if not isinstance(node, dict):
                continue
            waiting += _children(node)
            number = node.get("id")
            if self._kind(number) != "tabs":
                continue
            tabs = [each.get("id") for each in _children(node) if isinstance(each, dict)]
            chosen = self._props(number).get("selected")
            named = [
                each
                for each in tabs
                if chosen is not None and chosen in (self._props(each).get("id"), each)
            ]
            shown = [each for each in tabs if not self._is_hidden(each)]
            open_tab = next(iter(named or shown), None)
            yield from (each for each in tabs if each != open_tab)

    def _within(self, are_in: Callable[[Any], bool]) -> frozenset[Any]:
        """Return the components for which that holds, and all that the layout has within them."""
        found = {each for each in self._components if are_in(each)}
        waiting = [(self._layout, False)]
        while waiting:
            node, is_in = waiting.pop()
            if not isinstance(node, dict):
                continue
            is_in = is_in or are_in(node.get("id"))
            if is_in:
                found.add(node.get("id"))
            waiting += [(each, is_in) for each in _children(node)]
        return frozenset(found)


def _children(node: Mapping[str, Any]) -> list[Any]:
    children = node.get("children")
    return children if isinstance(children, list) else []
