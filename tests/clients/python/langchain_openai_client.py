"""LangChain's `ChatOpenAI`."""

from conversation import MODEL, SUNNY
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

chat = ChatOpenAI(model=MODEL)


@tool
def get_weather(city: str) -> str:
    """The weather in a city"""
    return SUNNY


def say(text):
    return chat.invoke(text).content


def stream(text):
    return [chunk.content for chunk in chat.stream(text) if chunk.content]


def use_tool(text):
    able = chat.bind_tools([get_weather])
    asked = [HumanMessage(text)]
    called = able.invoke(asked)
    (call,) = called.tool_calls
    assert call["args"] == {"city": "Paris"}, call
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    return able.invoke([*asked, called, result]).content
