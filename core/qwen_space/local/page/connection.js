// Watches the requests of a reply. Gradio loads the page anew once a lost server answers again; it
// does not notice a stream that falls silent, one that a proxy ends in its server's place, nor a
// proxy's own answer to a question, which are made losses of the connection here.
(() => {
  if (window.qwenSpaceConnection) return;
  const connection = (window.qwenSpaceConnection = { isLost: false });
  const TICK = 10_000; // ms
  const SILENCE = 6; // ticks, as those stand still while a laptop sleeps; a heartbeat comes every 15 s
  const ask = window.fetch.bind(window);

  const lose = (error) => {
    connection.isLost ||= error.name !== "AbortError"; // by which Gradio closes a stream
    return error;
  };
  const watch = (body) => {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let end = "";
    let silent = 0;
    let timer = 0;
    const start = (controller) => {
      timer = setInterval(() => {
        silent += 1;
        if (silent < SILENCE) return;
        clearInterval(timer);
        controller.error(lose(new TypeError("The server is silent.")));
        reader.cancel();
      }, TICK);
    };
    const pull = async (controller) => {
      try {
        const { done, value } = await reader.read();
        silent = 0;
        end = (end + decoder.decode(value, { stream: true })).slice(-200);
        if (!done) return controller.enqueue(value);
        if (!end.includes("close_stream")) throw new TypeError("The stream ended too early.");
        controller.close();
      } catch (error) {
        controller.error(lose(error));
      }
      clearInterval(timer);
    };
    const cancel = (reason) => {
      clearInterval(timer);
      return reader.cancel(reason);
    };
    return new ReadableStream({ start, pull, cancel });
  };

  window.fetch = async (input, init) => {
    const { pathname } = new URL(input.url ?? input, location.href);
    const [part] = pathname.match(/\/(queue\/join|queue\/data|app_id)$/) || [];
    if (part === "/app_id") connection.isLost = true; // Gradio asks for it then only
    if (!part || part === "/app_id") return ask(input, init);
    const response = await ask(input, init).catch((error) => {
      throw lose(error);
    });
    const isJson = response.headers.get("content-type")?.includes("json");
    if ([502, 503, 504].includes(response.status) && !isJson) {
      throw lose(new TypeError(`A proxy answers ${response.status}.`));
    }
    if (part !== "/queue/data" || !response.ok) return response;
    const { status, headers } = response;
    return new Response(watch(response.body), { status, headers });
  };
})();
