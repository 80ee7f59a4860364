"""The model of Hugging Face's smolagents."""

import os

from conversation import MODEL, SUNNY
from smolagents import OpenAIModel, tool

model = OpenAIModel(model_id=MODEL, api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])


@tool
def get_weather(city: str) -> str:
    """The weather in a city

    Args:
        city: where
    """
    return SUNNY


def user(text):
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def say(text):
    return model.generate([user(text)]).content


def stream(text):
    return [delta.content for delta in model.generate_stream([user(text)]) if delta.content]


def use_tool(text):
    called = model.generate([user(text)], tools_to_call_from=[get_weather])
    (call,) = called.tool_calls
    assert "Paris" in str(call.function.arguments), call
    # It tells its model of results as of things said.
    said = {"role": "tool-call", "content": [{"type": "text", "text": str(call.function)}]}
    result = {"role": "tool-response", "content": [{"type": "text", "text": f"Observation: {SUNNY}; repeat"}]}
    return model.generate([user(text), said, result], tools_to_call_from=[get_weather]).content
