"""OpenAI's Agents SDK, over chat completions."""

from agents import set_default_openai_api
from openai_agents_client import say, stream, use_tool

set_default_openai_api("chat_completions")

__all__ = ["say", "stream", "use_tool"]
