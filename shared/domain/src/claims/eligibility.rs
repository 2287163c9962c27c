//! Who may claim (B5): one expression in CEL over the member, the channel, the time and the member's history
//! here.
//!
//! A rule (领取条件) is a conjunction of clauses, each with words that a clerk can read out when it fails. It is
//! compiled once: parsed, its names and types checked against the variables below, its cost bounded. What
//! passes can be evaluated for any member in microseconds. Arithmetic alone can still fail, and that counts
//! as "no".
//!
//! | variable | type | is |
//! |---|---|---|
//! | `member.brand`, `.tier`, `.city`, `.lifecycle_stage` | string | what the operator knows; empty until known |
//! | `member.tags` | list of strings | the portrait; empty until known |
//! | `member.tenure_days` | int | whole days since the number became the operator's; 0 until known |
//! | `channel` | string | through which channel the claim comes; empty when it names none |
//! | `now` | timestamp | the time of the claim, on the province's clock: `now.getHours()` is the hour on its walls |
//! | `history.claimed`, `.claimed_today` | int | coupons of this campaign that the member has claimed, ever and today |
//!
//! ```text
//! member.tenure_days >= 365 && channel == 'app'       two clauses, so two explanations
//! ```

mod check;
mod source;

use crate::{
    limits::{EXPLANATION_CHARS_MAX, RULE_BYTES_MAX, RULE_CLAUSES_MAX},
    member::MemberAttributes,
    timestamp::{PROVINCE_OFFSET_SECONDS, Timestamp},
};
use cel::{Context, Env, Value, common::ast::IdedExpr, common::types::CelBool, parser::Parser};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
};

/// The rule as terms carry it: an expression, and words for each of its clauses in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eligibility {
    /// A CEL expression of at most 4 096 bytes. Its clauses are what `&&` joins outside parentheses, at most
    /// 32.
    pub rule: String,
    /// The words for a clause that fails: one for each clause, in their order.
    pub explanations: Vec<Explanation>,
}

/// Words for a person, in both languages, each 1 to 120 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The words in Chinese.
    pub zh: String,
    /// The words in English.
    pub en: String,
}

/// Why a rule is refused when it is loaded, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("eligibility.rule, line {line}, column {column}: {reason}")]
pub struct RuleError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, counted in characters and not in bytes.
    pub column: usize,
    /// What is wrong, in English, for whoever writes the rule.
    pub reason: String,
}

/// A rule that was checked, ready to be evaluated for any member.
pub struct Rule {
    clauses: Vec<Clause>,
    reads_history: bool,
}

/// One condition of a rule, with the words for its failure.
pub struct Clause {
    text: String,
    expression: IdedExpr,
    explanation: Explanation,
}

/// The facts that a rule is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the operator knows of the member.
    pub member: &'a MemberAttributes,
    /// Through which channel the claim comes.
    pub channel: Option<&'a str>,
    /// The time of the claim.
    pub now: Timestamp,
    /// What the member has claimed of this campaign.
    pub history: History,
}

/// How many coupons of a campaign a member has claimed, whatever became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// In all, at most 64.
    pub claimed: u8,
    /// On the province's day of the claim.
    pub claimed_today: u8,
}

/// The functions of the language, built once: they take a thousand times longer to build than a rule to evaluate.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(language()));

/// The language of rules: CEL with its standard functions, without its optional values.
fn language() -> Env {
    Env::default().with_optional_support(false).with_stdlib()
}

/// Parentheses, calls and operators within each other: far more than a person can read, far less than a stack holds.
const NESTING_MAX: u16 = 16;

