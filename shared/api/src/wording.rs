//! The words of refusals, in Chinese and English: something that a cashier can read out.
//!
//! Programs decide by the code. So words may be improved at any time.

use crate::{codes::Code, language::Language};
use mealticket_domain::{Province, Timestamp};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What happened this time, in a sentence or two, from the facts that the client may know anyway.
///
/// A fact that is missing leaves a sentence that is still true, like "an earlier time".
pub fn detail(code: Code, facts: &Map<String, Value>, language: Language) -> String {
    let (zh, en) = words(code, &Facts { facts, language });
    match language {
        Language::Zh => zh.into_owned(),
        Language::En => en.into_owned(),
    }
}

/// The words of a refusal, in Chinese and in English.
type Words = (Cow<'static, str>, Cow<'static, str>);

/// The same words each time.
fn fixed(zh: &'static str, en: &'static str) -> Words {
    (zh.into(), en.into())
}

/// The words of each code, with the facts that go with it.
fn words(code: Code, facts: &Facts<'_>) -> Words {
    match code {
        Code::MalformedRequest => match facts.text("field") {
            Some(".") | None => fixed("请求不是有效的 JSON。", "The request is not the JSON that is expected."),
            Some(field) => (
                format!("字段 {field} 缺失、多余或不符合要求。").into(),
                format!("The field {field} is missing, unknown or not valid.").into(),
            ),
        },
        Code::OtpWrong => (
            format!("验证码不正确，还可以再试 {} 次。", facts.number("tries_left")).into(),
            format!("The code is wrong; {} tries are left.", facts.number("tries_left")).into(),
        ),
        Code::OtherProvince => (
            format!("这是{0}的券码，请到{0}使用。", facts.province()).into(),
            format!("This code is from {}; it can be used there.", facts.province()).into(),
        ),
        Code::CodeExpired => (
            format!("该券已于 {} 过期。", facts.clock("expired_at")).into(),
            format!("The coupon expired at {}.", facts.clock("expired_at")).into(),
        ),
        Code::NotYetValid => (
            format!("该券 {} 起才能使用。", facts.clock("valid_from")).into(),
            format!("The coupon can be used from {}.", facts.clock("valid_from")).into(),
        ),
        Code::CodeAlreadyRedeemed => (
            format!("该券已于 {} 使用，不能再次使用。", facts.clock("redeemed_at")).into(),
            format!("The coupon was redeemed at {} and cannot be used again.", facts.clock("redeemed_at")).into(),
        ),
        Code::CodeHeld => (
            format!("该券正在另一笔订单中使用，{} 后可重试。", facts.clock("held_until")).into(),
            format!("The coupon is held for another order until {}.", facts.clock("held_until")).into(),
        ),
        Code::MinimumSpendNotMet => (
            format!("订单满 {} 元才能使用。", facts.yuan("minimum_fen")).into(),
            format!("The order must be at least {} yuan.", facts.yuan("minimum_fen")).into(),
        ),
        Code::OutsideHours => (
            format!("现在不在可用时段，{} 起可以使用。", facts.clock("next_window")).into(),
            format!("The coupon can be used from {}.", facts.clock("next_window")).into(),
        ),
        Code::BillNotReady => (
            format!("当日账单将于 {} 后生成。", facts.clock("ready_at")).into(),
            format!("The day's bill is there after {}.", facts.clock("ready_at")).into(),
        ),
        Code::DayStockExhausted => (
            format!("今天的份额已领完，{} 起可以再领。", facts.clock("retry_at")).into(),
            format!("None are left today; come back at {}.", facts.clock("retry_at")).into(),
        ),
        Code::NotEligible => match facts.text("explanation") {
            Some(explanation) => (explanation.to_owned().into(), explanation.to_owned().into()),
            None => fixed("您不符合该活动的领取条件。", "The campaign is not for you, here or now."),
        },
        Code::LimitReached if facts.text("limit") == Some("per_member_day") => {
            fixed("您今天已达到领取上限，请明天再来。", "You have as many as one member may have in a day.")
        }
        Code::LimitReached => fixed("您已达到该活动的领取上限。", "You have as many as one member may have."),
        Code::NotStarted => (
            format!("活动将于 {} 开始。", facts.clock("starts_at")).into(),
            format!("The campaign begins at {}.", facts.clock("starts_at")).into(),
        ),
        Code::Unauthenticated => fixed("请登录后重试。", "Send a valid bearer token."),
        Code::OtpExpired => fixed("验证码已失效，请重新获取。", "Ask for a new one-time code."),
        Code::SessionRevoked => fixed("登录已失效，请重新登录。", "Sign in again."),
        Code::SignatureInvalid => {
            fixed("通知的签名、时间或编号无效。", "The webhook's signature, time stamp or id is not valid.")
        }
        Code::BodyTooLarge => fixed("请求内容不能超过 64 KiB。", "A request body is at most 64 KiB."),
        Code::IdempotencyKeyMissing => fixed(
            "请在 Idempotency-Key 请求头中提供 16 到 255 个字符。",
            "Send an Idempotency-Key header of 16 to 255 characters.",
        ),
        Code::IdempotencyKeyReused => fixed(
            "同一个幂等键已用于另一个请求，请更换。",
            "This key has succeeded with another payload; use a new one.",
        ),
        Code::WebhookIdReused => {
            fixed("同一个通知编号已用于另一份内容。", "This webhook id was received with another body.")
        }
        Code::CodeNotFound => {
            fixed("没有找到这个券码，请核对后重新输入。", "No coupon has this code; please check it.")
        }
        Code::StoreNotFound => fixed("没有找到这个门店。", "The merchant has no such store."),
        Code::CodeDeactivated => fixed("该券已被停用，不能使用。", "The coupon was taken back and cannot be used."),
        Code::RedemptionLimit => fixed("该券的核销次数已达上限。", "The coupon was redeemed and reversed too often."),
        Code::Forbidden => fixed("您的角色不能使用此功能。", "None of your roles may do this."),
        Code::StatementConfirmed => {
            fixed("结算单已确认，不能再提出异议。", "The statement is confirmed; that ends the matter.")
        }
        Code::StatementDisputed => fixed("已以其他原因提出异议。", "The statement is disputed for another reason."),
        Code::RecordUnreadable => {
            fixed("该记录仍无法读取，原因见 reason。", "The record still cannot be read; reason says why.")
        }

        Code::EndpointExists => fixed(
            "该名称已登记为另一个地址。",
            "This name is that of an endpoint with another address or other events.",
        ),
        Code::EndpointLimit => fixed("该商户的通知地址已达上限。", "A merchant has at most eight endpoints."),
        Code::EndpointChanged => {
            fixed("通知地址已被他人修改，请刷新后重试。", "Somebody else changed the endpoint; read it again first.")
        }
        Code::DiscrepancyNotAcceptable => {
            fixed("上报内容不足以记账，只能驳回。", "The report does not say enough to be paid by; it can be rejected.")
        }
        Code::DiscrepancyDecided => fixed("该差异已作出相反的结论。", "The discrepancy was decided otherwise."),
        Code::ReplayLimit => fixed("该通知重发次数已达上限。", "The delivery was attempted a hundred times."),
        Code::HoldLapsed => fixed("占用已失效，请重新核销。", "The hold no longer counts; redeem without it."),
        Code::StoreNotInScope => fixed("该券不能在本店使用。", "The coupon cannot be used in this store."),
        Code::AlreadyReversed => fixed("这笔核销已经撤销过了。", "This redemption was reversed before."),
        Code::ReversalWindowClosed => fixed("已超过可撤销的时间。", "The time for reversing this redemption is over."),
        Code::CampaignEnded => fixed("活动已结束。", "The campaign is over."),
        Code::CampaignPaused => fixed("活动暂停中，请稍后再试。", "The campaign is paused; try again later."),
        Code::StockSettling => {
            fixed("最后几份正在结算，请稍后再试。", "The last ones are being settled; try again in a moment.")
        }
        Code::SoldOut => fixed("已经抢光了。", "None are left."),
        Code::TooManyMessages => {
            fixed("验证码发送过于频繁，请稍后再试。", "Too many one-time codes were asked for; try again later.")
        }
        Code::TemporarilyUnavailable => {
            fixed("系统繁忙，请用同一个幂等键重试。", "Send the same request again with the same key.")
        }
        Code::Internal => fixed("系统错误，我们已记录。", "Something went wrong on our side; it has been recorded."),
        Code::RouteNotFound
        | Code::MemberNotFound
        | Code::CampaignNotFound
        | Code::CouponNotFound
        | Code::StatementNotFound
        | Code::RecordNotFound
        | Code::MerchantNotFound
        | Code::EndpointNotFound
        | Code::DeliveryNotFound
        | Code::DiscrepancyNotFound
        | Code::HoldNotFound
        | Code::RedemptionNotFound => fixed("没有找到，请核对编号。", "Nothing has this id."),
    }
}

