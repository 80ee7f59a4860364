// The Vercel AI SDK, over Responses.

import { createOpenAI } from "@ai-sdk/openai";
import { BASE_URL, KEY, MODEL } from "./gateway.mjs";
import { clientOf } from "./vercel.mjs";

export const { say, stream, useTool } = clientOf(createOpenAI({ baseURL: BASE_URL, apiKey: KEY })(MODEL));
