"""What every client says to the gateway's demo backend, and what it must see.

A client is a module with these functions; `say`, `stream` and `use_tool` raise what the client's own package raises.

    say(text) -> str              the answer's text
    stream(text) -> list[str]     its pieces
    use_tool(text) -> str         the answer after `get_weather(city)` has answered

OPENAI_BASE_URL, OPENAI_API_KEY and SSL_CERT_FILE say where the gateway is, as they do for any application.
"""

import importlib
import sys

MODEL = "llama-3.3-70b"
SUNNY = "sunny, 21 degrees"  # what `get_weather` says
HELLO = "Hello from the Portcullis demo."
SSN = "078-05-1120"  # never issued: it was printed on a specimen card
HIDDEN = "two\U000e0041"  # a tag character, which nobody sees
CONTACT = "help@demo.example"


def plain(client):
    assert client.say("Hello").startswith(HELLO)


def streamed(client):
    pieces = client.stream("slow, please")
    assert "".join(pieces).split() == ["one", "word", "after", "another"] * 8, pieces
    assert len(pieces) > 3, "it comes in pieces"


def tools(client):
    answer = client.use_tool("What is the weather in Paris?")
    assert "sunny" in answer, answer


def masked(client):
    answer = client.say(f"Please repeat: my number is {SSN}.")
    assert answer == "Please repeat: my number is [REDACTED:us_ssn].", answer


def masked_stream(client):
    answer = "".join(client.stream("person"))
    assert SSN not in answer and "[REDACTED:us_ssn]" in answer, answer


def refused(client):
    try:
        answer = client.say(HIDDEN)
    except Exception as error:  # each package has its own
        told = f"{type(error).__name__}: {error}"
        assert "content_filter" in told or CONTACT in told, told
    else:
        raise AssertionError(f"it was answered: {answer}")


def blocked(client):
    """The answer calls a tool that would drop a table. Some packages raise, others show an empty answer."""
    try:
        answer = client.say("erase")
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        assert "content" in told.lower(), told
    else:
        assert not answer, answer


CASES = [plain, streamed, tools, masked, masked_stream, refused, blocked]


def main(name):
    client = importlib.import_module(name)
    for case in CASES:
        print(case.__name__, flush=True)
        case(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
