// The Vercel AI SDK, over Anthropic's messages.

import { createAnthropic } from "@ai-sdk/anthropic";
import { BASE_URL, KEY, MODEL } from "./gateway.mjs";
import { clientOf } from "./vercel.mjs";

export const { say, stream, useTool } = clientOf(createAnthropic({ baseURL: BASE_URL, apiKey: KEY })(MODEL));
