"""All that knows Gradio, without input or output: its pages, the protocol of its queue, replies."""
