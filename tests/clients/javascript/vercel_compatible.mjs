// The Vercel AI SDK, over chat completions.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { BASE_URL, KEY, MODEL } from "./gateway.mjs";
import { clientOf } from "./vercel.mjs";

const provider = createOpenAICompatible({ name: "portcullis", baseURL: BASE_URL, apiKey: KEY, includeUsage: true });
export const { say, stream, useTool } = clientOf(provider(MODEL));
