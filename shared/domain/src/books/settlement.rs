//! Who pays for a redemption, and who is paid (S1): **debits equal credits, to the fen.**
//!
//! A campaign's settlement terms are confidential and frozen, and every coupon names their version. A
//! redemption becomes postings under them. A reversal becomes the same postings with the signs turned.
//!
//! Amounts are whole fen. The shares of the funders are rounded down. What they leave over, less than one fen
//! for each of them, is borne by an account of its own.

use crate::{
    benefit::Percent,
    limits::{BUDGET_CHARS_MAX, FUNDERS_MAX},
    money::Fen,
    share::Attribution,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Hundredths of a percent in a whole.
const WHOLE: u64 = 10_000;

/// The confidential terms of a campaign: who bears what a redemption costs, and whom it pays.
///
/// ```text
/// { "funded_by": { "province": 60, "city:广州": 40 }, "pays_merchant": "discount" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementTerms {
    /// Each funder's share of the cost: one to eight funders, together 100 %.
    pub funded_by: BTreeMap<Funder, Percent>,
    /// What the merchant is paid for one redemption.
    pub pays_merchant: MerchantPrice,
    /// What a supplier is paid for one redemption, when somebody other than the merchant delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pays_supplier_fen: Option<Fen>,
    /// What the partner is paid whose signed share code brought the coupon about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission: Option<Commission>,
    /// When all of that is earned.
    #[serde(default)]
    pub earned: Earned,
}

/// When what a campaign pays is earned, and so posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earned {
    /// With each redemption; its reversal takes it back.
    #[default]
    AtRedemption,
}

/// Who bears a share of what a redemption costs.
///
/// In JSON: `province`, `merchant`, or `city:` and a name of 1 to 16 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Funder {
    /// The operator's budget of the province (省).
    Province,
    /// The operator's budget of this city branch (市).
    City(String),
    /// The merchant itself (联名补贴).
    Merchant,
}

/// The text names no funder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a funder is province, merchant, or city: and a name of at most {BUDGET_CHARS_MAX} characters")]
pub struct FunderError;

impl fmt::Display for Funder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Funder::Province => f.write_str("province"),
            Funder::City(name) => write!(f, "city:{name}"),
            Funder::Merchant => f.write_str("merchant"),
        }
    }
}

/// Reads what `Display` writes. A city's name has no white space and no control characters.
impl FromStr for Funder {
    type Err = FunderError;
    fn from_str(text: &str) -> Result<Self, FunderError> {
        match text {
            "province" => Ok(Funder::Province),
            "merchant" => Ok(Funder::Merchant),
            _ => {
                let name = text.strip_prefix("city:").ok_or(FunderError)?;
                let plain = name.chars().all(|c| !c.is_control() && !c.is_whitespace());
                let sized = (1..=BUDGET_CHARS_MAX).contains(&name.chars().count());
                if plain && sized { Ok(Funder::City(name.to_owned())) } else { Err(FunderError) }
            }
        }
    }
}

impl TryFrom<String> for Funder {
    type Error = FunderError;
    fn try_from(text: String) -> Result<Self, FunderError> {
        text.parse()
    }
}

impl From<Funder> for String {
    fn from(funder: Funder) -> String {
        funder.to_string()
    }
}

/// What a merchant is paid for one redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MerchantPrice {
    /// What it took off the order, so that it is made whole.
    Discount,
    /// Nothing: the merchant gives the discount itself.
    Nothing,
    /// An agreed price for each redemption, above zero, whatever was taken off.
    FixedFen(Fen),
}

/// A partner's commission (分销抽佣) for one redemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commission {
    /// How much, above zero.
    pub fen: Fen,
    /// The funder who bears it, beside its share of the cost.
    pub charged_to: Funder,
}

/// Why settlement terms are not sound. The message names the field and the bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The funders' shares are not 100 % together. A list of no funder is one of these.
    #[error("the shares in funded_by must be 100 % together, not {}.{:02} %", sum / 100, sum % 100)]
    Shares {
        /// What they are together, in hundredths of a percent.
        sum: u64,
    },
    /// More funders than a redemption can be split among.
    #[error("funded_by names at most {FUNDERS_MAX} funders")]
    Funders,
    /// A price or commission of zero, in this field: it must be left out instead.
    #[error("{0} must be above 0, or left out")]
    Nothing(&'static str),
}

impl SettlementTerms {
    /// Whether the terms are sound. Every version in the catalog has passed.
    ///
    /// Errors: the first of too many funders, shares that are not 100 %, and a price or commission of zero.
    pub fn check(&self) -> Result<(), SettlementError> {
        if self.funded_by.len() > FUNDERS_MAX {
            return Err(SettlementError::Funders);
        }
        let sum = self.funded_by.values().map(|share| u64::from(share.hundredths())).sum();
        if sum != WHOLE {
            return Err(SettlementError::Shares { sum });
        }
        if self.pays_merchant == MerchantPrice::FixedFen(Fen::ZERO) {
            return Err(SettlementError::Nothing("pays_merchant.fixed_fen"));
        }
        if self.pays_supplier_fen == Some(Fen::ZERO) {
            return Err(SettlementError::Nothing("pays_supplier_fen"));
        }
        match &self.commission {
            Some(commission) if commission.fen == Fen::ZERO => Err(SettlementError::Nothing("commission.fen")),
            _ => Ok(()),
        }
    }

