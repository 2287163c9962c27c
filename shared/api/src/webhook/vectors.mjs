// Writes vectors.json: messages signed by the npm package `standardwebhooks` 1.1.1 (`Webhook.sign`), which the tests of
// this crate compare with its own signatures. Deterministic: the same package writes the same bytes.
// In an empty folder with a copy of this file:
//     npm install --no-save standardwebhooks@1.1.1 && node vectors.mjs > vectors.json

import { createHash } from "node:crypto";
import { Webhook } from "standardwebhooks";

/** 64 bytes that depend on nothing but the name. */
const bytes = (name) => createHash("sha512").update(`mealticket webhook vectors: ${name}`).digest();

/** A whole number below `end`, which is at most 2^48. */
const below = (end, name) => bytes(name).readUIntBE(0, 6) % end;

const SECRET_BYTES = [24, 32, 64];
const ID_LENGTHS = [1, 8, 30, 64];
/** First and last second, by length; those of nine and ten digits are of the years 2000 to 2099. */
const TIMESTAMPS = [
    [1_000_000_000, 4_102_444_799],
    [1, 9],
    [10, 99],
    [10_000, 99_999],
    [946_684_800, 999_999_999],
    [1_000_000_000, 4_102_444_799],
    [10_000_000_000, 99_999_999_999],
];
const LONG = `{"lines":["${"券到付款 coupon 🎫 ".repeat(400)}"]}`;
const BODIES = [
    () => "",
    (n) => `{"type":"coupon.redeemed","data":{"coupon_id":"cpn_${n}","amount_fen":${below(100_000, `amount ${n}`)}}}`,
    (n) => `{"类型":"核销","门店":"静安寺店","备注":"第${n}张,满二十减五元"}`,
    (n) => `🎫🧋 ${n} 👩‍👩‍👧 🇨🇳 \u00e9 e\u0301`,
    (n) => `{\n  "n": ${n},\r\n\t"text": "one\\ntwo"\n}\n\n`,
    (n) => `"" ' \\" \\\\ \` “${n}” ‘’ « »`,
    (n) => ` ${n} \u0000\u0001\u007f\u0080\u2028\u2029\ufeff\uffff\u{10ffff}.. `,
    (n) => bytes(`body ${n}`).toString("base64").repeat((n % 4) + 1),
];
const LONG_AT = [17, 31];

const vectors = [];
for (let n = 0; n < 40; n += 1) {
    const secret = `whsec_${bytes(`secret ${n}`).subarray(0, SECRET_BYTES[n % 3]).toString("base64")}`;
    const id = bytes(`id ${n}`).toString("base64url").slice(0, ID_LENGTHS[Math.floor(n / 3) % 4]);
    const [first, last] = TIMESTAMPS[n % 7];
    const timestamp = first + below(last - first + 1, `timestamp ${n}`);
    const body = LONG_AT.includes(n) ? LONG : BODIES[n % 8](n);
    const signature = new Webhook(secret).sign(id, new Date(timestamp * 1000), body);
    vectors.push({ secret, id, timestamp, body, signature });
}
console.log(JSON.stringify(vectors, null, 2));
