use super::*;
use crate::member::LifecycleStage;
use proptest::prelude::*;

fn words(n: usize) -> Vec<Explanation> {
    (0..n).map(|i| Explanation { zh: format!("第{i}条"), en: format!("clause {i}") }).collect()
}

fn rule(text: &str, clauses: usize) -> Rule {
    Eligibility { rule: text.into(), explanations: words(clauses) }.compile().unwrap()
}

fn member() -> MemberAttributes {
    MemberAttributes {
        brand: Some("全球通".into()),
        tier: Some("金卡".into()),
        city: Some("广州".into()),
        tenure_since: Some("2024-11-22T04:00:00Z".parse().unwrap()),
        lifecycle_stage: Some(LifecycleStage::Stable),
        tags: vec!["亲子".into(), "高流量".into()],
    }
}

fn facts(member: &MemberAttributes) -> Facts<'_> {
    let history = History { claimed: 2, claimed_today: 1 };
    Facts { member, channel: Some("app"), now: "2026-11-22T04:00:00Z".parse().unwrap(), history }
}

#[test]
fn a_rule_is_asked_about_everything_it_may_name() {
    let member = member();
    for text in [
        "member.city in ['广州', '深圳']",
        "member.brand == '全球通' || member.tier != '普卡'",
        "member.tenure_days == 730",
        "member.tenure_days / 365 >= 2 && member.lifecycle_stage == 'stable'",
        "member.tags.exists(t, t == '亲子')",
        "member.tags.all(t, t.size() < 10) && '高流量' in member.tags",
        "channel.startsWith('a')",
        "now.getHours() == 12 && now.getDayOfWeek() == 0",
        "now < timestamp('2026-12-01T00:00:00+08:00')",
        "now - timestamp('2026-11-01T00:00:00+08:00') > duration('480h')",
        "history.claimed < 3 && history.claimed_today <= 1",
        "(member.city == '深圳' ? history.claimed : history.claimed_today) == 1",
        "!(member.city == '深圳')",
    ] {
        let clauses = source::clauses(text).unwrap().len();
        assert!(rule(text, clauses).first_failing(&facts(&member)).is_none(), "{text}");
        let denied = format!("!({text})");
        assert!(rule(&denied, 1).first_failing(&facts(&member)).is_some(), "{denied}");
    }
}

#[test]
fn the_first_clause_that_fails_is_named_with_its_words() {
    let text = "member.city == '广州' &&\n  (channel == 'hall' || member.tier == '普卡 && )(') && history.claimed == 0";
    let member = member();
    let rule = rule(text, 3);
    let failed = rule.first_failing(&facts(&member)).unwrap();
    assert_eq!(failed.text(), "(channel == 'hall' || member.tier == '普卡 && )(')");
    assert_eq!(failed.explanation(), &words(3)[1]);
    assert!(rule.reads_history());
}

#[test]
fn an_unknown_member_is_nobody_in_particular() {
    let nobody = MemberAttributes::default();
    let asked = Facts { channel: None, history: History::default(), ..facts(&nobody) };
    for text in ["member.city == ''", "member.tags.size() == 0", "member.tenure_days == 0", "channel == ''"] {
        assert!(rule(text, 1).first_failing(&asked).is_none(), "{text}");
    }
}

#[test]
fn arithmetic_that_errs_counts_as_no() {
    let member = member();
    for text in ["1 / (history.claimed - 2) == 1", "9223372036854775807 + history.claimed > 0"] {
        assert!(rule(text, 1).first_failing(&facts(&member)).is_some(), "{text}");
    }
}

