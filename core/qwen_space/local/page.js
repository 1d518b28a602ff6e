// The part of the page that lives in the browser: its chats, the files of a question, names of
// buttons. Nothing of it is sent anywhere but with a question.
() => {
  if (window.qwenSpace) return;
  const PREFIX = "qwen-space-chat:";
  const FILE_BYTES = 300_000;
  const FILES = 10;

  // The chats. Each has a key of its own, so that two tabs do not overwrite each other's.

  let current = sessionStorage.getItem("qwen-space-current");
  let wanted = null; // the chat to open next
  let frozen = true; // until the first chat is shown
  let unsaved = null;
  let timer = 0;

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
  const textOf = (content) =>
    typeof content === "string" ? content : (content || []).map((part) => part.text || "").join("");
  const titleOf = (rows) => {
    const question = rows.find((row) => row.role === "user" && !row.metadata?.title) || rows[0];
    const plain = textOf(question.content).replace(/&lt;/g, "<").replace(/&amp;/g, "&");
    return plain.trim().replace(/\s+/g, " ").slice(0, 80) || "A chat";
  };
  const write = () => {
    clearTimeout(timer);
    timer = 0;
    if (!unsaved) return;
    const { id, rows } = unsaved;
    unsaved = null;
    const before = read(PREFIX + id);
    if (!rows.length) localStorage.removeItem(PREFIX + id);
    else if (JSON.stringify(before?.rows) !== JSON.stringify(rows)) {
      const chat = JSON.stringify({ title: titleOf(rows), time: Date.now(), rows });
      for (;;) {
        try {
          localStorage.setItem(PREFIX + id, chat);
          break;
        } catch {
          const oldest = list().filter(({ key }) => key !== PREFIX + id).pop();
          if (!oldest) break; // this chat alone is more than a browser keeps
          localStorage.removeItem(oldest.key);
        }
      }
    }
    render();
  };
  const keep = (rows) => {
    if (frozen || !Array.isArray(rows)) return;
    if (!rows.length && !read(PREFIX + current)) return;
    unsaved = { id: current, rows };
    timer ||= setTimeout(write, 400);
  };
  const choose = (id) => {
    current = id;
    sessionStorage.setItem("qwen-space-current", id);
  };
  choose(current || crypto.randomUUID());
  const begin = (id) => {
    write();
    wanted = id || wanted || crypto.randomUUID();
    frozen = true;
    document.querySelector("#app").classList.remove("shows-chats");
    return [];
  };
  const opened = () => {
    if (wanted) choose(wanted);
    wanted = null;
    frozen = false;
    render();
    document.querySelector("#message textarea")?.focus();
    return [read(PREFIX + current)?.rows || []];
  };

  const element = (tag, options, ...children) => {
    const made = Object.assign(document.createElement(tag), options);
    made.append(...children);
    return made;
  };
  const row = (chat) => {
    const id = chat.key.slice(PREFIX.length);
    const open = element("button", { className: "open", textContent: chat.title, title: chat.title });
    if (id === current) open.ariaCurrent = "true";
    open.onclick = () => {
      wanted = id;
      document.querySelector("#open-chat").click();
    };
    const name = `Delete the chat: ${chat.title}`;
    const remove = element("button", { className: "remove", textContent: "✕", ariaLabel: name });
    remove.onclick = () => {
      if (!remove.classList.contains("sure")) {
        remove.classList.add("sure");
        remove.textContent = "Delete?";
        remove.onblur = render;
        return;
      }
      unsaved = unsaved?.id === id ? null : unsaved;
      localStorage.removeItem(chat.key);
      if (id === current) document.querySelector("#new-chat").click();
      else render();
    };
    return element("li", {}, open, remove);
  };
  const render = () => {
    const nav = document.querySelector("#chats nav");
    if (!nav) return;
    const chats = list();
    const none = element("p", { textContent: "Your chats will be here. Only this browser keeps them." });
    const shown = chats.length ? element("ul", {}, ...chats.map(row)) : none;
    nav.replaceChildren(element("h2", { textContent: "Chats" }), shown);
  };
  window.addEventListener("storage", render);
  window.addEventListener("pagehide", write);
  document.addEventListener("visibilitychange", write);

  // The files of the next question, whose text goes with it.

  let files = [];
  let trouble = "";
  const show = () => {
    const shown = document.querySelector("#files div[role=list]");
    if (!shown) return;
    const chip = (file, at) => {
      const name = `Remove ${file.name}`;
      const remove = element("button", { textContent: "✕", ariaLabel: name });
      remove.onclick = () => {
        files.splice(at, 1);
        show();
      };
      return element("span", { role: "listitem", className: "chip" }, file.name, remove);
    };
    const said = element("span", { role: "alert", className: "trouble", textContent: trouble });
    shown.replaceChildren(...files.map(chip), ...(trouble ? [said] : []));
  };
  const add = async (chosen) => {
    trouble = "";
    for (const file of chosen) {
      try {
        if (file.size > FILE_BYTES) throw `${file.name} is larger than ${FILE_BYTES / 1000} kB.`;
        if (files.length >= FILES) throw `A message takes ${FILES} files.`;
        const bytes = await file.arrayBuffer();
        const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        if (text.includes("\0")) throw 0;
        files.push({ name: file.name, text });
      } catch (error) {
        trouble = typeof error === "string" ? error : `${file.name} is no text file.`;
      }
    }
    show();
    document.querySelector("#message textarea")?.focus();
  };
  const pick = () => {
    const input = element("input", { type: "file", multiple: true });
    input.onchange = () => add(input.files);
    input.click();
    return [];
  };
  const take = (text) => {
    if (!text.trim() || document.querySelector("#message .stop-button")) return [];
    const taken = files;
    files = [];
    trouble = "";
    show();
    return taken;
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add(event.clipboardData.files);
  });

  // The names that Gradio leaves out, for screen readers.

  const names = { "submit-button": "Send", "stop-button": "Stop" };
  const label = () => {
    for (const [kind, name] of Object.entries(names)) {
      for (const button of document.querySelectorAll(`#message .${kind}`)) button.ariaLabel = name;
    }
  };
  new MutationObserver(label).observe(document.querySelector("#message"), {
    childList: true,
    subtree: true,
  });
  label();
  for (const [id, name] of Object.entries({ "show-chats": "Chats", attach: "Add text files" })) {
    Object.assign(document.getElementById(id), { ariaLabel: name, title: name });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") app().remove("shows-chats");
  });
  const app = () => document.querySelector("#app").classList;
  const toggle = () => {
    app().toggle(innerWidth > 900 ? "hides-chats" : "shows-chats");
    return [];
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#chats, #show-chats")) app().remove("shows-chats");
  });
  window.qwenSpace = { add, begin, keep, opened, pick, take, toggle };
  render();
};
