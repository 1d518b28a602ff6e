// Asks the server at BASE_URL as a program of LangChain.js does; prints JSON.
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const configuration = { baseURL: process.env.BASE_URL };
const model = new ChatOpenAI({ model: "qwen-2.5", apiKey: "sk-1", maxRetries: 0, configuration });
const add = tool(async ({ a }) => a, {
  name: "add",
  description: "Add.",
  schema: z.object({ a: z.number() }),
});

const ways = {
  async chat() {
    let text = "";
    for await (const chunk of await model.stream("Hi")) text += chunk.content;
    return [(await model.invoke("Hi")).content, text];
  },
  async tool() {
    return (await model.bindTools([add]).invoke("Hi")).tool_calls[0].name;
  },
  async object() {
    const schema = z.object({ name: z.string() });
    return await model.withStructuredOutput(schema, { name: "Person" }).invoke("Who?");
  },
};

console.log(JSON.stringify(await ways[process.argv[2]]()));
