"""LiteLLM as a package, over chat completions."""

import json
import os

import litellm
from conversation import MODEL, SUNNY

WHERE = {"model": f"openai/{MODEL}", "api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(messages, **more):
    return litellm.completion(messages=messages, **WHERE, **more)


def user(text):
    return {"role": "user", "content": text}


def say(text):
    return ask([user(text)]).choices[0].message.content


def stream(text):
    return [chunk.choices[0].delta.content for chunk in ask([user(text)], stream=True) if chunk.choices[0].delta.content]


def use_tool(text):
    called = ask([user(text)], tools=[WEATHER]).choices[0].message
    (call,) = called.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}, call
    result = {"role": "tool", "tool_call_id": call.id, "content": SUNNY}
    return ask([user(text), called, result], tools=[WEATHER]).choices[0].message.content