impl Eligibility {
    /// Parses and checks the rule.
    ///
    /// A rule is refused that is too long, does not parse or type-check, or costs too much. So are
    /// explanations that do not match the clauses one by one. The error says where in the text it is.
    pub fn compile(&self) -> Result<Rule, RuleError> {
        let at_start = |reason: String| RuleError { line: 1, column: 1, reason };
        if self.rule.len() > RULE_BYTES_MAX {
            return Err(at_start(format!("the rule has more than {RULE_BYTES_MAX} bytes")));
        }
        let pieces = source::clauses(&self.rule)?;
        if pieces.len() > RULE_CLAUSES_MAX {
            return Err(at_start(format!("the rule has more than {RULE_CLAUSES_MAX} clauses")));
        }
        let worded = |text: &str| (1..=EXPLANATION_CHARS_MAX).contains(&text.chars().count());
        let explained = self.explanations.iter().all(|words| worded(&words.zh) && worded(&words.en));
        if pieces.len() != self.explanations.len() || !explained {
            let (clauses, words) = (pieces.len(), self.explanations.len());
            return Err(at_start(format!(
                "{clauses} clauses need as many explanations of 1 to {EXPLANATION_CHARS_MAX} characters; there are {words}"
            )));
        }
        let mut check = check::Check::default();
        let mut clauses = Vec::new();
        for (piece, explanation) in pieces.into_iter().zip(&self.explanations) {
            let at = |error| source::place(&self.rule, &piece, error);
            check.clause(piece.text).map_err(at)?;
            let parsed = Parser::new().max_recursion_depth(NESTING_MAX).parse(piece.text);
            let expression = parsed.map_err(|errors| at(source::ClauseError::from(errors)))?;
            clauses.push(Clause { text: piece.text.to_owned(), expression, explanation: explanation.clone() });
        }
        Ok(Rule { clauses, reads_history: check.reads_history })
    }
}

impl Rule {
    /// Whether it asks what the member has claimed before. If not, a claim need not read the member's
    /// coupons.
    pub fn reads_history(&self) -> bool {
        self.reads_history
    }

    /// The first clause that does not hold, in the order of the rule; `None` when the member may claim.
    pub fn first_failing(&self, facts: &Facts<'_>) -> Option<&Clause> {
        let context = context(facts);
        self.clauses.iter().find(|clause| !clause.holds(&context))
    }
}

impl Clause {
    /// The clause as it is written in the rule.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words to say when it fails.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }

    /// Whether the clause is true of these facts. An error of its arithmetic counts as false.
    fn holds(&self, context: &Context<'_, '_>) -> bool {
        let value = Value::resolve_val(&self.expression, context).ok();
        value.and_then(|value| value.downcast_ref::<CelBool>().map(|truth| *truth.inner())).unwrap_or(false)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clauses.iter().map(Clause::text)).finish()
    }
}

/// The variables of a rule, with the values of these facts. What is not known is empty or 0.
fn context(facts: &Facts<'_>) -> Context<'static, 'static> {
    let member = facts.member;
    let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    let tenure = member.tenure_since.map_or(0, |since| facts.now.seconds_since(since).max(0) / 86_400);
    let stage = member.lifecycle_stage.map_or("", |stage| stage.as_str());
    let member = HashMap::<String, Value>::from([
        ("brand".into(), text(&member.brand)),
        ("tier".into(), text(&member.tier)),
        ("city".into(), text(&member.city)),
        ("lifecycle_stage".into(), stage.into()),
        ("tags".into(), Value::from(member.tags.clone())),
        ("tenure_days".into(), tenure.into()),
    ]);
    let history = HashMap::<String, Value>::from([
        ("claimed".into(), i64::from(facts.history.claimed).into()),
        ("claimed_today".into(), i64::from(facts.history.claimed_today).into()),
    ]);
    let mut context = Context::with_env(Arc::clone(&STANDARD));
    context.add_variable_from_value("member", member);
    context.add_variable_from_value("history", history);
    context.add_variable_from_value("channel", facts.channel.unwrap_or_default().to_owned());
    context.add_variable_from_value("now", on_the_provinces_clock(facts.now));
    context
}

/// The instant as a CEL timestamp at UTC+8, so that its hours and weekdays are the province's.
fn on_the_provinces_clock(now: Timestamp) -> Value {
    let offset = i32::try_from(PROVINCE_OFFSET_SECONDS).ok().and_then(chrono::FixedOffset::east_opt);
    let now = chrono::DateTime::from_timestamp(now.unix_seconds(), 0).unwrap_or_default();
    Value::Timestamp(offset.map_or_else(|| now.fixed_offset(), |offset| now.with_timezone(&offset)))
}

#[cfg(test)]
mod tests;
