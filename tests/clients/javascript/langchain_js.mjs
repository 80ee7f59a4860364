// LangChain's `ChatOpenAI`.

import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { BASE_URL, MODEL, SUNNY, WEATHER } from "./gateway.mjs";

const chat = new ChatOpenAI({ model: MODEL, configuration: { baseURL: BASE_URL } });

export const say = async (text) => (await chat.invoke(text)).content;

export async function stream(text) {
  const pieces = [];
  for await (const chunk of await chat.stream(text)) if (chunk.content) pieces.push(chunk.content);
  return pieces;
}

export async function useTool(text) {
  const able = chat.bindTools([{ type: "function", function: WEATHER }]);
  const asked = new HumanMessage(text);
  const called = await able.invoke([asked]);
  const result = new ToolMessage({ content: SUNNY, tool_call_id: called.tool_calls[0].id });
  return (await able.invoke([asked, called, result])).content;
}
