#!/usr/bin/env bash
# Runs the clients that applications use against a gateway with the demo backend, and then verifies its log.
#   scripts/test-clients.sh [--record] [CLIENT ...]
# With --record, what each client sent is put into tests/clients/recorded/, where the tests replay it.
set -euo pipefail
cd "$(dirname "$0")/.."

record=
if [ "${1:-}" = --record ]; then record=yes; shift; fi
clients=$PWD/tests/clients venvs=$PWD/.portcullis/clients
portcullis=$PWD/target/release/portcullis
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

"$portcullis" demo --eject "$work/gateway" >/dev/null
cd "$work/gateway"
sed -i -e 's/:8443"/:0"/' -e 's/:9443"/:0"/' portcullis.toml
# What agents tell their model to do reads like an attack to the first classifier, one variant in some.
sed -i s/civ-standard/civ-agent/ policies/tenants/demo-benefits/{rules.csv,tests.toml}
OPENAI_API_KEY=$("$portcullis" keys new svc:benefits-app --config portcullis.toml 2>/dev/null)
"$portcullis" serve --config portcullis.toml 2>"$work/serve.log" &
gateway=$!
port_of() { sed -nE "s/.*$1\",\"address\":\"127\.0\.0\.1:([0-9]+)\".*/\1/p" "$work/serve.log"; }
until [ -n "$(port_of 'over TLS')" ]; do
  kill -0 $gateway 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
  sleep 0.1
done

mkdir "$work/recorded"
echo none >"$work/recorded/now"
python3 "$clients/recorder.py" "$(port_of 'over TLS')" certs/ca.pem certs/server.pem certs/server.key \
  "$work/recorded" >"$work/port" &
until [ -s "$work/port" ]; do sleep 0.1; done

OPENAI_BASE_URL=https://localhost:$(cat "$work/port")/v1
export OPENAI_BASE_URL OPENAI_API_KEY SSL_CERT_FILE=$PWD/certs/ca.pem NODE_EXTRA_CA_CERTS=$PWD/certs/ca.pem
export PYTHONDONTWRITEBYTECODE=1 LITELLM_LOCAL_MODEL_COST_MAP=true

failed=0
# NAME COMMAND...: one client's conversation, in a line.
client() {
  local name=$1 status=0 begun=$SECONDS; shift
  if [ -n "$wanted" ] && ! grep -qx "$name" <<<"$wanted"; then return; fi
  echo "$name" >"$work/recorded/now"
  timeout 120 "$@" >"$work/$name.out" 2>&1 || status=$?
  local requests=0
  if [ -e "$work/recorded/$name.jsonl" ]; then requests=$(wc -l <"$work/recorded/$name.jsonl"); fi
  if [ $status -eq 0 ]; then
    printf 'passed  %-26s %3d requests  %3d s\n' "$name" "$requests" $((SECONDS - begun))
    if [ -n "$record" ]; then
      mkdir -p "$clients/recorded"
      python3 "$clients/shorten.py" <"$work/recorded/$name.jsonl" >"$clients/recorded/$name.jsonl"
    fi
  else
    failed=$((failed + 1))
    printf 'FAILED  %-26s with status %d; the end of what it said:\n' "$name" $status
    tail -n 15 "$work/$name.out" | sed 's/^/        /'
  fi
}

wanted=$(printf '%s\n' "$@" | sed '/^$/d')
in_python() { client "$1" "$venvs/$2/bin/python" "$clients/python/conversation.py" "$1"; }
in_node() { client "$1" node "$clients/javascript/conversation.mjs" "$clients/javascript/$1.mjs"; }
in_terminal() { client "$1" python3 "$clients/agents/agents.py" "$1"; }

for name in langchain_openai_client openai_agents_client openai_agents_chat_client pydantic_ai_client smolagents_client \
  litellm_client litellm_messages_client; do
  in_python $name python
done
in_python llama_index_client llama-index # it wants another version of the openai package
for name in openai_node openai_node_responses anthropic_node vercel_compatible vercel_openai vercel_anthropic openai_agents_js \
  langchain_js; do
  in_node $name
done

for name in claude codex opencode; do
  in_terminal $name
done

kill $gateway
wait $gateway
"$portcullis" audit verify log/*/ >"$work/verified" || { cat "$work/verified" >&2; exit 1; }
grep -m 1 outcomes "$work/verified"
[ $failed -eq 0 ] || { echo "$failed clients failed" >&2; exit 1; }