#[track_caller]
fn refused(text: &str, line: usize, column: usize, reason: &str) {
    let clauses = source::clauses(text).map_or(1, |clauses| clauses.len());
    let error = Eligibility { rule: text.into(), explanations: words(clauses) }.compile().unwrap_err();
    assert!(error.reason.contains(reason), "{text}: {error}");
    assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_its_reason() {
    refused("", 1, 1, "mismatched input");
    refused("member.city ==", 1, 15, "mismatched input");
    refused("member.city == '广州' &&\n  member.citty == '深圳'", 2, 9, "member has no field citty");
    refused("member.city == '广' && vip", 1, 23, "there is no vip");
    refused("member.city == 3", 1, 13, "== does not take a string and a int");
    refused("member == history", 1, 1, "name a field of member");
    refused("channel.city == ''", 1, 8, "only member and history have fields");
    refused("member.city", 1, 7, "a bool is expected here, not a string");
    refused("member.tier > '金卡'", 1, 13, "> does not take a string and a string");
    refused("'a' in member.city", 1, 5, "in does not take");
    refused("[1, 'a'] == [1, 'a']", 1, 5, "a int is expected here, not a string");
    refused("1.5 < 2.0", 1, 1, "not part of the language");
    refused("{'a': 1}.a == 1", 1, 9, "only member and history have fields");
    refused("has(member.city)", 1, 4, "does not take a string");
    refused("member.city.matches('.*')", 1, 20, "a string has no matches");
    refused("member.tags.map(t, t) == []", 1, 16, "has no map");
    refused("timestamp(channel) < now", 1, 10, "timestamp takes a literal");
    refused("now - now > duration('30d')", 1, 21, "duration takes a literal");
    refused("channel == 'a' // why", 1, 16, "no comments");
    refused("channel == '\\n'", 1, 13, "no escapes");
    refused("member.tags.exists(t, member.tags.exists(u, u == t))", 1, 41, "no loop within a loop");
}

#[test]
fn what_would_take_too_long_is_refused() {
    let numbers = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    refused(&format!("1 in [{}]", numbers(65)), 1, 6, "a list has 1 to 64 elements");
    let wide = format!("t.size() in [{}]", numbers(64));
    refused(&format!("member.tags.exists(t, {wide})"), 1, 107, "the rule takes more than 2000 steps");
    let parentheses = format!("{}true{}", "(".repeat(100), ")".repeat(100));
    assert!(Eligibility { rule: parentheses, explanations: words(1) }.compile().is_err());
    let sum = format!("{} > 0", vec!["1"; 100].join("+"));
    assert!(Eligibility { rule: sum, explanations: words(1) }.compile().unwrap_err().reason.contains("nested"));
    let long = format!("channel == '{}'", "x".repeat(RULE_BYTES_MAX));
    assert!(Eligibility { rule: long, explanations: words(1) }.compile().unwrap_err().reason.contains("4096 bytes"));
    let many = vec!["true"; RULE_CLAUSES_MAX + 1].join("&&");
    assert!(Eligibility { rule: many, explanations: words(33) }.compile().unwrap_err().reason.contains("32 clauses"));
}

#[test]
fn every_clause_has_words() {
    let compile = |explanations| Eligibility { rule: "true && false".into(), explanations }.compile();
    assert!(compile(words(2)).is_ok());
    for count in [0, 1, 3] {
        assert!(compile(words(count)).unwrap_err().reason.contains("2 clauses need as many explanations"));
    }
    let mut silent = words(2);
    silent[1].zh.clear();
    assert!(compile(silent).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is written, compiling ends with a rule or with a place in the text; a rule never panics.
    #[test]
    fn no_text_breaks_the_compiler(parts in prop::collection::vec(prop::sample::select(vec![
        "member", ".", "city", "tags", "tenure_days", "channel", "now", "==", "<", "&&", "||", "!", "(", ")", "[", "]", "'a'",
        "1", ",", "in", "exists", "t", "getHours()", "?", ":", "+", "-", "{", "}", "广", "\"", " ", "\n",
    ]), 0..24)) {
        let text = parts.concat();
        let clauses = source::clauses(&text).map_or(1, |clauses| clauses.len());
        match (Eligibility { rule: text.clone(), explanations: words(clauses) }).compile() {
            Ok(rule) => drop(rule.first_failing(&facts(&member())).map(Clause::text)),
            Err(error) => prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1, "{error}"),
        }
    }
}
