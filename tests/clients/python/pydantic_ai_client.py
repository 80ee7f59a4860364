"""Pydantic AI's `OpenAIChatModel`."""

import asyncio

from conversation import MODEL, SUNNY
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

# Its HTTP client stays with the loop that it was first used in.
wait_for = asyncio.new_event_loop().run_until_complete
agent = Agent(OpenAIChatModel(MODEL), system_prompt="Be brief.")
able = Agent(OpenAIChatModel(MODEL), system_prompt="Be brief.")


@able.tool_plain
def get_weather(city: str) -> str:
    """The weather in a city"""
    assert city == "Paris", city
    return SUNNY


def say(text):
    return wait_for(agent.run(text)).output


def stream(text):
    async def pieces():
        async with agent.run_stream(text) as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    return wait_for(pieces())


def use_tool(text):
    return wait_for(able.run(text)).output
