// OpenAI's package, over chat completions.

import OpenAI from "openai";
import { MODEL, SUNNY, WEATHER } from "./gateway.mjs";

const openai = new OpenAI();
const user = (content) => ({ role: "user", content });
const ask = (messages, more = {}) => openai.chat.completions.create({ model: MODEL, messages, ...more });

export const say = async (text) => (await ask([user(text)])).choices[0].message.content;

export async function stream(text) {
  const pieces = [];
  for await (const chunk of await ask([user(text)], { stream: true })) {
    if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
  }
  return pieces;
}

export async function useTool(text) {
  const tools = [{ type: "function", function: WEATHER }];
  const { message } = (await ask([user(text)], { tools })).choices[0];
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: SUNNY };
  return (await ask([user(text), message, result], { tools })).choices[0].message.content;
}
