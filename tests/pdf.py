"""A PDF with one line of text."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

__all__ = ["write_pdf"]


def write_pdf(path: Path, text: str) -> None:
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    names = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    content = DecodedStreamObject()
    content.set_data(f"BT /F 12 Tf 9 50 Td ({text}) Tj ET".encode())
    writer = PdfWriter()
    page = writer.add_blank_page(300, 99)
    page[NameObject("/Contents")] = content
    fonts = DictionaryObject({NameObject("/F"): names})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    writer.write(path)
