// The part of the page that lives in the browser: its chats, the files of a question, names of
// buttons. Nothing of it is sent anywhere but with a question. It runs before there is a page.
(() => {
  if (window.qwenSpace) return;
  const PREFIX = "qwen-space-chat:";
  const DRAFT = "qwen-space-draft"; // the next question as the page is left
  const TEXT_BYTES = 300_000; // of a text file; those of others are the server's to say
  const FILES = 10;

  // The chats. Each has a key of its own, so that two tabs do not overwrite each other's.

  let current = sessionStorage.getItem("qwen-space-current");
  let wanted = null; // the chat to open next
  let frozen = true; // until the chat is shown
  let waiting = []; // for that moment
  let fresh = ""; // the rows of the chat as it was opened
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
  const plain = (text) => text.replace(/&lt;/g, "<").replace(/&amp;/g, "&");
  const fileOf = (row) => [row.content].flat().find((part) => part?.type === "file")?.file;
  const isFile = (row) => row.role === "user" && Boolean(row.metadata?.title || fileOf(row));
  const nameOf = (row) => plain(row.metadata?.title || "") || fileOf(row)?.orig_name || "A file";
  const titleOf = (rows) => {
    const texts = rows.filter((row) => row.role === "user" && !isFile(row));
    const question = plain(textOf(texts.find((row) => textOf(row.content).trim())?.content));
    const title = question || nameOf(rows.find(isFile) || {});
    return title.trim().replace(/\s+/g, " ").slice(0, 80) || "A chat";
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
      const chat = JSON.stringify({ title: titleOf(rows), time, rows, isWritten });
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
    taken();
    const isFresh = fresh === JSON.stringify(rows);
    fresh = "";
    if (isFresh) return; // another tab may have written more since
    if (!rows.length && !read(PREFIX + current)) return;
    save(rows);
  };
  const save = (rows) => {
    unsaved = { id: current, rows };
    timer ||= setTimeout(write, 400);
  };

  // A chat whose reply ended with its page, or with the connection, says so when it is opened again,
  // unless another tab writes it at that moment. The tabs tell each other.
  const isBusy = () => Boolean(document.querySelector("#message .stop-button"));
  const elsewhere = new Set();
  const tabs = new BroadcastChannel("qwen-space");
  let written = null; // the chat whose reply comes in
  const tell = (chat, isWritten) => tabs.postMessage({ chat, isWritten });
  tabs.onmessage = ({ data }) => {
    if (data.isWritten) elsewhere.add(data.chat);
    else if (data.chat) elsewhere.delete(data.chat);
    else if (written) tell(written, true);
  };
  tabs.postMessage({});
  const follow = () => {
    if (isBusy() === Boolean(written)) return;
    if (written) {
      tell(written, false);
      written = null;
      if (!frozen) save(unsaved?.rows || read(PREFIX + current)?.rows || []);
    } else {
      written = current;
      taken();
      tell(written, true);
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
    for (const go of waiting.splice(0)) go();
    const chat = read(PREFIX + current);
    start();
    render();
    box()?.focus();
    if (chat?.isWritten && !elsewhere.has(current)) return [cutOff(chat.rows)];
    fresh = JSON.stringify(chat?.rows || []);
    return [chat?.rows || []];
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
  window.addEventListener("storage", ({ key }) => {
    render();
    const isOpen = key === PREFIX + current && !frozen && !written;
    const chat = isOpen && read(key);
    if (!chat || chat.isWritten) return;
    wanted = current;
    document.querySelector("#open-chat").click();
  });
  window.addEventListener("pagehide", () => {
    write();
    if (written) tell(written, false);
    if (!box()) return;
    const text = box().value;
    const rows = files.map((file) => file.row).filter(Boolean);
    const isSent = isAsked && qwenSpaceConnection.isLost;
    try {
      sessionStorage.setItem(DRAFT, JSON.stringify({ text, rows, isSent }));
    } catch {} // the files are more than a browser keeps
  });
  document.addEventListener("visibilitychange", write);

  // The files of the next question. Each is a row of the chat to be: pictures and sounds that the
  // model takes are uploaded, and a text is a block of code, which its own lines cannot end.

  let files = []; // { name, picture, row, ready }; there is a row when it is ready
  let trouble = "";
  let sending = false;
  let isAsked = false; // the text in the box was sent, and the server has not answered yet
  let isRestored = false; // it was sent in vain before the page was loaded anew
  let going = []; // its files
  const place = () => document.querySelector("#files div[role=list]");
  const box = () => document.querySelector("#message textarea");
  const here = () => location.origin + location.pathname.replace(/\/*$/, "/");
  const drop = (file) => {
    if (file.picture?.startsWith("blob:")) URL.revokeObjectURL(file.picture);
    files = files.filter((each) => each !== file);
    show();
  };
  const show = () => {
    const chip = (file) => {
      const remove = element("button", { textContent: "✕", ariaLabel: `Remove ${file.name}` });
      remove.onclick = () => {
        drop(file);
        box().focus();
      };
      const picture = file.picture ? [element("img", { src: file.picture, alt: "" })] : [];
      const name = element("span", { textContent: file.name, title: file.name });
      const made = element("span", { className: "chip", role: "listitem" }, ...picture, name, remove);
      made.ariaBusy = String(!file.row);
      return made;
    };
    const said = element("span", { role: "alert", className: "trouble", textContent: trouble });
    place()?.replaceChildren(...files.map(chip), ...(trouble ? [said] : []));
  };
  const quote = async (file, name) => {
    const other = `${name} is no text file${takes().length ? `, and no ${takes().join(" or ")}` : ""}.`;
    if (file.size > TEXT_BYTES) throw `${name} is larger than ${TEXT_BYTES / 1000} kB.`;
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text = "\0";
    try {
      text = decoder.decode(await file.arrayBuffer());
    } catch {}
    if (text.includes("\0")) throw other;
    const longest = Math.max(2, ...(text.match(/`{3,}/g) || []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    const title = name.replace(/&(?=#?\w)/g, "&amp;").replace(/<(?=[A-Za-z/!?])/g, "&lt;");
    const content = [{ type: "text", text: `${fence}\n${text}\n${fence}` }];
    return { role: "user", content, metadata: { title, status: "done" } };
  };
  const takes = () => (place()?.dataset.takes || "").split(" ").filter(Boolean);
  const upload = async (file, name, isPicture) => {
    const most = Number(place().dataset.bytes);
    if (file.size > most) throw `${name} is larger than ${most / 1e6} MB.`;
    if (isPicture) {
      await createImageBitmap(file).catch(() => {
        throw `${name} is no picture that this browser can show.`;
      });
    }
    const body = new FormData();
    body.append("files", file, name);
    const answer = await fetch(`${here()}gradio_api/upload`, { method: "POST", body });
    if (!answer.ok) throw `${name} could not be uploaded: the server answers ${answer.status}.`;
    const [path] = await answer.json();
    const meta = { _type: "gradio.FileData" };
    const data = { path, orig_name: name, mime_type: file.type, size: file.size, meta };
    return { role: "user", content: [{ type: "file", file: data, alt_text: name }] };
  };
  const attach = (file) => {
    const [kind, type] = file.type.split("/");
    const isMedia = takes().includes(kind) && type !== "svg+xml"; // which is a text
    const isPicture = isMedia && kind === "image";
    // One from the clipboard may have no ending, by which the server knows its kind.
    const name = isMedia && !file.name.includes(".") ? `${file.name}.${type}` : file.name;
    const made = { name, picture: isPicture ? URL.createObjectURL(file) : "" };
    const row = isMedia ? upload(file, name, isPicture) : quote(file, name);
    made.ready = row.then(
      (row) => {
        made.row = row;
        show();
      },
      (error) => {
        trouble = typeof error === "string" ? error : `${name} could not be uploaded.`;
        drop(made);
      },
    );
    files.push(made);
  };
  const add = (chosen) => {
    trouble = "";
    for (const file of chosen) {
      if (files.length < FILES) attach(file);
      else trouble = `A message takes ${FILES} files.`;
    }
    show();
    box()?.focus();
  };
  const pick = () => {
    const input = element("input", { type: "file", multiple: true });
    input.onchange = () => add(input.files);
    input.click();
    return [];
  };
  // A question with its files, once they are uploaded; null is none, as at a second Enter meanwhile.
  const take = async (text, rows, ...rest) => {
    const nothing = [null, rows, ...rest];
    if (sending || (!text.trim() && !files.length)) return nothing;
    if (frozen) {
      sending = true;
      await new Promise((go) => waiting.push(go));
      sending = false;
      isRestored = true;
    }
    if (isRestored) rows = unsaved?.rows || read(PREFIX + current)?.rows || [];
    isRestored = false;
    if (isBusy()) return nothing;
    sending = true;
    const chat = current;
    trouble = "";
    await Promise.all(files.map((file) => file.ready));
    sending = false;
    show();
    if (trouble || chat !== current) return nothing;
    going = [...files];
    return [text, [...rows, ...going.map((file) => file.row)], ...rest];
  };
  const taken = () => {
    isAsked = false;
    going.splice(0).forEach(drop);
  };
  // Put the files of the last question, which is taken back, before the box again.
  const give = (rows) => {
    let end = rows.findLastIndex((row) => row.role === "user") + 1;
    if (end && !isFile(rows[end - 1])) end -= 1;
    const start = rows.slice(0, end).findLastIndex((row) => !isFile(row)) + 1;
    files.forEach(drop);
    bring(rows.slice(start, end));
  };
  const bring = (rows) => {
    files = rows.map((row) => {
      const file = fileOf(row);
      const picture = file?.mime_type?.startsWith("image/") ? file.url : "";
      return { name: nameOf(row), picture, row };
    });
    show();
  };
  const restore = () => {
    let draft = null;
    try {
      draft = JSON.parse(sessionStorage.getItem(DRAFT));
    } catch {}
    sessionStorage.removeItem(DRAFT);
    if (!draft || box().value) return;
    bring(draft.rows || []);
    box().value = draft.text || "";
    box().dispatchEvent(new Event("input", { bubbles: true }));
    if (!draft.isSent) return;
    isRestored = true;
    setTimeout(() => document.querySelector("#message .submit-button")?.click());
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    const { files: pasted, types } = event.clipboardData;
    // A text of an office program has its picture beside it.
    if (pasted.length && !types.includes("text/plain")) add(pasted);
  });

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
    text.replace(/(```[^]*?```|`[^`\n]+`)|&lt;|&amp;/g, (found, code) => code || plain(found));
  if (clipboard) clipboard.writeText = (text) => writeText(isCopying ? unescaped(text) : text);

  // The names and roles that Gradio leaves out, for screen readers and keyboards.

  // Blocks that are wider than their place are scrolled by keys, too. The browser tells of their
  // sizes, as asking for them would lay the whole chat out for each piece.
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    }
  });
  const names = { "submit-button": "Send", "stop-button": "Stop" };
  const label = () => {
    follow();
    for (const [kind, name] of Object.entries(names)) {
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
  let labeller = null;
  const start = () => {
    if (labeller) return;
    labeller = new MutationObserver(label);
    for (const id of ["message", "chat"]) {
      labeller.observe(document.getElementById(id), { childList: true, subtree: true });
    }
    label();
    restore();
    document.getElementById("status").role = "status";
    const attaches = takes().length ? "Add files" : "Add text files";
    for (const [id, name] of Object.entries({ "show-chats": "Chats", attach: attaches })) {
      Object.assign(document.getElementById(id), { ariaLabel: name, title: name });
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") app()?.remove("shows-chats");
  });
  // Enter and Send do nothing where there is nothing to send, as Gradio takes no further question
  // until the server has answered; nor does Enter while an input method composes a word.
  const isEmpty = () => !box().value.trim() && !files.length;
  const keepEnter = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.target !== box()) return;
    if (isEmpty()) event.preventDefault();
    if (isEmpty() || event.isComposing) event.stopPropagation();
    else isAsked ||= !isBusy() || qwenSpaceConnection.isLost;
  };
  const keepClick = (event) => {
    if (!event.target.closest?.("#message .submit-button")) return;
    if (isEmpty()) event.stopPropagation();
    else isAsked = true;
  };
  document.addEventListener("input", (event) => {
    if (event.target === box()) isAsked = false;
  });
  document.addEventListener("keydown", keepEnter, true);
  document.addEventListener("keypress", keepEnter, true);
  document.addEventListener("click", keepClick, true);
  const app = () => document.querySelector("#app")?.classList; // none on the page to log in
  const toggle = () => {
    app().toggle(innerWidth > 900 ? "hides-chats" : "shows-chats");
    return [];
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#chats, #show-chats")) app()?.remove("shows-chats");
  });
  window.qwenSpace = { begin, give, keep, opened, pick, take, toggle };
})();
