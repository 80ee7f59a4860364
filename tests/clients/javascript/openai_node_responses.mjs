// OpenAI's package, over Responses.

import OpenAI from "openai";
import { MODEL, SUNNY, WEATHER } from "./gateway.mjs";

const openai = new OpenAI();
const ask = (input, more = {}) => openai.responses.create({ model: MODEL, input, store: false, ...more });

export const say = async (text) => (await ask(text)).output_text;

export async function stream(text) {
  const pieces = [];
  for await (const event of await ask(text, { stream: true })) {
    if (event.type === "response.output_text.delta") pieces.push(event.delta);
  }
  return pieces;
}

export async function useTool(text) {
  const tools = [{ type: "function", strict: true, ...WEATHER }];
  const asked = [{ role: "user", content: text }];
  const { output } = await ask(asked, { tools });
  const result = { type: "function_call_output", call_id: output[0].call_id, output: SUNNY };
  return (await ask([...asked, ...output, result], { tools })).output_text;
}
