// Verifies a webhook from Mealticket: Standard Webhooks, signature v1, HMAC-SHA256 over "{id}.{timestamp}.{body}".
// Copy `verify` and what it uses. Call it before the body is parsed, and answer 400 if it refuses.
// Remember each id: a message may come more than once, always under the same id. Act on it once, and answer
// 200 again.
// Run as a program, it reads samples from standard input and prints "ok" or "refused" for each: see `main`.
// Node 18 or newer, no packages.

import { createHmac, timingSafeEqual } from "node:crypto";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TOLERANCE_SECONDS = 300;
const SIGNATURES_MAX = 8;

/** Base64, strictly. Buffer.from skips what it cannot read, so the result is written again and compared. */
function decode(text) {
    const data = Buffer.from(text, "base64");
    if (data.toString("base64") !== text) throw new Error("not base64");
    return data;
}

/** The key is what the base64 after `whsec_` stands for, not the text of the secret. */
function keyOf(secret) {
    if (!secret.startsWith("whsec_")) throw new Error("not a secret");
    const key = decode(secret.slice("whsec_".length));
    if (key.length < 24 || key.length > 64) throw new Error("not a secret");
    return key;
}

/** Constant time: `===` stops at the first character that differs, and how long it took tells where that was. */
function equal(a, b) {
    return a.length === b.length && timingSafeEqual(a, b); // timingSafeEqual throws if the lengths differ.
}

/**
 * Returns nothing if the message is genuine and recent, else throws an Error. Its text is for your log; do not tell it
 * to the sender.
 *
 * `secrets`: an array, usually of one; the old and the new one while you change secrets. A malformed one refuses all.
 * `id`, `timestamp`, `signatures`: the headers webhook-id, webhook-timestamp and webhook-signature, or undefined.
 * `body`: a Buffer with the bytes exactly as they came (Express: express.raw({ type: () => true }) on this route, not
 * express.json()). JSON that was parsed and written again has other bytes, and another signature.
 * `now`: Math.floor(Date.now() / 1000), seconds and not milliseconds.
 */
export function verify(secrets, id, timestamp, signatures, body, now) {
    if (!(body instanceof Uint8Array)) throw new TypeError("the body must be the raw bytes");
    const keys = secrets.map(keyOf);
    if (!id || !timestamp || !signatures) throw new Error("a header is missing");
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw new Error("the id is malformed");
    if (!/^[1-9][0-9]{0,10}$/.test(timestamp)) throw new Error("the timestamp is malformed");
    // Both ways: a message that was recorded must not be of use later, and one from the future is as wrong.
    // Written with `!` so that a `now` that is not a number refuses.
    if (!(Math.abs(now - Number(timestamp)) <= TOLERANCE_SECONDS)) {
        throw new Error("the timestamp is too far from now: is your clock right?");
    }
    const given = signatures.split(" ");
    if (given.length > SIGNATURES_MAX) throw new Error("there are too many signatures");
    let found = false;
    for (const key of keys) {
        const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
        const expected = Buffer.from(`v1,${mac}`);
        // Signatures of another version, such as v1a, never equal ours, which begins with "v1,".
        for (const signature of given) found = equal(Buffer.from(signature), expected) || found;
    }
    if (!found) throw new Error("no signature matches");
}

/** Per line, separated by tabs: secrets (separated by commas), now, id, timestamp, signatures, body in base64. */
async function main() {
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString().split("\n");
    if (lines.at(-1) === "") lines.pop();
    for (const line of lines) {
        try {
            const fields = line.split("\t");
            if (fields.length !== 6 || !/^-?[0-9]{1,15}$/.test(fields[1])) throw new Error("not a sample");
            const [secrets, now, id, timestamp, signatures, body] = fields;
            verify(secrets.split(","), id, timestamp, signatures, decode(body), Number(now));
            console.log("ok");
        } catch {
            console.log("refused");
        }
    }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
