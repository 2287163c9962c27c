"""What schemathesis needs to know of a running stack: whose token a route takes, and what no schema can say.

A schema cannot say:

- that a store is one of the seed's, and an address is on the public internet;
- that a cursor was given by the list that it goes on with, and an idempotency key is new;
- how many bytes a text has, and that of two parameters one must be there;
- how a report is signed.

Requests that are meant to be good get these here. Requests that are meant to be bad are left as they are.
"""

import itertools
import json
import os
import subprocess
import tempfile
import uuid
from collections import Counter

import schemathesis
from schemathesis import GenerationMode

MERCHANT, STORE, CAMPAIGN, ENDPOINT = "mch_luckytea", "sto_luckytea01", "cmp_0001", "end_luckytea1"
MINIMUM_FEN = 2_000
TEXT_BYTES_MAX = {"cashier": 48, "reason": 45}

# The first is a member who has signed up. The others only claim: each may have one coupon of the campaign.
with open(os.environ["MEMBER_TOKENS"]) as file:
    MEMBER, *CLAIMANTS = file.read().split()
CLAIMANT = itertools.cycle(CLAIMANTS)
HOLDERS = {}
REDEEMED = {"code": os.environ["REDEEMED_CODE"], "order_no": os.environ["REDEEMED_ORDER"]}
ANSWERED = Counter()


def stack(*arguments):
    command = [os.environ["STACK"], *arguments, "--data", os.environ["STACK_DATA"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def kind(case, context=None):
    requirements = case.operation.definition.raw.get("security", [])
    return next((name for requirement in requirements for name in requirement), "none")


class Tokens:
    def get(self, case, context):
        match kind(case):
            case "memberToken":
                return MEMBER
            case "merchantToken":
                return stack("token", "--merchant", MERCHANT)
            case "operatorToken":
                roles = [word for role in ("province_admin", "finance", "auditor") for word in ("--role", role)]
                return stack("token", "--operator", "schemathesis", *roles)
            case _:
                return None

    def set(self, case, data, context):
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


schemathesis.auth(refresh_interval=60, cache_by_key=kind)(Tokens)


def sign(request):
    """Signs a report as its merchant does, when its bytes are known."""
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        signed = stack("sign", "--merchant", MERCHANT, "--id", f"msg_{uuid.uuid4().hex}", file.name)
    request.headers.update(line.split(": ", 1) for line in signed.splitlines())
    return request


def operation_of(case):
    return case.operation.definition.raw["operationId"]


def is_meant_to_be_good(case):
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


@schemathesis.hook
def before_call(context, case, kwargs):
    if not is_meant_to_be_good(case):
        return
    operation = operation_of(case)
    headers = case.headers if case.headers is not None else {}
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = uuid.uuid4().hex
    if operation == "claim_coupon":
        case.path_parameters["campaign_id"] = CAMPAIGN
        headers["Authorization"] = f"Bearer {next(CLAIMANT)}"
    if operation == "accept_merchant_callback":
        case.path_parameters["merchant_id"] = MERCHANT
        kwargs["auth"] = sign
    if operation == "read_coupon" and case.path_parameters["coupon_id"] in HOLDERS:
        headers["Authorization"] = HOLDERS[case.path_parameters["coupon_id"]]
    query = case.query if case.query is not None else {}
    query.pop("cursor", None)
    if operation == "list_deliveries" and query.get("outcome") != "dead":
        query.setdefault("endpoint_id", ENDPOINT)
    if operation == "list_statements_of_merchant" and "month" not in query:
        query.setdefault("merchant_id", MERCHANT)
    if isinstance(case.body, dict):
        complete_body(operation, case)


def complete_body(operation, case):
    body = case.body
    body.pop("cursor", None)
    if operation in ("validate_code", "hold_code", "redeem_code"):
        body.pop("store_no", None)
        body["store_id"] = STORE
        body["order"]["amount_fen"] = max(body["order"]["amount_fen"], MINIMUM_FEN)
    if operation == "find_redemptions":
        body.update(REDEEMED)
    for name, bytes_max in TEXT_BYTES_MAX.items():
        if isinstance(body.get(name), str):
            body[name] = body[name].encode(errors="ignore")[:bytes_max].decode(errors="ignore").strip() or "text"
    if operation == "add_endpoint":
        case.path_parameters["merchant_id"] = MERCHANT
        body["url"] = f"https://hooks.luckytea.example/{uuid.uuid4().hex}"


@schemathesis.hook
def after_call(context, case, response):
    operation = operation_of(case)
    if operation == "claim_coupon" and response.status_code == 201:
        HOLDERS[response.json()["coupon_id"]] = response.request.headers["Authorization"]
    ANSWERED[f"{operation} {response.status_code}"] += 1
    with open(os.environ["ANSWERED"], "w") as file:
        json.dump(ANSWERED, file)
