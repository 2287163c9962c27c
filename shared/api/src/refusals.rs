//! From the refusals of the domain and of `shared/store` to codes, with the facts that go with each.
//!
//! Each function is an exhaustive match: a new refusal does not compile until somebody has chosen its code.

use crate::{codes::Code, deps::Stack, language::Language, problem::ApiError};
use mealticket_domain::{ClaimRefusal, Province, RedeemRefusal, ReverseRefusal, Timestamp};
use mealticket_domain::{FailedClause, MemberLimit};
use mealticket_store::stock::NoUnit;

/// When to ask again for a unit that may come back, in seconds. Most leases end their handing out within ten.
const SETTLING_RETRY_SECONDS: i64 = 5;

/// A redemption's refusal. `now` is for `Retry-After`.
///
/// The facts about another order are the same merchant's own. Another merchant's coupon is `code_not_found`
/// long before.
pub fn redeem(refusal: &RedeemRefusal, now: Timestamp) -> ApiError {
    match refusal {
        RedeemRefusal::Expired { at } => ApiError::from(Code::CodeExpired).at("expired_at", *at),
        RedeemRefusal::Deactivated => Code::CodeDeactivated.into(),
        RedeemRefusal::NotYetValid { from } => {
            ApiError::from(Code::NotYetValid).at("valid_from", *from).retry_at(*from, now)
        }
        RedeemRefusal::AlreadyRedeemed { at, store_id, order_no } => ApiError::from(Code::CodeAlreadyRedeemed)
            .at("redeemed_at", *at)
            .with("store_id", store_id.as_str())
            .with("order_no", order_no.as_str()),
        RedeemRefusal::RedemptionLimit => Code::RedemptionLimit.into(),
        RedeemRefusal::Held { until } => ApiError::from(Code::CodeHeld).at("held_until", *until).retry_at(*until, now),
        RedeemRefusal::HoldLapsed => Code::HoldLapsed.into(),
        RedeemRefusal::OutsideHours { next } => {
            ApiError::from(Code::OutsideHours).at("next_window", *next).retry_at(*next, now)
        }
        RedeemRefusal::StoreNotInScope => Code::StoreNotInScope.into(),
        RedeemRefusal::MinimumSpendNotMet { minimum } => {
            ApiError::from(Code::MinimumSpendNotMet).with("minimum_fen", minimum.get())
        }
    }
}

/// A reversal's refusal. None of them is worth a retry.
pub fn reverse(refusal: ReverseRefusal) -> ApiError {
    match refusal {
        ReverseRefusal::NotFound => Code::RedemptionNotFound.into(),
        ReverseRefusal::AlreadyReversed => Code::AlreadyReversed.into(),
        ReverseRefusal::WindowClosed => Code::ReversalWindowClosed.into(),
    }
}

/// A claim's refusal by its campaign. `now` is for `Retry-After`.
pub fn claim(refusal: ClaimRefusal, now: Timestamp) -> ApiError {
    match refusal {
        ClaimRefusal::Ended => Code::CampaignEnded.into(),
        ClaimRefusal::Paused => Code::CampaignPaused.into(),
        ClaimRefusal::NotStarted { starts_at } => {
            ApiError::from(Code::NotStarted).at("starts_at", starts_at).retry_at(starts_at, now)
        }
    }
}

/// The campaign's rule is not met: the clause that fails, and its words in the client's language.
pub fn not_eligible(failed: &FailedClause, language: Language) -> ApiError {
    let explanation = match language {
        Language::Zh => &failed.explanation.zh,
        Language::En => &failed.explanation.en,
    };
    ApiError::from(Code::NotEligible)
        .with("failed_clause", failed.clause.as_str())
        .with("explanation", explanation.as_str())
}

/// A member has as many coupons as one member may have, in all or in a day.
pub fn limit_reached(limit: MemberLimit) -> ApiError {
    let name = match limit {
        MemberLimit::InAll => "per_member",
        MemberLimit::PerDay => "per_member_day",
    };
    ApiError::from(Code::LimitReached).with("limit", name)
}

/// There is no unit of stock: for good, for the moment, or for today.
pub fn no_unit(none: NoUnit, now: Timestamp) -> ApiError {
    match none {
        NoUnit::SoldOut => Code::SoldOut.into(),
        NoUnit::Settling => ApiError::from(Code::StockSettling).retry_at(now.plus_seconds(SETTLING_RETRY_SECONDS), now),
        NoUnit::DayExhausted => {
            let tomorrow = now.province_day().plus_days(1).starts_at();
            ApiError::from(Code::DayStockExhausted).at("retry_at", tomorrow).retry_at(tomorrow, now)
        }
    }
}

/// A code of another province: `province` says which, and `api` where to go.
pub fn other_province(stack: &Stack, province: Province) -> ApiError {
    let api = stack.config.province_api_pattern.replace("{province}", province.code());
    ApiError::from(Code::OtherProvince).with("province", province.code()).with("api", api)
}
