"""What an app and a till do, with the client that a generator made of `infra/openapi.yaml`: claim, validate, hold and redeem.

`run.py` generates the package `mealticket_client`, checks this file with mypy so strictly that no expression may be `Any`, and runs it.
"""

import os
import uuid
from typing import assert_type

from mealticket_client.api.members import claim_coupon
from mealticket_client.api.merchants import hold_code, redeem_code, validate_code
from mealticket_client.client import AuthenticatedClient
from mealticket_client.models.amount_off import AmountOff
from mealticket_client.models.channel import Channel
from mealticket_client.models.claim_request import ClaimRequest
from mealticket_client.models.coupon import Coupon
from mealticket_client.models.data_entitlement import DataEntitlement
from mealticket_client.models.exchange import Exchange
from mealticket_client.models.hold import Hold
from mealticket_client.models.hold_by_store_id import HoldByStoreId
from mealticket_client.models.multi_use import MultiUse
from mealticket_client.models.order import Order
from mealticket_client.models.percent_off import PercentOff
from mealticket_client.models.problem import Problem
from mealticket_client.models.problem_code import ProblemCode
from mealticket_client.models.redemption import Redemption
from mealticket_client.models.redemption_by_store_id import RedemptionByStoreId
from mealticket_client.models.validation_by_store_id import ValidationByStoreId
from mealticket_client.models.validation_by_store_no import ValidationByStoreNo
from mealticket_client.models.validation_passed import ValidationPassed
from mealticket_client.models.validation_refused import ValidationRefused
from mealticket_client.types import Response, Unset

AMOUNT_FEN = 2_500
"""More than the campaign's minimum."""
TOO_LITTLE_FEN = 100
"""Less than the campaign's minimum."""


def environment(name: str) -> str:
    return os.environ[name]


def new_key() -> str:
    return uuid.uuid4().hex


def check(holds: bool, what: object) -> None:
    if not holds:
        raise SystemExit(f"python: not as it should be: {what}")


def expected_discount(benefit: AmountOff | PercentOff | Exchange | MultiUse | DataEntitlement, amount_fen: int) -> int:
    """What the benefit takes off an order: each kind is a type of its own."""
    if isinstance(benefit, AmountOff):
        return min(benefit.amount_off_fen, amount_fen)
    if isinstance(benefit, PercentOff):
        return min(benefit.cap_fen, -int(-amount_fen * benefit.percent_off // 100), amount_fen)
    if isinstance(benefit, DataEntitlement):
        return 0
    return min(benefit.value_fen, amount_fen)


def bodies_have_types(till: AuthenticatedClient) -> None:
    """Nobody calls this. Where a body has lost its type, a text is no error, and mypy refuses the comment that expects one."""
    validate_code.sync(client=till, body="anything")  # type: ignore[arg-type]
    hold_code.sync(client=till, body="anything", idempotency_key="")  # type: ignore[arg-type]
    redeem_code.sync(client=till, body="anything", idempotency_key="")  # type: ignore[arg-type]


def main() -> None:
    api, campaign, store = environment("MEALTICKET_API"), environment("CAMPAIGN"), environment("STORE")
    member = AuthenticatedClient(base_url=api, token=environment("MEMBER_TOKEN"))
    till = AuthenticatedClient(base_url=api, token=environment("MERCHANT_TOKEN"))

    coupon = claim_coupon.sync(campaign, client=member, body=ClaimRequest(channel=Channel.APP), idempotency_key=new_key())
    assert_type(coupon, Coupon | Problem | None)
    if not isinstance(coupon, Coupon) or coupon.code is None:
        raise SystemExit(f"python: no coupon: {coupon}")

    # A refused validation says why, and has another type than one that passes.
    order = Order(order_no=f"PY-{new_key()}", amount_fen=AMOUNT_FEN)
    small = Order(order_no=order.order_no, amount_fen=TOO_LITTLE_FEN)
    refused = validate_code.sync(client=till, body=ValidationByStoreId(coupon.code, store, small))
    assert_type(refused, ValidationPassed | ValidationRefused | Problem | None)
    if not isinstance(refused, ValidationRefused):
        raise SystemExit(f"python: an order of {TOO_LITTLE_FEN} fen is not refused: {refused}")
    check(refused.refusal.code is ProblemCode.MINIMUM_SPEND_NOT_MET, refused)
    check(not isinstance(refused.refusal.minimum_fen, Unset) and refused.refusal.minimum_fen > TOO_LITTLE_FEN, refused)

    elsewhere = validate_code.sync(client=till, body=ValidationByStoreNo(coupon.code, "NO-SUCH-STORE", order))
    check(isinstance(elsewhere, ValidationRefused) and elsewhere.refusal.code is ProblemCode.STORE_NOT_FOUND, elsewhere)

    passed = validate_code.sync(client=till, body=ValidationByStoreId(coupon.code, store, order))
    if not isinstance(passed, ValidationPassed):
        raise SystemExit(f"python: the code is not good: {passed}")
    assert_type(passed.discount_fen, int)
    assert_type(passed.proof, str)
    check(passed.discount_fen == expected_discount(coupon.benefit, AMOUNT_FEN), passed)
    check(passed.payable_fen == AMOUNT_FEN - passed.discount_fen, passed)
    check(len(passed.proof) == 39, passed)

    held = hold_code.sync(
        client=till, body=HoldByStoreId(coupon.code, store, order, hold_seconds=60), idempotency_key=new_key()
    )
    assert_type(held, Hold | Problem | None)
    if not isinstance(held, Hold):
        raise SystemExit(f"python: it cannot be held: {held}")

    key = new_key()
    request = RedemptionByStoreId(coupon.code, store, order, hold_id=held.hold_id, cashier="陈小姐")
    first = redeem_code.sync_detailed(client=till, body=request, idempotency_key=key)
    again = redeem_code.sync_detailed(client=till, body=request, idempotency_key=key)
    assert_type(first, Response[Redemption | Problem])
    redeemed = first.parsed
    if not isinstance(redeemed, Redemption):
        raise SystemExit(f"python: it is not redeemed: {redeemed}")
    check(redeemed.discount_fen == passed.discount_fen and redeemed.coupon_id == coupon.coupon_id, redeemed)
    check("idempotent-replayed" not in first.headers, first)
    check(again.headers["idempotent-replayed"] == "true" and again.content == first.content, again)

    # The coupon has no use left for another order.
    late = RedemptionByStoreId(coupon.code, store, Order(f"PY-{new_key()}", AMOUNT_FEN))
    problem = redeem_code.sync(client=till, body=late, idempotency_key=new_key())
    if not isinstance(problem, Problem):
        raise SystemExit(f"python: it is redeemed twice: {problem}")
    check(problem.code is ProblemCode.CODE_ALREADY_REDEEMED and problem.order_no == order.order_no, problem)

    print(f"python: claimed {coupon.coupon_id}, validated, held and redeemed with {redeemed.discount_fen} fen off, and repeated")


main()
