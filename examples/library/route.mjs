#!/usr/bin/env node
// Routes recorded dialogues through libqlroute.so: route.mjs libqlroute.so config.json dialogues.jsonl
//
// Prints the lines of `qlroute route --json --config config.json dialogues.jsonl`. Router is all that a program of its
// own needs. Calls C by koffi: npm install --ignore-scripts koffi, here or in NODE_PATH.
import { readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const koffi = createRequire(import.meta.url)("koffi");

const ABI = 0; // QLROUTE_ABI of qlroute.h

/// What the library says is wrong; `status` is one of QLROUTE_BAD_CALL ... of qlroute.h.
export class RouterError extends Error {
    constructor(status, message) {
        super(message);
        this.name = "RouterError";
        this.status = status;
    }
}

/// The router of a configuration file. Requests are the keys of docs/c-api.md; answers are JSON texts.
export class Router {
    #library = {};
    #handle = null;

    constructor(library, path) {
        const loaded = koffi.load(library);
        const abi = loaded.func("int32_t qlroute_abi(void)")();
        if (abi !== ABI) throw new RouterError(0, `${library} has interface ${abi}; expected ${ABI}`);
        const declare = (name, parameters) => {
            this.#library[name] = loaded.func(`int32_t qlroute_${name}(${parameters}, _Out_ void **error)`);
        };
        const request = "const char *request, size_t length";
        declare("load", "const char *path, size_t length, _Out_ void **router");
        for (const name of ["score", "route", "explain"]) declare(name, `void *router, ${request}, _Out_ void **answer`);
        for (const name of ["observe", "answered", "link", "endpoint"]) declare(name, `void *router, ${request}`);
        declare("describe", "void *router, _Out_ void **answer");
        this.#library.free = loaded.func("void qlroute_free(void *router)");
        this.#library.free_text = loaded.func("void qlroute_free_text(void *text)");
        const out = [null];
        this.#check("load", path, Buffer.byteLength(path), out);
        this.#handle = out[0];
    }

    score(request) { return this.#ask("score", request); }
    route(request) { return this.#ask("route", request); }
    explain(request) { return this.#ask("explain", request); }
    observe(request) { this.#tell("observe", request); }
    answered(request) { this.#tell("answered", request); }
    link(request) { this.#tell("link", request); }
    endpoint(request) { this.#tell("endpoint", request); }

    describe() {
        const out = [null];
        this.#check("describe", this.#handle, out);
        return this.#take(out[0]);
    }

    close() {
        const handle = this.#handle;
        this.#handle = null;
        if (handle !== null) this.#library.free(handle);
    }

    #ask(name, request) {
        const text = JSON.stringify(request);
        const out = [null];
        this.#check(name, this.#handle, text, Buffer.byteLength(text), out);
        return this.#take(out[0]);
    }

    #tell(name, request) {
        const text = JSON.stringify(request);
        this.#check(name, this.#handle, text, Buffer.byteLength(text));
    }

    #check(name, ...parameters) {
        const error = [null];
        const status = this.#library[name](...parameters, error);
        if (status !== 0) throw new RouterError(status, this.#take(error[0]));
    }

    #take(text) {
        try {
            return koffi.decode(text, "char", -1);
        } finally {
            this.#library.free_text(text);
        }
    }
}

/// The user's move: a text, or {"text", "edit": k} in the place of their k-th message, with which the rest goes.
function say(messages, turn) {
    if (turn.edit !== undefined) {
        const users = messages.flatMap((each, i) => (each.role === "user" ? [i] : []));
        messages.length = users[turn.edit - 1];
    }
    messages.push({ role: "user", content: turn.text ?? turn });
}

/// Routes dialogues one after another, a turn every turn_interval; yields the program's lines.
export function* decisions(router, dialogues) {
    const configured = JSON.parse(router.describe());
    const places = new Map(configured.endpoints.map((each) => [each.endpoint, each]));
    let now = 0;
    for (const [number, dialogue] of dialogues.entries()) {
        const messages = [];
        for (const [k, turn] of dialogue.turns.entries()) {
            say(messages, turn);
            const asked = { chat: String(number), messages };
            const text = router.route({ ...asked, now_s: now });
            // The numbers as the library wrote them. Inside of a JSON text there is no quote without a backslash.
            const row = text.slice(1, text.indexOf(',"ttft_s":'));
            yield `{"id":${JSON.stringify(String(dialogue.id))},"turn":${k + 1},${row}}`;

            // The reply that was recorded, or as much as is expected; it is there when an answer of that length is.
            let { endpoint, end_to_end_s } = JSON.parse(text);
            const place = places.get(endpoint);
            const recorded = dialogue.assistant_ref?.[k];
            let reply = { tokens: place.reply_ratio * configured.expected_output };
            if (recorded) {
                reply = { content: recorded };
                const output_tokens = place.tokenizer_ratio * Math.ceil(Buffer.byteLength(recorded) / 4);
                ({ end_to_end_s } = JSON.parse(router.route({ ...asked, endpoint, output_tokens, now_s: now })));
            }
            router.answered({ ...asked, endpoint, reply, now_s: now + end_to_end_s });
            messages.push({ role: "assistant", ...reply });
            now += configured.turn_interval_s;
        }
    }
}

function main(library, config, path) {
    const router = new Router(library, config);
    try {
        const lines = readFileSync(path, "utf8").split("\n").filter((each) => each.trim() !== "");
        for (const line of decisions(router, lines.map((each) => JSON.parse(each)))) console.log(line);
    } finally {
        router.close();
    }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
    if (process.argv.length !== 5) {
        console.error("route.mjs libqlroute.so config.json dialogues.jsonl");
        process.exit(1);
    }
    try {
        main(...process.argv.slice(2));
    } catch (why) {
        console.error(`route.mjs: ${why.message}`);
        process.exit(1);
    }
}
