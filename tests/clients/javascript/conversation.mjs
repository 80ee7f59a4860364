// What every client says to the gateway's demo backend, and what it must see: as `../python/conversation.py`.
//
// A client is a module with `say(text)`, `stream(text)` (an array of pieces) and `useTool(text)`, all asynchronous.
// OPENAI_BASE_URL, OPENAI_API_KEY and NODE_EXTRA_CA_CERTS say where the gateway is, as they do for any application.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const HELLO = "Hello from the Portcullis demo.";
const SSN = "078-05-1120"; // never issued: it was printed on a specimen card
const HIDDEN = "two\u{E0041}"; // a tag character, which nobody sees
const CONTACT = "help@demo.example";

const CASES = {
  async plain(client) {
    const answer = await client.say("Hello");
    assert.ok(answer.startsWith(HELLO), answer);
  },

  async streamed(client) {
    const pieces = await client.stream("slow, please");
    const words = pieces.join("").trim().split(/\s+/);
    assert.deepEqual(words, Array(8).fill(["one", "word", "after", "another"]).flat());
    assert.ok(pieces.length > 3, "it comes in pieces");
  },

  async tools(client) {
    const answer = await client.useTool("What is the weather in Paris?");
    assert.match(answer, /sunny/);
  },

  async masked(client) {
    const answer = await client.say(`Please repeat: my number is ${SSN}.`);
    assert.equal(answer, "Please repeat: my number is [REDACTED:us_ssn].");
  },

  async maskedStream(client) {
    const answer = (await client.stream("person")).join("");
    assert.ok(!answer.includes(SSN) && answer.includes("[REDACTED:us_ssn]"), answer);
  },

  async refused(client) {
    // Each package has its own error; the sentence must come through.
    const told = (error) => `${error} ${error.code} ${error.responseBody}`;
    await assert.rejects(client.say(HIDDEN), (error) => {
      assert.ok(told(error).includes("content_filter") || told(error).includes(CONTACT), told(error));
      return true;
    });
  },

  // The answer calls a tool that would drop a table. Some packages raise, others show an empty answer.
  async blocked(client) {
    try {
      const answer = await client.say("erase");
      assert.ok(!answer, answer);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.match(`${error.name} ${error}`, /content|model|output/i);
    }
  },
};

const client = await import(pathToFileURL(process.argv[2]));
for (const [name, run] of Object.entries(CASES)) {
  console.log(name);
  await run(client);
}
