//! The check of a rule: names, types and cost.
//!
//! The language itself checks none of them. `member.tier == 1` is simply false there.

use super::{
    NESTING_MAX, language,
    source::{At, ClauseError},
};
use crate::limits::{RULE_COST_MAX, RULE_LIST_MAX};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators as op};
use std::fmt;

/// The types of the language of rules. There are no maps, floating-point numbers or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bool,
    Int,
    Text,
    Time,
    Span,
    Ints,
    Texts,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Text => "string",
            Type::Time => "timestamp",
            Type::Span => "duration",
            Type::Ints => "list of ints",
            Type::Texts => "list of strings",
        })
    }
}

/// The check of one rule: its clauses share one bound on cost.
#[derive(Default)]
pub(super) struct Check {
    pub(super) reads_history: bool,
    cost: usize,
}

/// One clause's check.
struct Walk<'a> {
    check: &'a mut Check,
    source: &'a SourceInfo,
    /// The variable of the loop that we are in, with its type.
    bound: Option<(String, Type)>,
    /// How often the expression that we look at is evaluated, at the most.
    times: usize,
    depth: u16,
}

type Checked = Result<Type, ClauseError>;

impl Check {
    /// Checks a clause that must be a condition.
    pub(super) fn clause(&mut self, text: &str) -> Result<(), ClauseError> {
        // Without the macros, which this environment lacks, the syntax tree is what was written.
        let parsed = language().parser().max_recursion_depth(NESTING_MAX).parse_with_source_info(text);
        let (expression, source) = parsed?;
        let mut walk = Walk { check: self, source: &source, bound: None, times: 1, depth: 0 };
        walk.expect(&expression, Type::Bool)
    }
}

