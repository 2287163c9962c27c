//! The words of refusals, in Chinese and English: something a cashier can read out.

use crate::codes::Code;
use mealticket_domain::{Province, Timestamp};
use serde_json::{Map, Value};

/// A language of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 简体中文.
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language of an `Accept-Language` header: the first of ours by weight; Chinese when none is named.
    pub fn accepted(header: Option<&str>) -> Self {
        let weighted = header.unwrap_or_default().split(',').filter_map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let language = match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
                "zh" => Language::Zh,
                "en" => Language::En,
                _ => return None,
            };
            Some((language, weight(parameters)))
        });
        // The first of equal weights wins: `max_by` would take the last.
        let best = weighted.fold(None, |best: Option<(Language, u16)>, next| match best {
            Some(known) if known.1 >= next.1 => Some(known),
            _ => Some(next),
        });
        best.filter(|(_, weight)| *weight > 0).map_or(Language::Zh, |(language, _)| language)
    }

    /// The tag of `Content-Language`.
    pub const fn tag(self) -> &'static str {
        match self {
            Language::Zh => "zh-CN",
            Language::En => "en",
        }
    }
}

/// `q=0.8` as 800; 1 000 when absent or unreadable.
fn weight(parameters: &str) -> u16 {
    let q = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some((whole, part)) = q.map(|q| q.split_once('.').unwrap_or((q, ""))) else { return 1_000 };
    let thousandths = format!("{part:0<3}").get(..3).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(0);
    if whole == "0" { thousandths } else { 1_000 }
}

