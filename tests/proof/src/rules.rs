//! What an eligibility rule costs.

use mealticket_domain::{
    MemberAttributes,
    eligibility::{Eligibility, Explanation, Facts, History},
};
use std::time::{Duration, Instant};

/// Ten clauses of the kinds that campaigns use.
pub const TEN_CLAUSES: &str = "member.city in ['广州', '深圳', '佛山'] && member.brand == '全球通' && \
    member.tenure_days >= 365 && (member.tier == '金卡' || member.tier == '银卡') && \
    member.lifecycle_stage != 'leaving' && channel == 'app' && now.getHours() >= 8 && \
    member.tags.exists(t, t == '亲子') && history.claimed < 3 && history.claimed_today == 0";

/// The mean time of one evaluation, over this many evaluations.
pub fn evaluate(times: u32) -> Duration {
    let words = Explanation { zh: "不符合".into(), en: "no".into() };
    let rule = Eligibility { rule: TEN_CLAUSES.into(), explanations: vec![words; 10] }.compile().unwrap();
    let member = MemberAttributes {
        brand: Some("全球通".into()),
        tier: Some("金卡".into()),
        city: Some("广州".into()),
        tenure_since: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        lifecycle_stage: None,
        tags: vec!["高流量".into(), "亲子".into()],
    };
    let now = "2026-11-22T04:00:00Z".parse().unwrap();
    let facts = Facts { member: &member, channel: Some("app"), now, history: History::default() };
    let began = Instant::now();
    for _ in 0..times {
        assert!(rule.first_failing(&facts).is_none());
    }
    began.elapsed() / times.max(1)
}
