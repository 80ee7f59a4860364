"""OpenAI's Agents SDK, over Responses."""

import asyncio

from agents import Agent, Runner, function_tool, set_tracing_disabled
from conversation import MODEL, SUNNY

set_tracing_disabled(True)
agent = Agent(name="clerk", instructions="Be brief.", model=MODEL)
# Its HTTP client stays with the loop that it was first used in.
wait_for = asyncio.new_event_loop().run_until_complete


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city"""
    assert city == "Paris", city
    return SUNNY


def say(text):
    return wait_for(Runner.run(agent, text)).final_output


def stream(text):
    async def pieces():
        events = Runner.run_streamed(agent, text).stream_events()
        raw = [event.data async for event in events if event.type == "raw_response_event"]
        return [event.delta for event in raw if event.type == "response.output_text.delta"]

    return wait_for(pieces())


def use_tool(text):
    return wait_for(Runner.run(agent.clone(tools=[get_weather]), text)).final_output