/// A refusal's short name, the same for every occurrence.
pub fn title(code: Code, language: Language) -> &'static str {
    let (zh, en) = match code {
        Code::Unauthenticated => ("请先登录", "Not signed in"),
        Code::OtpWrong => ("验证码不正确", "Wrong one-time code"),
        Code::OtpExpired => ("验证码已失效", "One-time code no longer valid"),
        Code::SessionRevoked => ("登录已失效", "Session is over"),
        Code::SignatureInvalid => ("签名无效", "Signature not valid"),
        Code::BodyTooLarge => ("请求内容过大", "Request too large"),
        Code::MalformedRequest => ("请求格式不正确", "Malformed request"),
        Code::IdempotencyKeyMissing => ("缺少幂等键", "Idempotency key missing"),
        Code::RouteNotFound => ("没有这个接口", "No such route"),
        Code::MemberNotFound => ("会员不存在", "No such member"),
        Code::CampaignNotFound => ("活动不存在", "No such campaign"),
        Code::CouponNotFound => ("券不存在", "No such coupon"),
        Code::StoreNotFound => ("门店不存在", "No such store"),
        Code::CodeNotFound => ("券码无效", "Code not found"),
        Code::Forbidden => ("没有权限", "Not allowed"),
        Code::StatementNotFound => ("结算单不存在", "No such statement"),
        Code::BillNotReady => ("账单尚未生成", "Bill not ready"),
        Code::StatementConfirmed => ("结算单已确认", "Statement confirmed"),
        Code::StatementDisputed => ("结算单已有异议", "Statement disputed"),
        Code::RecordNotFound => ("记录不存在", "No such record"),
        Code::RecordUnreadable => ("记录仍无法读取", "Record still not readable"),
        Code::MerchantNotFound
        | Code::EndpointNotFound
        | Code::DeliveryNotFound
        | Code::EndpointExists
        | Code::EndpointLimit
        | Code::EndpointChanged
        | Code::DiscrepancyNotFound
        | Code::DiscrepancyNotAcceptable
        | Code::DiscrepancyDecided
        | Code::ReplayLimit => title_about_webhooks(code),
        Code::HoldNotFound => ("占用记录不存在", "No such hold"),
        Code::RedemptionNotFound => ("核销记录不存在", "No such redemption"),
        Code::IdempotencyKeyReused => ("幂等键已用于其他请求", "Idempotency key used for another request"),
        Code::WebhookIdReused => ("通知编号已用于其他内容", "Webhook id used for another body"),
        Code::OtherProvince => ("外省券码", "Code of another province"),
        Code::CodeDeactivated => ("券已停用", "Coupon deactivated"),
        Code::CodeExpired => ("券已过期", "Coupon expired"),
        Code::NotYetValid => ("券尚未生效", "Coupon not valid yet"),
        Code::CodeAlreadyRedeemed => ("券已使用", "Coupon already redeemed"),
        Code::RedemptionLimit => ("券核销次数已达上限", "Coupon redeemed too often"),
        Code::CodeHeld => ("券正被占用", "Coupon held"),
        Code::HoldLapsed => ("占用已失效", "Hold lapsed"),
        Code::OutsideHours => ("不在可用时段", "Not at this hour"),
        Code::StoreNotInScope => ("本店不适用", "Not for this store"),
        Code::MinimumSpendNotMet => ("未达使用门槛", "Minimum spend not met"),
        Code::AlreadyReversed => ("已撤销", "Already reversed"),
        Code::ReversalWindowClosed => ("已过撤销期限", "Too late to reverse"),
        Code::CampaignEnded => ("活动已结束", "Campaign over"),
        Code::CampaignPaused => ("活动暂停", "Campaign paused"),
        Code::NotStarted => ("活动未开始", "Campaign not started"),
        Code::LimitReached => ("已达领取上限", "Limit reached"),
        Code::NotEligible => ("不符合领取条件", "Not eligible"),
        Code::StockSettling => ("库存结算中", "Stock being settled"),
        Code::DayStockExhausted => ("今日已抢光", "None left today"),
        Code::SoldOut => ("已抢光", "Sold out"),
        Code::TooManyMessages => ("验证码发送过于频繁", "Too many messages"),
        Code::TemporarilyUnavailable => ("系统繁忙", "Temporarily unavailable"),
        Code::Internal => ("系统错误", "Internal error"),
    };
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// What happened this time, in a sentence or two, from the facts that the client may know anyway.
pub fn detail(code: Code, facts: &Map<String, Value>, language: Language) -> String {
    let facts = Facts { facts, language };
    let (zh, en) = with_facts(code, &facts).unwrap_or_else(|| {
        let (zh, en) = without_facts(code);
        (zh.to_owned(), en.to_owned())
    });
    match language {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// The words that name facts, for the codes that have some.
fn with_facts(code: Code, facts: &Facts<'_>) -> Option<(String, String)> {
    Some(match code {
        Code::MalformedRequest => match facts.text("field") {
            Some(".") | None => {
                ("请求不是有效的 JSON。".into(), "The request is not the JSON that is expected.".into())
            }
            Some(field) => (
                format!("字段 {field} 缺失、多余或不符合要求。"),
                format!("The field {field} is missing, unknown or not valid."),
            ),
        },
        Code::OtpWrong => (
            format!("验证码不正确，还可以再试 {} 次。", facts.number("tries_left")),
            format!("The code is wrong; {} tries are left.", facts.number("tries_left")),
        ),
        Code::OtherProvince => (
            format!("这是{0}的券码，请到{0}使用。", facts.province()),
            format!("This code is from {}; it can be used there.", facts.province()),
        ),
        Code::CodeExpired => (
            format!("该券已于 {} 过期。", facts.clock("expired_at")),
            format!("The coupon expired at {}.", facts.clock("expired_at")),
        ),
        Code::NotYetValid => (
            format!("该券 {} 起才能使用。", facts.clock("valid_from")),
            format!("The coupon can be used from {}.", facts.clock("valid_from")),
        ),
        Code::CodeAlreadyRedeemed => (
            format!("该券已于 {} 使用，不能再次使用。", facts.clock("redeemed_at")),
            format!("The coupon was redeemed at {} and cannot be used again.", facts.clock("redeemed_at")),
        ),
        Code::CodeHeld => (
            format!("该券正在另一笔订单中使用，{} 后可重试。", facts.clock("held_until")),
            format!("The coupon is held for another order until {}.", facts.clock("held_until")),
        ),
        Code::MinimumSpendNotMet => (
            format!("订单满 {} 元才能使用。", facts.yuan("minimum_fen")),
            format!("The order must be at least {} yuan.", facts.yuan("minimum_fen")),
        ),
        Code::OutsideHours => (
            format!("现在不在可用时段，{} 起可以使用。", facts.clock("next_window")),
            format!("The coupon can be used from {}.", facts.clock("next_window")),
        ),
        Code::BillNotReady => (
            format!("当日账单将于 {} 后生成。", facts.clock("ready_at")),
            format!("The day's bill is there after {}.", facts.clock("ready_at")),
        ),
        Code::DayStockExhausted => (
            format!("今天的份额已领完，{} 起可以再领。", facts.clock("retry_at")),
            format!("None are left today; come back at {}.", facts.clock("retry_at")),
        ),
        Code::NotEligible => {
            let explanation = facts.text("explanation")?.to_owned();
            (explanation.clone(), explanation)
        }
        Code::LimitReached if facts.text("limit") == Some("per_member_day") => {
            ("您今天已达到领取上限，请明天再来。".into(), "You have as many as one member may have in a day.".into())
        }
        Code::NotStarted => (
            format!("活动将于 {} 开始。", facts.clock("starts_at")),
            format!("The campaign begins at {}.", facts.clock("starts_at")),
        ),
        _ => return None,
    })
}

/// The short names of refusals about webhooks to merchants.
fn title_about_webhooks(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::MerchantNotFound => ("商户不存在", "No such merchant"),
        Code::EndpointNotFound => ("通知地址不存在", "No such endpoint"),
        Code::DeliveryNotFound => ("通知记录不存在", "No such delivery"),
        Code::EndpointExists => ("通知地址编号已存在", "Endpoint exists"),
        Code::EndpointLimit => ("通知地址过多", "Too many endpoints"),
        Code::EndpointChanged => ("通知地址已变更", "Endpoint changed"),
        Code::DiscrepancyNotFound => ("差异记录不存在", "No such discrepancy"),
        Code::DiscrepancyNotAcceptable => ("差异无法接受", "Discrepancy cannot be accepted"),
        Code::DiscrepancyDecided => ("差异已有结论", "Discrepancy decided otherwise"),
        _ => ("通知重发次数已达上限", "Sent again too often"),
    }
}

/// The words of refusals about webhooks to merchants.
fn detail_about_webhooks(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::EndpointExists => {
            ("该名称已登记为另一个地址。", "This name is that of an endpoint with another address or other events.")
        }
        Code::EndpointLimit => ("该商户的通知地址已达上限。", "A merchant has at most eight endpoints."),
        Code::EndpointChanged => {
            ("通知地址已被他人修改，请刷新后重试。", "Somebody else changed the endpoint; read it again first.")
        }
        Code::DiscrepancyNotAcceptable => {
            ("上报内容不足以记账，只能驳回。", "The report does not say enough to be paid by; it can be rejected.")
        }
        Code::DiscrepancyDecided => ("该差异已作出相反的结论。", "The discrepancy was decided otherwise."),
        _ => ("该通知重发次数已达上限。", "The delivery was attempted a hundred times."),
    }
}

