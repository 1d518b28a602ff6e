// The rows of a chat, as Gradio has them. A row of a person is a text, or one of its files.
(() => {
  // Tags are escaped, as the rows are Markdown.
  const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&amp;/g, "&");
  const textOf = (content) =>
    typeof content === "string" ? content : (content || []).map((part) => part.text || "").join("");
  const fileOf = (row) => [row.content].flat().find((part) => part?.type === "file")?.file;
  const isFile = (row) => row.role === "user" && Boolean(row.metadata?.title || fileOf(row));
  const nameOf = (row) => unescape(row.metadata?.title || "") || fileOf(row)?.orig_name || "A file";
  const titleOf = (rows) => {
    const texts = rows.filter((row) => row.role === "user" && !isFile(row));
    const question = unescape(textOf(texts.find((row) => textOf(row.content).trim())?.content));
    const title = question || nameOf(rows.find(isFile) || {});
    return title.trim().replace(/\s+/g, " ").slice(0, 80) || "A chat";
  };
  window.qwenSpaceRows = { fileOf, isFile, nameOf, titleOf, unescape };
})();
