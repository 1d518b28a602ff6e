"""Ask questions about a folder of Markdown files and PDFs, without an embedding and without a key.

    pip install "qwen-space[rag]"
    python examples/rag.py docs/ "What happens when a stream is left early?"

BM25 finds the passages by their words. The answer streams, and its sources are below it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llama_index.core import Document
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever
from pypdf import PdfReader

from llama_index_qwen_space import QwenSpace


def read_folder(folder: Path) -> Iterator[Document]:
    """Yield a document for each Markdown file, and one for each page of a PDF."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".md":
            yield Document(text=path.read_text("utf-8"), metadata={"file": name})
        elif path.suffix == ".pdf":
            for number, page in enumerate(PdfReader(path).pages, 1):
                text = page.extract_text()
                if text.strip():  # a scan has none
                    yield Document(text=text, metadata={"file": name, "page": number})


def make_engine(folder: Path, space: str | None = None) -> Any:
    """Return a query engine over a folder, whose answers stream.

    Raises:
        SystemExit: The folder has no text.
    """
    documents = list(read_folder(folder))
    if not documents:
        raise SystemExit(f"{folder} has no Markdown file, and no PDF with text.")
    nodes = SentenceSplitter(chunk_size=512).get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=min(3, len(nodes)))
    llm = QwenSpace(space=space) if space else QwenSpace()
    return RetrieverQueryEngine.from_args(retriever, llm=llm, streaming=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("question")
    parser.add_argument("--space", help="owner/name, or an address (default: QWEN_SPACE_URL)")
    options = parser.parse_args(arguments)

    response = make_engine(options.folder, options.space).query(options.question)
    for piece in response.response_gen:
        print(piece, end="", flush=True)
    print("\n")
    for source in response.source_nodes:
        page = source.metadata.get("page")
        where = source.metadata["file"] + (f", page {page}" if page else "")
        print(f"{where}: {' '.join(source.text.split())[:60]}")


if __name__ == "__main__":
    main()
