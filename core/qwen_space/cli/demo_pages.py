"""The query engine of the demo: it answers from this project's own pages.

This module imports LlamaIndex and bm25s, which the extra `rag` brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import bm25s
from llama_index.core import Document
from llama_index.core.llms import LLM
from llama_index.core.node_parser import MarkdownNodeParser
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle

__all__ = ["PAGES", "make_query_engine"]

PAGES = ("errors", "how-it-works", "local-space", "reliability", "security", "tools")

_SECTIONS = 1  # that an answer is made of: a small model mixes two up, and reads twice as long


def make_query_engine(llm: LLM) -> RetrieverQueryEngine:
    """Return a query engine over the pages, whose answers stream."""
    sections = MarkdownNodeParser().get_nodes_from_documents(list(_read_pages()))
    return RetrieverQueryEngine.from_args(SectionRetriever(sections), llm=llm, streaming=True)


class SectionRetriever(BaseRetriever):
    """Finds the sections that share words with a question, by BM25.

    LlamaIndex's own `BM25Retriever` needs a stemmer that Python 3.14 has no wheel of.
    """

    def __init__(self, sections: Sequence[BaseNode]) -> None:
        super().__init__()
        self._sections = sections
        self._index = bm25s.BM25()
        self._index.index(_words([each.get_content() for each in sections]), show_progress=False)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found, scores = self._index.retrieve(
            _words(query_bundle.query_str), k=_SECTIONS, show_progress=False
        )
        return [
            NodeWithScore(node=self._sections[number], score=float(score))
            for number, score in zip(found[0], scores[0], strict=True)
        ]


def _words(texts: str | list[str]) -> Any:
    return bm25s.tokenize(texts, stopwords="en", show_progress=False)


def _read_pages() -> Iterator[Document]:
    for name in PAGES:
        path = _folder() / f"{name}.md"
        yield Document(text=path.read_text("utf-8"), metadata={"page": path.name})


def _folder() -> Path:
    """Return where the pages are: beside the packages in a wheel, in the tree of a checkout."""
    here = Path(__file__).parents[1]
    return next(each for each in (here / "docs", here.parents[1] / "docs") if each.is_dir())
