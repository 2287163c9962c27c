// What an app and a till do, with types that a generator made from `infra/openapi.yaml`: claim, validate, hold and
// redeem.
//
// `run.py` generates `schema.d.ts`, checks this file with `tsc --strict`, and runs it.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, operations, paths } from "./schema";

type Schemas = components["schemas"];

const AMOUNT_FEN = 2_500; // more than the campaign's minimum
const TOO_LITTLE_FEN = 100; // less than the campaign's minimum

/** `true` for a type that says something. `never` for `any` and `unknown`, to which `true` cannot be assigned. */
type Says<T> = unknown extends T ? never : true;
type Body<Name extends "validate_code" | "hold_code" | "redeem_code"> =
    operations[Name]["requestBody"]["content"]["application/json"];

const typesAreThere: [
    Says<Body<"validate_code">>,
    Says<Body<"hold_code">>,
    Says<Body<"redeem_code">>,
    Says<operations["validate_code"]["responses"][200]["content"]["application/json"]>,
    Says<operations["hold_code"]["responses"][201]["content"]["application/json"]>,
    Says<operations["redeem_code"]["responses"][201]["content"]["application/json"]>,
    Says<operations["coupon_redeemed"]["requestBody"]["content"]["application/json"]["data"]>,
] = [true, true, true, true, true, true, true];

// A variant names its store in one way. If a body has lost its type, these lines are no errors, and tsc refuses the
// comments.
const order: Schemas["Order"] = { order_no: `TS-${newKey()}`, amount_fen: AMOUNT_FEN };
// @ts-expect-error
const storeIsMissing: Body<"redeem_code"> = { code: "", order };
// @ts-expect-error
const orderIsMissing: Body<"validate_code"> = { code: "", store_id: "" };
// @ts-expect-error
const codeIsMissing: Body<"hold_code"> = { store_no: "", order };

function environment(name: string): string {
    const value = process.env[name];
    return value ?? fail(`${name} is not set`);
}

function newKey(): string {
    return crypto.randomUUID();
}

function fail(what: unknown): never {
    console.error("typescript: not as it should be:", what);
    process.exit(1);
}

function check(holds: boolean, what: unknown): void {
    if (!holds) fail(what);
}

function clientOf(token: string) {
    const authorize: Middleware = {
        onRequest({ request }) {
            request.headers.set("authorization", `Bearer ${token}`);
        },
    };
    const client = createClient<paths>({ baseUrl: environment("MEALTICKET_API") });
    client.use(authorize);
    return client;
}

/** How much the benefit takes off an order. `kind` shows the compiler which benefit it is. */
function expectedDiscount(benefit: Schemas["Benefit"], amountFen: number): number {
    switch (benefit.kind) {
        case "amount_off":
            return Math.min(benefit.amount_off_fen, amountFen);
        case "percent_off":
            return Math.min(benefit.cap_fen, Math.ceil((amountFen * benefit.percent_off) / 100), amountFen);
        case "exchange":
        case "multi_use":
            return Math.min(benefit.value_fen, amountFen);
        case "data_entitlement":
            return 0;
    }
}

const store_id = environment("STORE");
const member = clientOf(environment("MEMBER_TOKEN"));
const till = clientOf(environment("MERCHANT_TOKEN"));

const claim = await member.POST("/v1/campaigns/{campaign_id}/claims", {
    params: { path: { campaign_id: environment("CAMPAIGN") }, header: { "Idempotency-Key": newKey() } },
    body: { channel: "app" },
});
const coupon = claim.data ?? fail(claim.error);
const code = coupon.code ?? fail(coupon);

// A refused validation says why, and has another type than one that passes.
const small = { ...order, amount_fen: TOO_LITTLE_FEN };
const refused = (await till.POST("/v1/validations", { body: { code, store_id, order: small } })).data;
if (refused === undefined || refused.valid) fail(refused);
check(refused.refusal.code === "minimum_spend_not_met", refused);
check((refused.refusal.minimum_fen ?? 0) > TOO_LITTLE_FEN, refused);

const elsewhere = (await till.POST("/v1/validations", { body: { code, store_no: "NO-SUCH-STORE", order } })).data;
if (elsewhere === undefined || elsewhere.valid) fail(elsewhere);
check(elsewhere.refusal.code === "store_not_found", elsewhere);

const passed = (await till.POST("/v1/validations", { body: { code, store_id, order } })).data;
if (passed === undefined || !passed.valid) fail(passed);
const discountFen: number = passed.discount_fen;
const proof: string = passed.proof;
check(discountFen === expectedDiscount(coupon.benefit, AMOUNT_FEN), passed);
check(passed.payable_fen === AMOUNT_FEN - discountFen && proof.length === 39, passed);

const hold = await till.POST("/v1/holds", {
    params: { header: { "Idempotency-Key": newKey() } },
    body: { code, store_id, order, hold_seconds: 60 },
});
const held = hold.data ?? fail(hold.error);

const redeem = (key: string, body: Body<"redeem_code">) =>
    till.POST("/v1/redemptions", { params: { header: { "Idempotency-Key": key } }, body });
const key = newKey();
const request = { code, store_id, order, hold_id: held.hold_id, cashier: "陈小姐" };
const first = await redeem(key, request);
const again = await redeem(key, request);
const redeemed = first.data ?? fail(first.error);
check(redeemed.discount_fen === discountFen && redeemed.coupon_id === coupon.coupon_id, redeemed);
check(!first.response.headers.has("idempotent-replayed"), first);
check(again.response.headers.get("idempotent-replayed") === "true", again);
check(JSON.stringify(again.data) === JSON.stringify(redeemed), again);

// The coupon has no use left for another order.
const late = await redeem(newKey(), { code, store_id, order: { ...order, order_no: `TS-${newKey()}` } });
const problem = late.error ?? fail(late.data);
const problemCode: Schemas["ProblemCode"] = problem.code;
check(problemCode === "code_already_redeemed" && problem.order_no === order.order_no, problem);

console.log(
    `typescript: claimed ${coupon.coupon_id}, validated, held and redeemed with ${discountFen} fen off, and repeated`,
);
