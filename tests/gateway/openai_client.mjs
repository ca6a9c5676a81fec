// The official OpenAI client, unchanged, against the gateway: openai_client.mjs BASE_URL. The stub upstream behind it
// answers as the last message says (stub_upstream.py).
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(import.meta.url)("openai");
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-of-the-client", maxRetries: 0, timeout: 20_000 });
const said = (text) => [{ role: "user", content: text }];
const words = (n) => Array.from({ length: n }, (_, i) => `w${i} \u00e4\u20ac`).join(" ");

// A whole answer, and the gateway's own headers.
{
    const { data, response } = await client.chat.completions
        .create({ model: "auto", messages: said("say 4") }).withResponse();
    assert.equal(data.choices[0].message.content, "w0 w1 w2 w3");
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(data.usage.completion_tokens, 4);
    assert.ok(["device", "edge"].includes(response.headers.get("x-qlroute-endpoint")));
    assert.ok(Number(response.headers.get("x-qlroute-cost")) > 0);
}

// A stream, with and without usage.
for (const usage of [false, true]) {
    const stream = await client.chat.completions.create({
        model: "auto", messages: said("say 5 odd"), stream: true,
        ...(usage ? { stream_options: { include_usage: true } } : {}),
    });
    let text = "", end = null, told = null;
    for await (const chunk of stream) {
        if (!usage) assert.equal(chunk.choices.length, 1);
        text += chunk.choices[0]?.delta?.content ?? "";
        end = chunk.choices[0]?.finish_reason ?? end;
        told = chunk.usage ?? told;
    }
    assert.equal(text, words(5));
    assert.equal(end, "stop");
    if (usage) assert.equal(told.completion_tokens, 5);
    else assert.equal(told, null);
}

// Tools go through, whole and streamed.
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: { at: { type: "string" } } } } }];
{
    const whole = await client.chat.completions.create({ model: "auto", messages: said("call"), tools });
    assert.deepEqual(JSON.parse(whole.choices[0].message.tool_calls[0].function.arguments), { at: "moon" });
    const runner = client.chat.completions.stream({ model: "auto", messages: said("call"), tools });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.name, "look");
    assert.deepEqual(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments), { at: "moon" });
    const then = await client.chat.completions.create({
        model: "auto", tools,
        messages: [...said("call"), final.choices[0].message, { role: "tool", tool_call_id: "call_1", content: "say 2" }],
    });
    assert.equal(then.choices[0].message.content, "w0 w1");
}

// Errors are the client's own classes.
await assert.rejects(client.chat.completions.create({ model: "auto", messages: [] }), (e) => {
    assert.ok(e instanceof OpenAI.BadRequestError);
    assert.equal(e.code, "invalid_request");
    assert.match(e.message, /messages: expected a list of at least one message/);
    return true;
});
await assert.rejects(client.chat.completions.create({ model: "auto", messages: said("status 404") }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model: "auto", messages: said("status 429") }), OpenAI.RateLimitError);
await assert.rejects(client.chat.completions.create({ model: "auto", messages: said("status 500") }), OpenAI.InternalServerError);

// A stream that fails after its first token throws: nothing is taken for a whole answer.
await assert.rejects(async () => {
    const stream = await client.chat.completions.create({ model: "auto", messages: said("say 6 cut"), stream: true });
    for await (const _ of stream);
});

// A client that leaves, and comes back.
{
    const stream = await client.chat.completions.create({ model: "auto", messages: said("say 50 gap 0.05"), stream: true });
    for await (const _ of stream) break;
    const after = await client.chat.completions.create({ model: "auto", messages: said("say 1") });
    assert.equal(after.choices[0].message.content, "w0");
}

const models = await client.models.list();
assert.ok(models.data.some((m) => m.id === "auto"));
console.log("the client works unchanged");
