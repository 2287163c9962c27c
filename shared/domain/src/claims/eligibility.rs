//! Who may claim (B5): one expression in CEL over the member, the channel, the time and the member's history here.
//!
//! A rule is a conjunction of clauses, each with words that a clerk can read out when it fails. It is compiled once: parsed,
//! its names and types checked against the variables below, its cost bounded. What passes can be evaluated for any member
//! in microseconds, and never errs but by arithmetic, which counts as "no".
//!
//! | variable | type | is |
//! |---|---|---|
//! | `member.brand`, `.tier`, `.city`, `.lifecycle_stage` | string | what the operator knows; empty until known |
//! | `member.tags` | list of strings | the portrait; empty until known |
//! | `member.tenure_days` | int | whole days since the number became the operator's; 0 until known |
//! | `channel` | string | through which channel the claim comes; empty when it names none |
//! | `now` | timestamp | the time of the claim, on the province's clock: `now.getHours()` is the hour on its walls |
//! | `history.claimed`, `.claimed_today` | int | coupons of this campaign that the member has claimed, ever and today |

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
    /// A CEL expression; its clauses are what `&&` joins outside parentheses.
    pub rule: String,
    /// What is said when a clause fails, one for each clause.
    pub explanations: Vec<Explanation>,
}

/// Words for a person, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// Why a rule is refused when it is loaded, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("eligibility.rule, line {line}, column {column}: {reason}")]
pub struct RuleError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

/// A rule that was checked, ready to be asked.
pub struct Rule {
    clauses: Vec<Clause>,
    reads_history: bool,
}

/// One condition of a rule.
pub struct Clause {
    text: String,
    expression: IdedExpr,
    explanation: Explanation,
}

/// What a rule is asked about.
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

/// What a member has claimed of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// Ever.
    pub claimed: u8,
    /// On the day of the claim.
    pub claimed_today: u8,
}

/// The functions of the language, built once: they take a thousand times longer to build than a rule to evaluate.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(language()));

fn language() -> Env {
    Env::default().with_optional_support(false).with_stdlib()
}

/// Parentheses, calls and operators within each other: far more than a person can read, far less than a stack holds.
const NESTING_MAX: u16 = 16;

impl Eligibility {
    /// Parses and checks the rule.
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
    /// Whether it asks what the member has claimed before.
    pub fn reads_history(&self) -> bool {
        self.reads_history
    }

    /// The first clause that does not hold, in the order of the rule.
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

    /// What to say.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }

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

fn on_the_provinces_clock(now: Timestamp) -> Value {
    let offset = i32::try_from(PROVINCE_OFFSET_SECONDS).ok().and_then(chrono::FixedOffset::east_opt);
    let now = chrono::DateTime::from_timestamp(now.unix_seconds(), 0).unwrap_or_default();
    Value::Timestamp(offset.map_or_else(|| now.fixed_offset(), |offset| now.with_timezone(&offset)))
}

#[cfg(test)]
mod tests;
