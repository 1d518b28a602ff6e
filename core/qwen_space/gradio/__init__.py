"""Gradio's queue protocol, without input or output: bytes and values in, events out."""
