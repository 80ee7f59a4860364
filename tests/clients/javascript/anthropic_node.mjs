// Anthropic's package.

import Anthropic from "@anthropic-ai/sdk";
import { BASE_URL, KEY, MODEL, SUNNY, WEATHER } from "./gateway.mjs";

const anthropic = new Anthropic({ baseURL: BASE_URL.replace(/\/v1$/, ""), apiKey: KEY });
const user = (content) => ({ role: "user", content });
const asking = (messages, more = {}) => ({ model: MODEL, max_tokens: 64, messages, ...more });
const text = (message) => message.content.map((block) => block.text ?? "").join("");

export const say = async (asked) => text(await anthropic.messages.create(asking([user(asked)])));

export async function stream(asked) {
  const pieces = [];
  const events = anthropic.messages.stream(asking([user(asked)])).on("text", (piece) => pieces.push(piece));
  await events.finalMessage();
  return pieces;
}

export async function useTool(asked) {
  const { name, description, parameters } = WEATHER;
  const tools = [{ name, description, input_schema: parameters }];
  const { content } = await anthropic.messages.create(asking([user(asked)], { tools }));
  const result = { type: "tool_result", tool_use_id: content[0].id, content: SUNNY };
  const messages = [user(asked), { role: "assistant", content }, user([result])];
  return text(await anthropic.messages.create(asking(messages, { tools })));
}