/// The facts of a refusal, as a sentence needs them.
struct Facts<'a> {
    facts: &'a Map<String, Value>,
    language: Language,
}

impl Facts<'_> {
    /// The text of a fact, if there is one of this name.
    fn text(&self, name: &str) -> Option<&str> {
        self.facts.get(name).and_then(Value::as_str)
    }

    /// The name of the province whose code is a fact.
    fn province(&self) -> &'static str {
        let province = self.text("province").and_then(|code| code.parse::<Province>().ok());
        match (province, self.language) {
            (Some(province), Language::Zh) => province.name_zh(),
            (Some(province), Language::En) => province.name_en(),
            (None, Language::Zh) => "外省",
            (None, Language::En) => "another province",
        }
    }

    /// The number of a fact; 0 when there is none.
    fn number(&self, name: &str) -> u64 {
        self.facts.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// An instant on the province's wall clock, which is what people read.
    fn clock(&self, name: &str) -> String {
        let at = self.text(name).and_then(|text| text.parse::<Timestamp>().ok());
        match (at, self.language) {
            (Some(at), Language::Zh) => at.province_clock(),
            (Some(at), Language::En) => format!("{} (China time)", at.province_clock()),
            (None, Language::Zh) => "此前".into(),
            (None, Language::En) => "an earlier time".into(),
        }
    }

    /// An amount in fen as yuan, for people: `12` or `12.05`.
    fn yuan(&self, name: &str) -> String {
        let fen = self.number(name);
        if fen.is_multiple_of(100) { (fen / 100).to_string() } else { format!("{}.{:02}", fen / 100, fen % 100) }
    }
}