    /// What one redemption posts that took `discount` off an order. The postings are even: together they are
    /// zero.
    ///
    /// The cost is what the merchant and the supplier are paid. The funders bear it by their shares. A
    /// commission is posted on top, when it is owed to a partner.
    ///
    /// ```text
    /// discount 501, shares 60 and 40:  300 + 200 + rounding 1 = merchant 501
    /// ```
    pub fn postings(&self, discount: Fen, attribution: Attribution) -> Postings {
        let mut postings = Postings::default();
        let merchant = match self.pays_merchant {
            MerchantPrice::Discount => discount,
            MerchantPrice::Nothing => Fen::ZERO,
            MerchantPrice::FixedFen(price) => price,
        };
        let supplier = self.pays_supplier_fen.unwrap_or(Fen::ZERO);
        postings.credit(Account::MerchantPayable, merchant.get());
        postings.credit(Account::SupplierPayable, supplier.get());
        // Two amounts of at most 10¹² and a share of at most 10⁴: below 2 × 10¹⁶ < 2⁶³.
        let cost = merchant.get() + supplier.get();
        let mut left = cost;
        for (funder, share) in &self.funded_by {
            let part = cost * u64::from(share.hundredths()) / WHOLE;
            postings.debit(Account::of(funder), part);
            left -= part;
        }
        postings.debit(Account::Rounding, left);
        if let Some(commission) = self.commission.as_ref().filter(|_| attribution == Attribution::ToPartner) {
            postings.debit(Account::of(&commission.charged_to), commission.fen.get());
            postings.credit(Account::CommissionPayable, commission.fen.get());
        }
        postings
    }
}

/// The chart of accounts. A funder's account grows by debits, and a payable by credits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What the province's budget has borne, in fen. Debits grow it.
    ProvinceSubsidy,
    /// What the budget of this city branch has borne. Debits grow it.
    CitySubsidy(String),
    /// What the merchant owes for its own share. Debits grow it.
    CoFundingReceivable,
    /// What the shares left over, less than one fen for each funder. Debits grow it.
    Rounding,
    /// What the merchant is owed. Credits grow it.
    MerchantPayable,
    /// What the supplier is owed. Credits grow it.
    SupplierPayable,
    /// What partners are owed. Credits grow it.
    CommissionPayable,
}

impl Account {
    /// The account that a funder's share is debited to.
    fn of(funder: &Funder) -> Self {
        match funder {
            Funder::Province => Account::ProvinceSubsidy,
            Funder::City(name) => Account::CitySubsidy(name.clone()),
            Funder::Merchant => Account::CoFundingReceivable,
        }
    }
}

/// The name in the books, like `subsidy:city:广州` or `payable:merchant`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::ProvinceSubsidy => f.write_str("subsidy:province"),
            Account::CitySubsidy(name) => write!(f, "subsidy:city:{name}"),
            Account::CoFundingReceivable => f.write_str("receivable:co_funding"),
            Account::Rounding => f.write_str("rounding"),
            Account::MerchantPayable => f.write_str("payable:merchant"),
            Account::SupplierPayable => f.write_str("payable:supplier"),
            Account::CommissionPayable => f.write_str("payable:commission"),
        }
    }
}

/// Reads what `Display` writes.
impl FromStr for Account {
    type Err = FunderError;
    fn from_str(text: &str) -> Result<Self, FunderError> {
        match text {
            "receivable:co_funding" => Ok(Account::CoFundingReceivable),
            "rounding" => Ok(Account::Rounding),
            "payable:merchant" => Ok(Account::MerchantPayable),
            "payable:supplier" => Ok(Account::SupplierPayable),
            "payable:commission" => Ok(Account::CommissionPayable),
            _ => match text.strip_prefix("subsidy:").ok_or(FunderError)?.parse()? {
                Funder::Merchant => Err(FunderError),
                budget => Ok(Account::of(&budget)),
            },
        }
    }
}

/// Amounts by account, in fen: debits above zero, credits below.
///
/// Those that terms give are even: together they are zero. An account whose amount is zero is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Postings(BTreeMap<Account, i64>);

impl Postings {
    /// Adds a debit, which is above zero.
    fn debit(&mut self, account: Account, fen: u64) {
        self.add(account, i64::try_from(fen).unwrap_or(i64::MAX));
    }

    /// Adds a credit, which is below zero.
    fn credit(&mut self, account: Account, fen: u64) {
        self.add(account, -i64::try_from(fen).unwrap_or(i64::MAX));
    }

    /// Adds an amount to an account: a debit above zero, a credit below.
    pub fn add(&mut self, account: Account, fen: i64) {
        let sum = self.of(&account) + fen;
        if sum == 0 {
            self.0.remove(&account);
        } else {
            self.0.insert(account, sum);
        }
    }

    /// The accounts with their amounts in fen, by account. None is zero.
    pub fn amounts(&self) -> impl Iterator<Item = (&Account, i64)> {
        self.0.iter().map(|(account, fen)| (account, *fen))
    }

    /// What is posted to one account, in fen; 0 when nothing is.
    pub fn of(&self, account: &Account) -> i64 {
        self.0.get(account).copied().unwrap_or(0)
    }

    /// Debits less credits, in fen. It is zero, or the books are wrong.
    pub fn balance(&self) -> i64 {
        self.0.values().sum()
    }

    /// The postings that undo these: every sign is turned.
    #[must_use]
    pub fn reversed(&self) -> Postings {
        Postings(self.0.iter().map(|(account, fen)| (account.clone(), -fen)).collect())
    }

    /// Adds the amounts of `other`, account by account.
    pub fn post(&mut self, other: &Postings) {
        other.amounts().for_each(|(account, fen)| self.add(account.clone(), fen));
    }
}

#[cfg(test)]
mod tests;
