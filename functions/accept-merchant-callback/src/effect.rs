//! The effect of a report: a redemption or a reversal, a confirmation, or a discrepancy.

mod reversal;

use crate::{
    Deps,
    event::{Event, OrderReport, REDEEMED, RedeemedReport},
};
use mealticket_api::{
    ApiError, Code, Subject,
    locate::{self, Located},
    refusals,
};
use mealticket_domain::discrepancy::CODE_REQUIRED;
use mealticket_domain::{
    CouponCode, CouponKey, Fen, Fingerprint, KeyHash, Order, OrderNo, RedeemDecision, RedeemRequest, Store, Timestamp,
    coupon::{Redemption, RedemptionSource},
    limits::{CLOCK_SKEW_SECONDS_MAX, LATE_REPORT_SECONDS_MAX},
};
use mealticket_store::{catalog::MerchantRecord, members::RedeemOutcome, messages::Discrepancy};

/// Why a report is a discrepancy: a stable name. It is the code of the same refusal by API, where there is one.
type Reason = &'static str;

/// The envelope of a report.
pub(crate) struct Webhook<'a> {
    /// The merchant whose secret signed it.
    pub(crate) merchant: &'a MerchantRecord,
    /// Its `webhook-id`.
    pub(crate) id: &'a str,
    /// When it arrived first. If our answer to an earlier delivery failed, the report is not late.
    pub(crate) received_at: Timestamp,
}

/// Makes a report's effect durable.
///
/// Safe to repeat, and safe beside itself. On the coupon, the order is the key of a redemption, and the redemption the
/// key of a reversal. A discrepancy has the `webhook-id`.
pub(crate) async fn take_effect(deps: &Deps, webhook: &Webhook<'_>, event: &Event) -> Result<(), ApiError> {
    let broken = match event {
        Event::Other(_) => return Ok(()),
        Event::Redeemed(report) => return redeemed(deps, webhook, report).await,
        Event::Malformed(_) => broken(Code::MalformedRequest.as_str()),
        Event::Reversed(report) => match reversal::reverse(deps, webhook, report).await? {
            Effect::Done => return Ok(()),
            Effect::Broken(broken) => broken,
        },
    };
    record(deps, webhook, event.kind(), &broken, None).await
}

/// A redemption, or a discrepancy.
///
/// Two deliveries of one report may disagree, for example because a hold was released in between. The delivery that
/// redeems then settles the discrepancy that the other recorded. The delivery that records one then reads the coupon
/// once more. So whichever is second sees the first.
async fn redeemed(deps: &Deps, webhook: &Webhook<'_>, report: &RedeemedReport) -> Result<(), ApiError> {
    let is_done = match redeem(deps, webhook, report).await? {
        Effect::Done => true,
        Effect::Broken(broken) => {
            record(deps, webhook, REDEEMED, &broken, Some(report)).await?;
            match broken.key {
                Some(key) => is_redeemed(deps, key, &report.order).await?,
                None => false,
            }
        }
    };
    if is_done {
        deps.messages.settle_discrepancy(&webhook.merchant.merchant.id, webhook.id, deps.now()).await?;
    }
    Ok(())
}

/// Settles the discrepancy of a report whose effect is there. A delivery that recorded it, beside the one that was
/// done, may have been cut off before it read the coupon again.
///
/// It does nothing else: what is reported may be days old by now.
pub(crate) async fn settle_if_done(deps: &Deps, webhook: &Webhook<'_>, event: &Event) -> Result<(), ApiError> {
    let own = &webhook.merchant.merchant.id;
    let found = deps.messages.read_discrepancy(own, webhook.id).await?.filter(|found| found.settled_at.is_none());
    let key = found.and_then(|found| found.coupon_id).and_then(|id| deps.stack.ids.coupon(&id).ok());
    let is_done = match (key, event) {
        (Some(key), Event::Redeemed(report)) => is_redeemed(deps, key, &report.order).await?,
        (Some(_), Event::Reversed(report)) => reversal::is_undone(deps, webhook, report).await?,
        _ => false,
    };
    if is_done {
        deps.messages.settle_discrepancy(own, webhook.id, deps.now()).await?;
    }
    Ok(())
}

/// Whether the coupon has the redemption that is reported: the same order with the same amount.
async fn is_redeemed(deps: &Deps, key: CouponKey, report: &OrderReport) -> Result<bool, ApiError> {
    let coupon = deps.members.read_coupon(key).await?;
    let is_it =
        |spent: &Redemption| spent.order_no.as_str() == report.order_no && spent.amount.get() == report.amount_fen;
    Ok(coupon.is_some_and(|coupon| coupon.redemptions.iter().any(is_it)))
}

