// Name the buttons that Gradio leaves without a name for screen readers.
() => {
  const names = { "submit-button": "Send", "stop-button": "Stop" };
  const message = document.querySelector("#message");
  const label = () => {
    for (const [kind, name] of Object.entries(names)) {
      for (const button of message.querySelectorAll(`.${kind}`)) button.ariaLabel = name;
    }
  };
  new MutationObserver(label).observe(message, { childList: true, subtree: true });
  label();
}
