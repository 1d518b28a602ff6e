// The names and roles that Gradio leaves out, for screen readers and keyboards; and copies of rows
// as they were written.
(() => {
  if (window.qwenSpaceNames) return;
  window.qwenSpaceNames = true;
  const { unescape } = qwenSpaceRows;
  const NAMES = { "submit-button": "Send", "stop-button": "Stop" };

  // Blocks that are wider than their place are scrolled by keys, too. The browser tells of their
  // sizes, as asking for them would lay the whole chat out for each piece.
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    }
  });
  const nameAll = () => {
    for (const [kind, name] of Object.entries(NAMES)) {
      for (const button of document.querySelectorAll(`#message .${kind}`)) button.ariaLabel = name;
    }
    for (const picture of document.querySelectorAll("#chat .component img[alt='']")) {
      picture.alt = decodeURIComponent(picture.src.split("/").pop());
    }
    for (const arrow of document.querySelectorAll("#chat .thought-group .title button")) {
      arrow.inert = true; // within a button, which it is a picture of
    }
    for (const wide of document.querySelectorAll("#chat :is(pre, table, .katex-display):not([data-seen])")) {
      wide.dataset.seen = "";
      sizes.observe(wide);
    }
    for (const list of document.querySelectorAll("#chat .prose :is(ol, ul, table, blockquote):not([dir])")) {
      list.dir = "auto"; // its marks and columns begin at the right in Arabic and Hebrew
    }
    document.querySelector("#chat .examples")?.setAttribute("role", "group");
  };
  const start = () => {
    const observer = new MutationObserver(nameAll);
    for (const id of ["message", "chat"]) {
      observer.observe(document.getElementById(id), { childList: true, subtree: true });
    }
    nameAll();
    document.getElementById("status").role = "status";
    const takesMedia = document.querySelector("#files div[role=list]")?.dataset.takes;
    const attach = takesMedia ? "Add files" : "Add text files";
    for (const [id, name] of Object.entries({ "show-chats": "Chats", attach })) {
      Object.assign(document.getElementById(id), { ariaLabel: name, title: name });
    }
  };
  document.addEventListener("qwen-space-opened", start, { once: true });

  // A row's tags are escaped for Markdown, and a copy of it is not to be.
  let isCopying = false;
  document.addEventListener(
    "click",
    (event) => {
      isCopying = Boolean(event.target.closest?.("#chat .message-buttons"));
    },
    true,
  );
  const { clipboard } = navigator; // none where the page is not trusted
  const writeText = clipboard?.writeText.bind(clipboard);
  const unescaped = (text) =>
    text.replace(/(```[^]*?```|`[^`\n]+`)|&lt;|&amp;/g, (found, code) => code || unescape(found));
  if (clipboard) clipboard.writeText = (text) => writeText(isCopying ? unescaped(text) : text);
})();