/// The words of the other codes; of those above when a fact is missing, their title.
fn without_facts(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unauthenticated => ("请登录后重试。", "Send a valid bearer token."),
        Code::OtpExpired => ("验证码已失效，请重新获取。", "Ask for a new one-time code."),
        Code::SessionRevoked => ("登录已失效，请重新登录。", "Sign in again."),
        Code::SignatureInvalid => {
            ("通知的签名、时间或编号无效。", "The webhook's signature, time stamp or id is not valid.")
        }
        Code::BodyTooLarge => ("请求内容不能超过 64 KiB。", "A request body is at most 64 KiB."),
        Code::IdempotencyKeyMissing => (
            "请在 Idempotency-Key 请求头中提供 16 到 255 个字符。",
            "Send an Idempotency-Key header of 16 to 255 characters.",
        ),
        Code::IdempotencyKeyReused => {
            ("同一个幂等键已用于另一个请求，请更换。", "This key has succeeded with another payload; use a new one.")
        }
        Code::WebhookIdReused => {
            ("同一个通知编号已用于另一份内容。", "This webhook id was received with another body.")
        }
        Code::CodeNotFound => ("没有找到这个券码，请核对后重新输入。", "No coupon has this code; please check it."),
        Code::StoreNotFound => ("没有找到这个门店。", "The merchant has no such store."),
        Code::CodeDeactivated => ("该券已被停用，不能使用。", "The coupon was taken back and cannot be used."),
        Code::RedemptionLimit => ("该券的核销次数已达上限。", "The coupon was redeemed and reversed too often."),
        Code::Forbidden => ("您的角色不能使用此功能。", "None of your roles may do this."),
        Code::StatementConfirmed => {
            ("结算单已确认，不能再提出异议。", "The statement is confirmed; that ends the matter.")
        }
        Code::StatementDisputed => ("已以其他原因提出异议。", "The statement is disputed for another reason."),
        Code::RecordUnreadable => {
            ("该记录仍无法读取，原因见 reason。", "The record still cannot be read; reason says why.")
        }
        Code::EndpointExists
        | Code::EndpointLimit
        | Code::EndpointChanged
        | Code::DiscrepancyNotAcceptable
        | Code::DiscrepancyDecided
        | Code::ReplayLimit => detail_about_webhooks(code),
        Code::HoldLapsed => ("占用已失效，请重新核销。", "The hold no longer counts; redeem without it."),
        Code::StoreNotInScope => ("该券不能在本店使用。", "The coupon cannot be used in this store."),
        Code::AlreadyReversed => ("这笔核销已经撤销过了。", "This redemption was reversed before."),
        Code::ReversalWindowClosed => ("已超过可撤销的时间。", "The time for reversing this redemption is over."),
        Code::CampaignEnded => ("活动已结束。", "The campaign is over."),
        Code::CampaignPaused => ("活动暂停中，请稍后再试。", "The campaign is paused; try again later."),
        Code::LimitReached => ("您已达到该活动的领取上限。", "You have as many as one member may have."),
        Code::NotEligible => ("您不符合该活动的领取条件。", "The campaign is not for you, here or now."),
        Code::StockSettling => {
            ("最后几份正在结算，请稍后再试。", "The last ones are being settled; try again in a moment.")
        }
        Code::SoldOut => ("已经抢光了。", "None are left."),
        Code::TooManyMessages => {
            ("验证码发送过于频繁，请稍后再试。", "Too many one-time codes were asked for; try again later.")
        }
        Code::TemporarilyUnavailable => {
            ("系统繁忙，请用同一个幂等键重试。", "Send the same request again with the same key.")
        }
        Code::Internal => ("系统错误，我们已记录。", "Something went wrong on our side; it has been recorded."),
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
        | Code::RedemptionNotFound => ("没有找到，请核对编号。", "Nothing has this id."),
        Code::MalformedRequest
        | Code::OtpWrong
        | Code::OtherProvince
        | Code::CodeExpired
        | Code::NotYetValid
        | Code::CodeAlreadyRedeemed
        | Code::CodeHeld
        | Code::MinimumSpendNotMet
        | Code::OutsideHours
        | Code::DayStockExhausted
        | Code::BillNotReady
        | Code::NotStarted => (title(code, Language::Zh), title(code, Language::En)),
    }
}

