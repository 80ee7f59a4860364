// OpenAI's Agents SDK, over Responses.

import { Agent, run, setTracingDisabled, tool } from "@openai/agents";
import { MODEL, SUNNY, WEATHER } from "./gateway.mjs";

setTracingDisabled(true);
const weather = tool({ ...WEATHER, strict: true, execute: async () => SUNNY });
const agent = new Agent({ name: "clerk", instructions: "Be brief.", model: MODEL });
const able = new Agent({ name: "clerk", instructions: "Be brief.", model: MODEL, tools: [weather] });

export const say = async (text) => (await run(agent, text)).finalOutput;

export async function stream(text) {
  const result = await run(agent, text, { stream: true });
  const pieces = [];
  for await (const piece of result.toTextStream()) pieces.push(piece);
  await result.completed;
  return pieces;
}

export const useTool = async (text) => (await run(able, text)).finalOutput;
