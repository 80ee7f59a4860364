"""Coding agents that people run in a terminal, each asked a few things as a script would ask it.

    agents.py AGENT        claude, codex or opencode

OPENAI_BASE_URL, OPENAI_API_KEY and the certificate variables say where the gateway is.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

MODEL = "llama-3.3-70b"
HERE = pathlib.Path(__file__).parent / "node_modules"
BASE_URL, KEY = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
SSN = "078-05-1120"  # never issued: it was printed on a specimen card
HIDDEN = "two\U000e0041"  # a tag character, which nobody sees


def run(folder, command, **environment):
    """What it says, on a machine where it has never been before."""
    env = {"PATH": os.environ["PATH"], "HOME": folder, **environment}
    env |= {name: os.environ[name] for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")}
    done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    return (done.stdout + done.stderr).decode()


def claude(folder, text):
    binary = HERE / "@anthropic-ai/claude-code-linux-x64/claude"
    command = [binary, "-p", text, "--model", MODEL]
    where = {"ANTHROPIC_BASE_URL": BASE_URL.removesuffix("/v1"), "ANTHROPIC_AUTH_TOKEN": KEY}
    return run(folder, command, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", **where)


def codex(folder, text):
    provider = f'model_providers.gateway={{name="gateway",base_url="{BASE_URL}",env_key="GATEWAY_KEY",wire_api="responses"}}'
    # Tools that OpenAI's servers run are refused; so they are switched off.
    without = ["-c", "web_search=disabled"]
    settings = ["-c", "model_provider=gateway", "-c", f"model={MODEL}", "-c", provider, *without]
    return run(folder, ["node", HERE / "@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", *settings, text], GATEWAY_KEY=KEY)


def opencode(folder, text):
    options = {"baseURL": BASE_URL, "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "gateway", "options": options, "models": {MODEL: {"name": MODEL}}}
    (pathlib.Path(folder) / "opencode.json").write_text(json.dumps({"provider": {"gateway": provider}}))
    binary = HERE / "opencode-linux-x64/bin/opencode"
    return run(folder, [binary, "run", "-m", f"gateway/{MODEL}", text], OPENCODE_DISABLE_AUTOUPDATE="1")


def main(name):
    ask = globals()[name]
    for case, text, told, never in [
        ("plain", "Hello", "Hello from the Portcullis demo.", None),
        ("masked", "person", "[REDACTED:us_ssn]", SSN),
        ("tools", "weather in Paris?", "sunny in Paris", None),
        ("refused", HIDDEN, "A content rule does not allow this prompt", None),
        ("blocked", "erase", "", "DROP TABLE"),
    ]:
        print(case, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            said = ask(folder, text)
        assert told in said and (never is None or never not in said), said


if __name__ == "__main__":
    main(*sys.argv[1:])
