// The Vercel AI SDK with a model of any provider.

import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { SUNNY, WEATHER } from "./gateway.mjs";

const weather = tool({
  description: WEATHER.description,
  inputSchema: jsonSchema(WEATHER.parameters),
  execute: async ({ city }) => `${SUNNY} in ${city}`,
});

export const clientOf = (model) => ({
  say: async (prompt) => (await generateText({ model, prompt })).text,

  stream: async (prompt) => {
    const pieces = [];
    for await (const piece of streamText({ model, prompt }).textStream) pieces.push(piece);
    return pieces;
  },

  useTool: async (prompt) => {
    const tools = { get_weather: weather };
    return (await generateText({ model, prompt, tools, stopWhen: stepCountIs(3) })).text;
  },
});
