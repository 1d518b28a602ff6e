"""The Gradio releases that the app runs on."""

from __future__ import annotations

__all__ = ["MEDIA_RELEASES", "RELEASES"]

# The release, a day soon after it (its dependencies are those of that day), and the flavours of
# the app: the chat's component, an answer in steps, or a gr.ChatInterface, which can take
# files too. "modelscope" comes with the release of modelscope_studio whose chatbot is shown.
RELEASES = [
    ("4.0.2", "2023-11-10", "pairs steps interface escaped page"),
    ("4.8.0", "2023-12-08", "pairs interface"),
    ("4.9.1", "2023-12-20", "pairs interface"),
    ("4.16.0", "2024-02-10", "pairs interface"),
    ("4.19.2", "2024-03-01", "pairs"),
    ("4.20.1", "2024-03-10", "pairs interface"),
    ("4.21.0", "2024-03-16", "pairs interface"),
    ("4.23.0", "2024-03-30", "pairs"),
    ("4.26.0", "2024-04-10", "pairs interface multimodal"),
    (
        "4.44.1",
        "2024-12-15",
        "pairs messages steps interface multimodal escaped page modelscope==0.5.2",
    ),
    ("5.0.2", "2024-10-20", "pairs messages interface"),
    ("5.29.0", "2025-05-10", "pairs messages interface"),
    ("5.50.0", "2026-03-01", "pairs messages steps interface escaped page modelscope==1.6.1"),
    ("6.0.2", "2025-12-12", "messages interface"),
    ("6.31.0", None, "messages steps interface multimodal escaped page"),
]

# The oldest and the newest release of each kind of input for pictures and files.
_SINCE_4_0 = "image audio file files gallery upload later button reply"
_SINCE_4_44 = f"{_SINCE_4_0} video history"  # before that, a Video runs ffprobe
MEDIA_RELEASES = [
    ("4.0.2", "2023-11-10", _SINCE_4_0),
    ("4.44.1", "2024-12-15", _SINCE_4_44),
    ("5.50.0", "2026-03-01", _SINCE_4_44),
    ("6.31.0", None, _SINCE_4_44),
]
