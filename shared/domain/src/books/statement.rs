//! Statements (结算单, S2): what a merchant is owed for a month. **Closed once, numbered, and never changed.**
//!
//! A statement is the sum of the merchant's sheets of a month whose days are all closed. So making it again
//! gives the same. The merchant confirms it or disputes it. That answer is written beside it, not in it.

use crate::{
    books::{Cell, Cells, Sum},
    ids::{CampaignNo, IdError, MerchantId, StoreId},
    settlement::{Account, Postings},
    text::DisputeReason,
    timestamp::{ProvinceMonth, Timestamp},
};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The id of a statement: a merchant has one a month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId {
    /// The merchant who is owed.
    pub merchant: MerchantId,
    /// The month of the province's calendar.
    pub month: ProvinceMonth,
}

const PREFIX: &str = "stm_";

/// `stm_`, the merchant's name, and the month in six digits, like `stm_luckytea202611`.
impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let merchant = self.merchant.as_str().trim_start_matches("mch_");
        write!(f, "{PREFIX}{merchant}{}", self.month.to_string().replace('-', ""))
    }
}

/// Reads what `Display` writes: the last six characters are the month.
impl FromStr for StatementId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let named = text.strip_prefix(PREFIX).filter(|named| named.is_ascii()).ok_or(IdError)?;
        let (merchant, month) = named.split_at_checked(named.len().saturating_sub(6)).ok_or(IdError)?;
        let (year, month) = month.split_at_checked(4).ok_or(IdError)?;
        let month = format!("{year}-{month}").parse().map_err(|_| IdError)?;
        Ok(StatementId { merchant: format!("mch_{merchant}").parse()?, month })
    }
}

/// A closed statement. It is written once; nothing in it changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its merchant and month.
    pub id: StatementId,
    /// Its number among the merchant's statements, from 1, without gaps.
    pub no: u32,
    /// Fen that were owed to the merchant before it: the closing of the one before. Below zero, the merchant
    /// owes.
    pub opening: i64,
    /// What the month came to, by campaign and store.
    pub lines: BTreeMap<LineKey, Cell>,
    /// When it was closed, by our clock.
    pub closed_at: Timestamp,
    /// The fold that closed the month's last day. All pages up to those of that fold are in it, and no other.
    pub cut: u64,
}

/// What a line of a statement sums up: a campaign in a store, over all channels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineKey {
    /// The campaign whose coupons were redeemed.
    pub campaign: CampaignNo,
    /// The store that redeemed them.
    pub store: StoreId,
}

impl Statement {
    /// The lines of a month's cells: those of stores, with their channels added up. Claims and lapses move no
    /// money.
    pub fn lines_of(cells: &Cells) -> BTreeMap<LineKey, Cell> {
        let mut lines: BTreeMap<LineKey, Cell> = BTreeMap::new();
        for (key, cell) in cells {
            let Some(store) = key.store.clone() else { continue };
            lines.entry(LineKey { campaign: key.campaign, store }).or_default().add(cell);
        }
        lines
    }

    /// All lines together, as one cell.
    pub fn total(&self) -> Cell {
        let mut total = Cell::default();
        self.lines.values().for_each(|line| total.add(line));
        total
    }

    /// Fen that are owed to the merchant after it: the opening, and what the month made due.
    pub fn closing(&self) -> i64 {
        self.opening + due(&self.total().postings)
    }
}

/// Fen that postings make due to the merchant: what it is paid, less its own share of the cost.
pub fn due(postings: &Postings) -> i64 {
    -(postings.of(&Account::MerchantPayable) + postings.of(&Account::CoFundingReceivable))
}

/// What a merchant answers to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is right. This ends the matter: no later answer changes it.
    Confirmed {
        /// When the merchant answered, by our clock.
        at: Timestamp,
        /// The dispute that this ended, if there was one.
        after: Option<Dispute>,
    },
    /// It is not right, for this reason. It can still be confirmed.
    Disputed(Dispute),
}

/// Why a merchant does not accept a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// When the merchant answered, by our clock.
    pub at: Timestamp,
    /// What the merchant objects to, in its own words.
    pub reason: DisputeReason,
}

/// What becomes of an answer. Only `Record` writes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerDecision {
    /// This is written beside the statement.
    Record(Answer),
    /// The merchant gave the same answer before, and it stands.
    Repeat,
    /// The statement is confirmed, so it can no longer be disputed.
    AlreadyConfirmed,
    /// The statement is disputed for another reason.
    AlreadyDisputed,
}

/// Judges an answer by the one that stands.
///
/// A confirmation after a dispute keeps the dispute, so that what was settled can be read later.
pub fn decide_answer(standing: Option<&Answer>, said: &Answer) -> AnswerDecision {
    match (standing, said) {
        (None, _) => AnswerDecision::Record(said.clone()),
        (Some(Answer::Disputed(dispute)), Answer::Confirmed { at, .. }) => {
            AnswerDecision::Record(Answer::Confirmed { at: *at, after: Some(dispute.clone()) })
        }
        (Some(Answer::Confirmed { .. }), Answer::Confirmed { .. }) => AnswerDecision::Repeat,
        (Some(Answer::Confirmed { .. }), Answer::Disputed(_)) => AnswerDecision::AlreadyConfirmed,
        (Some(Answer::Disputed(known)), Answer::Disputed(said)) if known.reason == said.reason => {
            AnswerDecision::Repeat
        }
        (Some(Answer::Disputed(_)), Answer::Disputed(_)) => AnswerDecision::AlreadyDisputed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Result<StatementId, IdError> {
        text.parse()
    }

    #[test]
    fn an_id_reads_back_what_it_writes_and_nothing_else() {
        let statement = id("stm_luckytea202611").unwrap();
        assert_eq!((statement.merchant.as_str(), statement.month.to_string().as_str()), ("mch_luckytea", "2026-11"));
        assert_eq!(statement.to_string(), "stm_luckytea202611");
        for bad in
            ["", "stm_", "stm_202611", "stm_luckytea2026", "stm_luckytea202613", "stm_茶202611", "mch_luckytea202611"]
        {
            assert_eq!(id(bad), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn a_merchant_confirms_once_and_disputes_for_one_reason() {
        let at = Timestamp::MIN;
        let confirmed = Answer::Confirmed { at, after: None };
        let dispute = |reason: &str| Dispute { at, reason: reason.parse().unwrap() };
        let disputed = |reason: &str| Answer::Disputed(dispute(reason));
        let decide = |standing: Option<&Answer>, said: &Answer| decide_answer(standing, said);
        assert_eq!(decide(None, &confirmed), AnswerDecision::Record(confirmed.clone()));
        assert_eq!(decide(None, &disputed("a")), AnswerDecision::Record(disputed("a")));
        let settled = Answer::Confirmed { at, after: Some(dispute("a")) };
        assert_eq!(decide(Some(&disputed("a")), &confirmed), AnswerDecision::Record(settled));
        assert_eq!(decide(Some(&disputed("a")), &disputed("a")), AnswerDecision::Repeat);
        assert_eq!(decide(Some(&disputed("a")), &disputed("b")), AnswerDecision::AlreadyDisputed);
        assert_eq!(decide(Some(&confirmed), &confirmed), AnswerDecision::Repeat);
        assert_eq!(decide(Some(&confirmed), &disputed("a")), AnswerDecision::AlreadyConfirmed);
    }
}
