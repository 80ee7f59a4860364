"""LiteLLM as a package, over Anthropic's messages."""

import os

import litellm_client as over_chat
from conversation import MODEL
from litellm_client import say, stream, use_tool

over_chat.WHERE = {
    "model": f"anthropic/{MODEL}",
    "api_base": os.environ["OPENAI_BASE_URL"].removesuffix("/v1"),
    "api_key": os.environ["OPENAI_API_KEY"],
}

__all__ = ["say", "stream", "use_tool"]