impl Walk<'_> {
    /// Refuses the rule at this expression.
    fn refuse<T>(&self, at: &IdedExpr, reason: impl Into<String>) -> Result<T, ClauseError> {
        let byte = self.source.offset_for(at.id).map_or(0, |(from, _)| from as usize);
        Err(ClauseError { at: At::Byte(byte), reason: reason.into() })
    }

    /// Checks that an expression has the wanted type.
    fn expect(&mut self, expression: &IdedExpr, wanted: Type) -> Result<(), ClauseError> {
        match self.type_of(expression)? {
            found if found == wanted => Ok(()),
            found => self.refuse(expression, format!("a {wanted} is expected here, not a {found}")),
        }
    }

    /// The type of an expression. It counts the steps of its evaluation, and how deeply it is nested.
    fn type_of(&mut self, expression: &IdedExpr) -> Checked {
        self.check.cost += self.times;
        if self.check.cost > RULE_COST_MAX {
            return self.refuse(expression, format!("the rule takes more than {RULE_COST_MAX} steps"));
        }
        // A chain of operators is as deep as it is long, and the parser does not bound it.
        if self.depth > 2 * NESTING_MAX {
            return self.refuse(expression, "too deeply nested");
        }
        self.depth += 1;
        let found = self.type_within(expression);
        self.depth -= 1;
        found
    }

    fn type_within(&mut self, expression: &IdedExpr) -> Checked {
        match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => Ok(Type::Bool),
            Expr::Literal(LiteralValue::Int(_)) => Ok(Type::Int),
            Expr::Literal(LiteralValue::String(_)) => Ok(Type::Text),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) if !select.test => self.field(expression, &select.operand, &select.field),
            Expr::List(list) => self.list(expression, &list.elements),
            Expr::Call(call) => self.call(expression, call),
            _ => self.refuse(expression, "this is not part of the language of rules"),
        }
    }

    fn variable(&self, at: &IdedExpr, name: &str) -> Checked {
        match (name, &self.bound) {
            (name, Some((bound, found))) if name == bound => Ok(*found),
            ("channel", _) => Ok(Type::Text),
            ("now", _) => Ok(Type::Time),
            ("member" | "history", _) => self.refuse(at, format!("name a field of {name}")),
            _ => self.refuse(at, format!("there is no {name}: a rule knows member, channel, now and history")),
        }
    }

    fn field(&mut self, at: &IdedExpr, operand: &IdedExpr, field: &str) -> Checked {
        let Expr::Ident(name) = &operand.expr else {
            return self.refuse(at, "only member and history have fields");
        };
        match (name.as_str(), field) {
            ("member", "brand" | "tier" | "city" | "lifecycle_stage") => Ok(Type::Text),
            ("member", "tags") => Ok(Type::Texts),
            ("member", "tenure_days") => Ok(Type::Int),
            ("history", "claimed" | "claimed_today") => {
                self.check.reads_history = true;
                Ok(Type::Int)
            }
            ("member" | "history", _) => self.refuse(at, format!("{name} has no field {field}")),
            _ => self.refuse(at, "only member and history have fields"),
        }
    }

    /// A list that the rule writes out: 1 to 64 ints or strings, all of one type.
    fn list(&mut self, at: &IdedExpr, elements: &[IdedExpr]) -> Checked {
        let Some((first, rest)) = elements.split_first().filter(|_| elements.len() <= RULE_LIST_MAX) else {
            return self.refuse(at, format!("a list has 1 to {RULE_LIST_MAX} elements"));
        };
        let found = self.type_of(first)?;
        for element in rest {
            self.expect(element, found)?;
        }
        match found {
            Type::Int => Ok(Type::Ints),
            Type::Text => Ok(Type::Texts),
            other => self.refuse(at, format!("a list holds ints or strings, not a {other}")),
        }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Checked {
        match (&call.target, call.args.as_slice()) {
            (Some(target), arguments) => self.method(at, target, &call.func_name, arguments),
            (None, [one]) => self.of_one(at, &call.func_name, one),
            (None, [left, right]) => self.of_two(at, &call.func_name, left, right),
            (None, [condition, yes, no]) if call.func_name == op::CONDITIONAL => {
                self.expect(condition, Type::Bool)?;
                let found = self.type_of(yes)?;
                self.expect(no, found)?;
                Ok(found)
            }
            _ => self.refuse(at, format!("a rule has no {}", call.func_name)),
        }
    }

    fn of_one(&mut self, at: &IdedExpr, name: &str, operand: &IdedExpr) -> Checked {
        let literal = match &operand.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        };
        match (name, literal) {
            ("timestamp", Some(text)) if text.parse::<crate::Timestamp>().is_ok() => Ok(Type::Time),
            ("timestamp", _) => self.refuse(at, "timestamp takes a literal like '2026-11-22T00:00:00+08:00'"),
            ("duration", Some(text)) if is_duration(text) => Ok(Type::Span),
            ("duration", _) => self.refuse(at, "duration takes a literal of hours, minutes or seconds like '720h'"),
            _ => match (name, self.type_of(operand)?) {
                (op::LOGICAL_NOT, Type::Bool) => Ok(Type::Bool),
                (op::NEGATE, Type::Int) => Ok(Type::Int),
                ("size", Type::Text | Type::Texts | Type::Ints) => Ok(Type::Int),
                (_, found) => self.refuse(at, format!("{} does not take a {found}", shown(name))),
            },
        }
    }

    fn of_two(&mut self, at: &IdedExpr, name: &str, left: &IdedExpr, right: &IdedExpr) -> Checked {
        use Type::{Bool, Int, Ints, Span, Text, Texts, Time};
        let pair = (self.type_of(left)?, self.type_of(right)?);
        match (name, pair) {
            (op::LOGICAL_AND | op::LOGICAL_OR, (Bool, Bool)) => Ok(Bool),
            (op::EQUALS | op::NOT_EQUALS, (a, b)) if a == b && !matches!(a, Ints | Texts) => Ok(Bool),
            (
                op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS,
                (Int, Int) | (Time, Time) | (Span, Span),
            ) => Ok(Bool),
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, (Int, Int)) => Ok(Int),
            (op::SUBSTRACT, (Time, Time)) => Ok(Span),
            (op::ADD | op::SUBSTRACT, (Time, Span)) => Ok(Time),
            (op::IN, (Text, Texts) | (Int, Ints)) => Ok(Bool),
            (_, (a, b)) => self.refuse(at, format!("{} does not take a {a} and a {b}", shown(name))),
        }
    }

    fn method(&mut self, at: &IdedExpr, target: &IdedExpr, name: &str, arguments: &[IdedExpr]) -> Checked {
        match (name, self.type_of(target)?, arguments) {
            ("startsWith" | "endsWith" | "contains", Type::Text, [part]) => {
                self.expect(part, Type::Text)?;
                Ok(Type::Bool)
            }
            ("size", Type::Text | Type::Texts | Type::Ints, []) => Ok(Type::Int),
            ("getFullYear" | "getMonth" | "getDate" | "getDayOfWeek" | "getHours" | "getMinutes", Type::Time, []) => {
                Ok(Type::Int)
            }
            ("exists" | "all", Type::Texts, [variable, body]) => self.over_list(at, target, variable, body),
            (_, found, _) => self.refuse(at, format!("a {found} has no {name} with these arguments")),
        }
    }

    /// A loop over texts: `exists` or `all`. Its body is counted once for each element that there may be.
    fn over_list(&mut self, at: &IdedExpr, list: &IdedExpr, variable: &IdedExpr, body: &IdedExpr) -> Checked {
        let Expr::Ident(name) = &variable.expr else {
            return self.refuse(at, "a loop needs the name of its variable");
        };
        if self.bound.is_some() {
            return self.refuse(at, "no loop within a loop");
        }
        // A member's tags have the same bound as a list that is written out.
        let length = match &list.expr {
            Expr::List(list) => list.elements.len(),
            _ => RULE_LIST_MAX,
        };
        self.bound = Some((name.clone(), Type::Text));
        self.times = length;
        let checked = self.expect(body, Type::Bool);
        self.times = 1;
        self.bound = None;
        checked.map(|()| Type::Bool)
    }
}

/// An operator as it is written: `_<=_` is `<=`.
fn shown(name: &str) -> &str {
    name.trim_matches(|c| matches!(c, '_' | '@'))
}

/// Hours, minutes or seconds, at most six digits: eleven hundred years of hours.
fn is_duration(text: &str) -> bool {
    let digits = text.strip_suffix(['h', 'm', 's']).unwrap_or_default();
    (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