struct Facts<'a> {
    facts: &'a Map<String, Value>,
    language: Language,
}

impl Facts<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.facts.get(name).and_then(Value::as_str)
    }

    fn province(&self) -> &'static str {
        let province = self.text("province").and_then(|code| code.parse::<Province>().ok());
        match (province, self.language) {
            (Some(province), Language::Zh) => province.name_zh(),
            (Some(province), Language::En) => province.name_en(),
            (None, Language::Zh) => "外省",
            (None, Language::En) => "another province",
        }
    }

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

    fn yuan(&self, name: &str) -> String {
        let fen = self.number(name);
        if fen.is_multiple_of(100) { (fen / 100).to_string() } else { format!("{}.{:02}", fen / 100, fen % 100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accepted_language_is_the_heaviest_of_ours_and_chinese_otherwise() {
        for (header, language) in [
            (None, Language::Zh),
            (Some(""), Language::Zh),
            (Some("fr"), Language::Zh),
            (Some("en"), Language::En),
            (Some("en-US,en;q=0.9,zh;q=0.8"), Language::En),
            (Some("en;q=0.5, zh-CN;q=0.9"), Language::Zh),
            (Some("zh;q=0, en;q=0.1"), Language::En),
            (Some("en;q=0"), Language::Zh),
            (Some("券"), Language::Zh),
            (Some(";;;,,,q=9"), Language::Zh),
        ] {
            assert_eq!(Language::accepted(header), language, "{header:?}");
        }
    }
}