/// Records a report that broke a rule as a discrepancy, with what is known of it.
async fn record(
    deps: &Deps,
    webhook: &Webhook<'_>,
    event_type: &str,
    broken: &Broken,
    report: Option<&RedeemedReport>,
) -> Result<(), ApiError> {
    let Webhook { merchant, id, received_at } = webhook;
    let order_no = report.and_then(|report| report.order.order_no.parse::<OrderNo>().ok());
    let found = Discrepancy {
        webhook_id: (*id).to_owned(),
        event_type: event_type.to_owned(),
        reason: broken.reason.to_owned(),
        coupon_id: broken.key.map(|key| deps.stack.ids.coupon_id(key)),
        order_no: order_no.map(|order_no| order_no.to_string()),
        redeemed_at: report.and_then(|report| report.redeemed_at.parse().ok()),
        received_at: *received_at,
        store_id: report.and_then(|report| store(merchant, report)).map(|store| store.store_id.clone()),
        amount: report.and_then(|report| Fen::try_from(report.order.amount_fen).ok()),
        settled_at: None,
        decision: None,
    };
    tracing::warn!(merchant = %merchant.merchant.id, reason = found.reason, "a report does not add up");
    Ok(deps.messages.put_discrepancy(&merchant.merchant.id, &found).await?)
}

/// What a report came to.
enum Effect {
    /// What it reports is so now, or was so before.
    Done,
    /// It broke a rule.
    Broken(Broken),
}

/// The coupon of the merchant that a report names.
enum Named<T> {
    /// This one.
    Coupon(T),
    /// There is none, for this reason.
    Nothing(Reason),
}

/// A rule that a report broke, and the coupon when it is known.
struct Broken {
    reason: Reason,
    key: Option<CouponKey>,
}

impl Effect {
    /// The effect on the coupon of this key.
    fn of(judged: Result<(), Reason>, key: CouponKey) -> Self {
        match judged {
            Ok(()) => Effect::Done,
            Err(reason) => Effect::Broken(Broken { reason, key: Some(key) }),
        }
    }
}

fn broken(reason: Reason) -> Broken {
    Broken { reason, key: None }
}

/// Redeems what a report says was redeemed, or confirms it.
///
/// Rules, in order: the facts are within their bounds; the coupon is the merchant's; the code was presented
/// (`code_required`); the report is not over 72 hours late (`too_late`); then the rules of a redemption. A report that
/// shows no code, or comes too late, can still confirm a redemption of its order.
async fn redeem(deps: &Deps, webhook: &Webhook<'_>, report: &RedeemedReport) -> Result<Effect, ApiError> {
    let asked = match checked(webhook, report) {
        Ok((at, store, order)) => asked(at, store, order),
        Err(reason) => return Ok(Effect::Broken(broken(reason))),
    };
    let located = match presented(deps, webhook, report, &asked).await? {
        Presented::Shown(located) => located,
        Presented::NotShown(key, key_version) => {
            let found = deps.members.would_redeem(&deps.catalog, key, key_version, &asked).await?;
            let confirmed = confirm(found.map(|(_, decision)| decision), CODE_REQUIRED);
            return Ok(Effect::of(confirmed, key));
        }
        Presented::Unknown(reason) => return Ok(Effect::Broken(broken(reason))),
    };
    let key = located.key;
    let judged = if webhook.received_at.seconds_since(asked.at) > LATE_REPORT_SECONDS_MAX {
        let found = deps.members.would_redeem(&deps.catalog, key, located.key_version, &asked).await?;
        confirm(found.map(|(_, decision)| decision), "too_late")
    } else {
        judge(deps.members.redeem(&deps.catalog, &located.campaign, key, located.key_version, &asked).await?, asked.at)
    };
    Ok(Effect::of(judged, key))
}

/// What a report shows of its coupon. We send merchants the ids of their coupons, so an id says which
/// coupon is meant, and no more.
enum Presented {
    /// The code was presented: the report holds it, or the proof of it. It may redeem.
    Shown(Located),
    /// The report names a coupon and proves nothing. It may confirm what is redeemed. The number is the
    /// version of the code's key.
    NotShown(CouponKey, u16),
    /// The merchant has no such coupon, or the report names none.
    Unknown(Reason),
}

/// What the report shows. A proof counts for this merchant, coupon and order, and for the time that the report states.
async fn presented(
    deps: &Deps,
    webhook: &Webhook<'_>,
    report: &RedeemedReport,
    asked: &RedeemRequest,
) -> Result<Presented, ApiError> {
    let own = &webhook.merchant.merchant.id;
    let named = (report.code.as_deref(), report.coupon_id.as_deref());
    let located = match locate(deps, webhook.merchant, named).await? {
        Named::Coupon(located) => located,
        Named::Nothing(reason) => return Ok(Presented::Unknown(reason)),
    };
    if report.code.is_some() {
        return Ok(Presented::Shown(located));
    }
    let subject = Subject { merchant: own, coupon: located.key, order_no: &asked.order.order_no };
    let shown = report.proof.as_deref().and_then(|proof| deps.stack.vault.read_proof(subject, proof));
    Ok(match shown.filter(|shown| shown.proves(asked.at, webhook.received_at)) {
        Some(shown) => Presented::Shown(Located { key_version: shown.key_version, ..located }),
        None => Presented::NotShown(located.key, located.key_version),
    })
}

