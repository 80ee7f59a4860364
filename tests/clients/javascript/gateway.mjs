// Where the gateway is, and what all clients know.
//
// OPENAI_BASE_URL, OPENAI_API_KEY and NODE_EXTRA_CA_CERTS say it, as they do for any application.

export const MODEL = "llama-3.3-70b";
export const SUNNY = "sunny, 21 degrees"; // what `get_weather` says
export const BASE_URL = process.env.OPENAI_BASE_URL;
export const KEY = process.env.OPENAI_API_KEY;
export const WEATHER = {
  name: "get_weather",
  description: "The weather in a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
