// The next question: its text, and its files. Each file is a row of the chat to be: pictures and
// sounds that the model takes are uploaded, and a text is a block of code, which its own lines
// cannot end.
(() => {
  if (window.qwenSpaceQuestion) return;
  const DRAFT = "qwen-space-draft"; // the question as the page is left
  const MOST_TEXT = 300_000; // bytes of a text file; those of others are the server's to say
  const MOST_FILES = 10;
  const { fileOf, isFile, nameOf } = qwenSpaceRows;
  const chats = qwenSpaceChats;
  const { element } = chats;

  let files = []; // { name, picture, row, ready }; there is a row when it is ready
  let sent = []; // those that are on their way
  let trouble = "";
  let isSending = false;
  let isSubmitted = false; // the text in the box was sent, and the server has not answered yet
  let isRestored = false; // it was sent in vain before the page was loaded anew
  const box = () => document.querySelector("#message textarea");
  const place = () => document.querySelector("#files div[role=list]");
  const taken = () => (place()?.dataset.takes || "").split(" ").filter(Boolean);

  // The files before the box

  const show = () => {
    const said = element("span", { role: "alert", className: "trouble", textContent: trouble });
    place()?.replaceChildren(...files.map(chip), ...(trouble ? [said] : []));
  };
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
  const drop = (file) => {
    if (file.picture?.startsWith("blob:")) URL.revokeObjectURL(file.picture);
    files = files.filter((each) => each !== file);
    show();
  };
  const showRows = (rows) => {
    files = rows.map((row) => {
      const file = fileOf(row);
      const picture = file?.mime_type?.startsWith("image/") ? file.url : "";
      return { name: nameOf(row), picture, row };
    });
    show();
  };

  // Adding files

  const quote = async (file, name) => {
    const other = taken().length ? `, and no ${taken().join(" or ")}` : "";
    if (file.size > MOST_TEXT) throw `${name} is larger than ${MOST_TEXT / 1000} kB.`;
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let text = "\0";
    try {
      text = decoder.decode(await file.arrayBuffer());
    } catch {}
    if (text.includes("\0")) throw `${name} is no text file${other}.`;
    const longest = Math.max(2, ...(text.match(/`{3,}/g) || []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    const title = name.replace(/&(?=#?\w)/g, "&amp;").replace(/<(?=[A-Za-z/!?])/g, "&lt;");
    const content = [{ type: "text", text: `${fence}\n${text}\n${fence}` }];
    return { role: "user", content, metadata: { title, status: "done" } };
  };
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
    const root = location.origin + location.pathname.replace(/\/*$/, "/");
    const answer = await fetch(`${root}gradio_api/upload`, { method: "POST", body });
    if (!answer.ok) throw `${name} could not be uploaded: the server answers ${answer.status}.`;
    const [path] = await answer.json();
    const meta = { _type: "gradio.FileData" };
    const data = { path, orig_name: name, mime_type: file.type, size: file.size, meta };
    return { role: "user", content: [{ type: "file", file: data, alt_text: name }] };
  };
  const attach = (file) => {
    const [kind, type] = file.type.split("/");
    const isMedia = taken().includes(kind) && type !== "svg+xml"; // which is a text
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
      if (files.length < MOST_FILES) attach(file);
      else trouble = `A message takes ${MOST_FILES} files.`;
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

  // Sending

  // A question with its files, once they are uploaded; null is none, as at a second Enter meanwhile.
  const send = async (text, rows, ...rest) => {
    const nothing = [null, rows, ...rest];
    if (isSending || (!text.trim() && !files.length)) return nothing;
    if (chats.isOpening()) {
      isSending = true;
      await chats.whenOpened();
      isSending = false;
      isRestored = true;
    }
    if (isRestored) rows = chats.rows();
    isRestored = false;
    if (chats.isBusy()) return nothing;
    isSending = true;
    const chat = chats.current();
    trouble = "";
    await Promise.all(files.map((file) => file.ready));
    isSending = false;
    show();
    if (trouble || chat !== chats.current()) return nothing;
    sent = [...files];
    return [text, [...rows, ...sent.map((file) => file.row)], ...rest];
  };
  document.addEventListener("qwen-space-sent", () => {
    isSubmitted = false;
    sent.splice(0).forEach(drop);
  });
  // Put the files of the last question, which is taken back, before the box again.
  const takeBack = (rows) => {
    let end = rows.findLastIndex((row) => row.role === "user") + 1;
    if (end && !isFile(rows[end - 1])) end -= 1;
    const start = rows.slice(0, end).findLastIndex((row) => !isFile(row)) + 1;
    files.forEach(drop);
    showRows(rows.slice(start, end));
  };
  // Enter and Send do nothing where there is nothing to send, as Gradio takes no further question
  // until the server has answered; nor does Enter while an input method composes a word.
  const isEmpty = () => !box().value.trim() && !files.length;
  const onEnter = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.target !== box()) return;
    if (isEmpty()) event.preventDefault();
    if (isEmpty() || event.isComposing) event.stopPropagation();
    else isSubmitted ||= !chats.isBusy() || qwenSpaceConnection.isLost;
  };
  const onClick = (event) => {
    if (!event.target.closest?.("#message .submit-button")) return;
    if (isEmpty()) event.stopPropagation();
    else isSubmitted = true;
  };
  document.addEventListener("keydown", onEnter, true);
  document.addEventListener("keypress", onEnter, true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("input", (event) => {
    if (event.target === box()) isSubmitted = false;
  });

  // The draft: a question that is there as the page is left, and when it comes back

  window.addEventListener("pagehide", () => {
    if (!box()) return;
    const text = box().value;
    const rows = files.map((file) => file.row).filter(Boolean);
    const isSent = isSubmitted && qwenSpaceConnection.isLost;
    try {
      sessionStorage.setItem(DRAFT, JSON.stringify({ text, rows, isSent }));
    } catch {} // the files are more than a browser keeps
  });
  const restore = () => {
    let draft = null;
    try {
      draft = JSON.parse(sessionStorage.getItem(DRAFT));
    } catch {}
    sessionStorage.removeItem(DRAFT);
    if (!draft || box().value) return;
    showRows(draft.rows || []);
    box().value = draft.text || "";
    box().dispatchEvent(new Event("input", { bubbles: true }));
    if (!draft.isSent) return;
    isRestored = true;
    setTimeout(() => document.querySelector("#message .submit-button")?.click());
  };
  document.addEventListener("qwen-space-opened", restore, { once: true });

  window.qwenSpaceQuestion = { pick, send, takeBack };
})();
