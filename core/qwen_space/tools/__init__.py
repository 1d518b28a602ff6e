"""Tool calling in Qwen2.5's own format: the prompt with the tools, the parser of the reply.

Pure, and of no framework: `render` turns a chat with tools into plain turns, `ReplyParser` and
`parse` turn a reply into text and calls.
"""

from __future__ import annotations

from qwen_space.tools.calls import (
    ArgumentsDelta,
    CallStarted,
    InvalidCall,
    ParsedReply,
    ReplyPart,
    TextPart,
    ToolCall,
    call_text,
    given_call,
)
from qwen_space.tools.choice import NO_TOOLS, ToolBinding
from qwen_space.tools.parser import ReplyParser, parse
from qwen_space.tools.prompt import Message, reasked, render

__all__ = [
    "NO_TOOLS",
    "ArgumentsDelta",
    "CallStarted",
    "InvalidCall",
    "Message",
    "ParsedReply",
    "ReplyParser",
    "ReplyPart",
    "TextPart",
    "ToolBinding",
    "ToolCall",
    "call_text",
    "given_call",
    "parse",
    "reasked",
    "render",
]
