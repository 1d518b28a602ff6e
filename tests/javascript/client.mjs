// Asks the server at BASE_URL as a program of OpenAI's JavaScript client does; prints JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-1", maxRetries: 0 });
const model = "qwen-2.5";
const messages = [{ role: "user", content: "Hi" }];
const tools = [
  {
    type: "function",
    function: {
      name: "add",
      parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
    },
  },
];

const ways = {
  async chat() {
    const reply = await client.chat.completions.create({ model, messages });
    return { text: reply.choices[0].message.content, tokens: reply.usage.total_tokens };
  },
  async stream() {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    const pieces = [];
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta?.content ?? "");
    return { text: pieces.join(""), pieces: pieces.length };
  },
  async tool() {
    const stream = client.chat.completions.stream({ model, messages, tools });
    const reply = await stream.finalChatCompletion();
    const call = reply.choices[0].message.tool_calls[0];
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
  },
  async leave() {
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    return {};
  },
  async error() {
    try {
      await client.chat.completions.create({ model: "gpt-4o", messages });
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code };
    }
  },
  async models() {
    const names = [];
    for await (const each of client.models.list()) names.push(each.id);
    return { names };
  },
};

console.log(JSON.stringify(await ways[process.argv[2]]()));
