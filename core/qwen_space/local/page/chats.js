// The chats, which only the browser keeps. Nothing of them is sent anywhere but with a question.
// All scripts run before there is a page. This one tells the others by events of the document:
// "qwen-space-opened" once a chat is shown, "qwen-space-sent" once the server has the question.
(() => {
  if (window.qwenSpaceChats) return;
  const PREFIX = "qwen-space-chat:"; // a key for each, so that two tabs do not overwrite each other's
  const CURRENT = "qwen-space-current";
  const SAVED_AFTER = 400; // ms
  const { titleOf } = qwenSpaceRows;

  let current = sessionStorage.getItem(CURRENT);
  let next = null; // the chat to open
  let isOpening = true; // until it is shown
  let afterOpening = [];
  let openedRows = ""; // as JSON
  let unsaved = null; // { id, rows }
  let timer = 0;

  const announce = (name) => document.dispatchEvent(new Event(`qwen-space-${name}`));
  // Gradio's button to stop is there while a reply is written.
  const isBusy = () => Boolean(document.querySelector("#message .stop-button"));
  const classes = () => document.querySelector("#app")?.classList; // none on the page to log in

  // The store

  const read = (key) => {
    try {
      const chat = JSON.parse(localStorage.getItem(key));
      return chat && Array.isArray(chat.rows) ? chat : null;
    } catch {
      return null;
    }
  };
  const list = () =>
    Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX))
      .map((key) => ({ key, ...read(key) }))
      .filter((chat) => chat.rows)
      .sort((a, b) => b.time - a.time);
  const rows = () => unsaved?.rows || read(PREFIX + current)?.rows || [];
  // Store a chat in place of the oldest ones, where there is no room.
  const store = (key, chat) => {
    for (;;) {
      try {
        return localStorage.setItem(key, chat);
      } catch {
        const oldest = list().filter((each) => each.key !== key).pop();
        if (!oldest) return; // this chat alone is more than a browser keeps
        localStorage.removeItem(oldest.key);
      }
    }
  };
  const write = () => {
    clearTimeout(timer);
    timer = 0;
    if (!unsaved) return;
    const { id, rows } = unsaved;
    unsaved = null;
    const before = read(PREFIX + id);
    const isWritten = isBusy();
    const isSame = JSON.stringify(before?.rows) === JSON.stringify(rows);
    if (!rows.length) localStorage.removeItem(PREFIX + id);
    else if (!isSame || before.isWritten !== isWritten) {
      const time = isSame ? before.time : Date.now();
      store(PREFIX + id, JSON.stringify({ title: titleOf(rows), time, rows, isWritten }));
    }
    render();
  };
  const save = (rows) => {
    unsaved = { id: current, rows };
    timer ||= setTimeout(write, SAVED_AFTER);
  };
  // Keep the rows that the page shows now.
  const keep = (rows) => {
    if (isOpening || !Array.isArray(rows)) return;
    announce("sent");
    const isUnchanged = openedRows === JSON.stringify(rows);
    openedRows = "";
    if (isUnchanged) return; // another tab may have written more since
    if (!rows.length && !read(PREFIX + current)) return;
    save(rows);
  };

  // A chat whose reply ended with its page, or with the connection, says so when it is opened again,
  // unless another tab writes it at that moment. The tabs tell each other.

  const writtenElsewhere = new Set();
  const tabs = new BroadcastChannel("qwen-space");
  let writtenHere = null;
  const tell = (chat, isWritten) => tabs.postMessage({ chat, isWritten });
  tabs.onmessage = ({ data }) => {
    if (data.isWritten) writtenElsewhere.add(data.chat);
    else if (data.chat) writtenElsewhere.delete(data.chat);
    else if (writtenHere) tell(writtenHere, true);
  };
  tabs.postMessage({});
  // Notice the beginning and the end of a reply.
  const notice = () => {
    if (isBusy() === Boolean(writtenHere)) return;
    if (writtenHere) {
      tell(writtenHere, false);
      writtenHere = null;
      if (!isOpening) save(rows());
    } else {
      writtenHere = current;
      announce("sent");
      tell(writtenHere, true);
    }
  };
  const cutOff = (rows) => {
    const end = (row) => ({ ...row, metadata: { ...row.metadata, status: "done" } });
    const ended = rows.map((row) => (row.metadata?.status === "pending" ? end(row) : row));
    const text = "The page was left, or its connection was lost, before the end.";
    const metadata = { title: "The reply was cut off" };
    const note = { role: "assistant", content: [{ type: "text", text }], metadata };
    const { role, metadata: last } = ended.at(-1);
    const option = { value: "Go on exactly where you stopped.", label: "Continue" };
    if (role === "assistant" && !last?.title) note.options = [option];
    return [...ended, note];
  };

  // Opening a chat

  const choose = (id) => {
    current = id;
    sessionStorage.setItem(CURRENT, id);
  };
  choose(current || crypto.randomUUID());
  const begin = (id) => {
    write();
    next = id || next || crypto.randomUUID();
    isOpening = true;
    classes().remove("shows-chats");
    return [];
  };
  const opened = () => {
    if (next) choose(next);
    next = null;
    isOpening = false;
    for (const go of afterOpening.splice(0)) go();
    const chat = read(PREFIX + current);
    start();
    announce("opened");
    render();
    document.querySelector("#message textarea")?.focus();
    if (chat?.isWritten && !writtenElsewhere.has(current)) return [cutOff(chat.rows)];
    openedRows = JSON.stringify(chat?.rows || []);
    return [chat?.rows || []];
  };
  const whenOpened = () => new Promise((go) => afterOpening.push(go));
  let observer = null;
  const start = () => {
    if (observer) return;
    observer = new MutationObserver(notice);
    observer.observe(document.getElementById("message"), { childList: true, subtree: true });
    notice();
  };
  const open = (id) => {
    next = id;
    document.querySelector("#open-chat").click();
  };

  // The list beside the chat

  const element = (tag, options, ...children) => {
    const made = Object.assign(document.createElement(tag), options);
    made.append(...children);
    return made;
  };
  const entry = (chat) => {
    const id = chat.key.slice(PREFIX.length);
    const title = { textContent: chat.title, title: chat.title };
    const opener = element("button", { className: "open", ...title, onclick: () => open(id) });
    if (id === current) opener.ariaCurrent = "true";
    const name = `Delete the chat: ${chat.title}`;
    const remover = element("button", { className: "remove", textContent: "✕", ariaLabel: name });
    remover.onclick = () => {
      if (!remover.classList.contains("sure")) {
        remover.classList.add("sure");
        remover.textContent = "Delete?";
        remover.onblur = render;
        return;
      }
      unsaved = unsaved?.id === id ? null : unsaved;
      localStorage.removeItem(chat.key);
      if (id === current) document.querySelector("#new-chat").click();
      else render();
    };
    return element("li", {}, opener, remover);
  };
  const render = () => {
    const nav = document.querySelector("#chats nav");
    if (!nav) return;
    const chats = list();
    const none = element("p", { textContent: "Your chats will be here. Only this browser keeps them." });
    const shown = chats.length ? element("ul", {}, ...chats.map(entry)) : none;
    nav.replaceChildren(element("h2", { textContent: "Chats" }), shown);
  };
  const toggle = () => {
    classes().toggle(innerWidth > 900 ? "hides-chats" : "shows-chats");
    return [];
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") classes()?.remove("shows-chats");
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#chats, #show-chats")) classes()?.remove("shows-chats");
  });

  window.addEventListener("storage", ({ key }) => {
    render();
    const isShown = key === PREFIX + current && !isOpening && !writtenHere;
    const chat = isShown && read(key);
    if (chat && !chat.isWritten) open(current);
  });
  window.addEventListener("pagehide", () => {
    write();
    if (writtenHere) tell(writtenHere, false);
  });
  document.addEventListener("visibilitychange", write);

  window.qwenSpaceChats = {
    begin,
    element,
    isBusy,
    isOpening: () => isOpening,
    keep,
    opened,
    current: () => current,
    rows,
    toggle,
    whenOpened,
  };
})();
