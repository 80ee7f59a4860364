"""LlamaIndex's `OpenAILike`."""

import os

from conversation import MODEL, SUNNY
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model=MODEL,
    api_base=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    is_chat_model=True,
    is_function_calling_model=True,
)


def get_weather(city: str) -> str:
    """The weather in a city"""
    return SUNNY


def say(text):
    return llm.chat([ChatMessage(role="user", content=text)]).message.content


def stream(text):
    return [part.delta for part in llm.stream_chat([ChatMessage(role="user", content=text)]) if part.delta]


def use_tool(text):
    weather = FunctionTool.from_defaults(get_weather)
    asked = [ChatMessage(role="user", content=text)]
    answer = llm.chat_with_tools([weather], chat_history=asked)
    (call,) = llm.get_tool_calls_from_response(answer)
    assert call.tool_kwargs == {"city": "Paris"}, call
    result = ChatMessage(role="tool", content=str(weather(**call.tool_kwargs)), additional_kwargs={"tool_call_id": call.tool_id})
    return llm.chat_with_tools([weather], chat_history=[*asked, answer.message, result]).message.content