/// The report's facts, each within its bounds, at a time that may still count.
///
/// Refused in this order: another merchant's id, a time that is no time or over five minutes ahead, no store, an
/// unknown store, an amount, an order number.
fn checked<'m>(webhook: &Webhook<'m>, report: &RedeemedReport) -> Result<(Timestamp, &'m Store, Order), Reason> {
    let merchant = webhook.merchant;
    let malformed = Code::MalformedRequest.as_str();
    let mine = merchant.merchant.id.as_str();
    if report.merchant_id.as_deref().is_some_and(|claimed| claimed != mine) {
        return Err("other_merchant");
    }
    let at: Timestamp = report.redeemed_at.parse().map_err(|_| malformed)?;
    if at.seconds_since(webhook.received_at) > CLOCK_SKEW_SECONDS_MAX {
        return Err("in_the_future");
    }
    if report.store_id.is_none() && report.store_no.is_none() {
        return Err(malformed);
    }
    let store = store(merchant, report).ok_or(Code::StoreNotFound.as_str())?;
    let amount = Fen::try_from(report.order.amount_fen).ok().filter(|amount| *amount > Fen::ZERO).ok_or(malformed)?;
    let order_no = report.order.order_no.parse().map_err(|_| malformed)?;
    Ok((at, store, Order { order_no, amount }))
}

/// The merchant's store that a report names, by our id or by the merchant's own number.
fn store<'m>(merchant: &'m MerchantRecord, report: &RedeemedReport) -> Option<&'m Store> {
    match (&report.store_id, &report.store_no) {
        (Some(id), _) => merchant.merchant.store(id),
        (None, store_no) => merchant.merchant.store_by_no(store_no.as_deref()?),
    }
}

/// The coupon that a report names by its code, or else by its id. A coupon of another merchant's campaign is not found.
async fn locate(
    deps: &Deps,
    merchant: &MerchantRecord,
    named: (Option<&str>, Option<&str>),
) -> Result<Named<Located>, ApiError> {
    let keys = match named {
        (Some(typed), _) => match typed.parse::<CouponCode>() {
            Ok(code) if code.province() != deps.stack.codes.province() => {
                return Ok(Named::Nothing(refusals::other_province(&deps.stack, code.province()).code().as_str()));
            }
            Ok(code) => deps.stack.codes.locate(&code),
            Err(_) => Vec::new(),
        },
        (None, Some(coupon_id)) => by_id(deps, coupon_id).await?,
        (None, None) => return Ok(Named::Nothing(Code::MalformedRequest.as_str())),
    };
    let located = locate::locate(&deps.catalog, &merchant.merchant.id, keys).await?;
    Ok(located.map_or(Named::Nothing(Code::CodeNotFound.as_str()), Named::Coupon))
}

/// The coupon of an id, with the key that its code has now: the merchant presents no code that could be old.
async fn by_id(deps: &Deps, coupon_id: &str) -> Result<Vec<(CouponKey, u16)>, ApiError> {
    let Ok(key) = deps.stack.ids.coupon(coupon_id) else { return Ok(Vec::new()) };
    let coupon = deps.members.read_coupon(key).await?;
    Ok(coupon.map(|coupon| (key, coupon.key_version)).into_iter().collect())
}

/// The redemption as a till would ask for it, with the order as its key. Its fingerprint is the amount alone.
fn asked(at: Timestamp, store: &Store, order: Order) -> RedeemRequest {
    let amount = order.amount.get().to_string();
    RedeemRequest {
        key: KeyHash::of_order(&order.order_no),
        fingerprint: Fingerprint::of(&[Some(&amount)]),
        source: RedemptionSource::Callback,
        at,
        store_id: store.store_id.clone(),
        city: store.city.clone(),
        order,
        hold: None,
        cashier: None,
    }
}

/// A report that may not redeem, for the reason `otherwise`, can still confirm a redemption of its order.
fn confirm(decision: Option<RedeemDecision>, otherwise: Reason) -> Result<(), Reason> {
    match decision {
        Some(RedeemDecision::Replay { .. }) => Ok(()),
        Some(RedeemDecision::KeyReused) => Err("amount_mismatch"),
        Some(RedeemDecision::Redeem(_) | RedeemDecision::Adopt { .. } | RedeemDecision::Refused(_)) => Err(otherwise),
        None => Err(Code::CodeNotFound.as_str()),
    }
}

/// What a redemption's outcome means for the report. A redemption of the same order is confirmed, whichever way it came
/// first. Anything else that stands against the report is a discrepancy.
fn judge(outcome: RedeemOutcome, at: Timestamp) -> Result<(), Reason> {
    match outcome {
        RedeemOutcome::Redeemed(..) | RedeemOutcome::Replayed(..) => Ok(()),
        RedeemOutcome::KeyReused => Err("amount_mismatch"),
        RedeemOutcome::NotFound => Err(Code::CodeNotFound.as_str()),
        RedeemOutcome::Refused(refusal, _) => Err(refusals::redeem(&refusal, at).code().as_str()),
    }
}
