//! By whose link a member came to a campaign (C6): **only a partner whose share code was verified earns.**

use crate::{ids::PartnerId, text::ShareCode};

/// Whether a commission is owed for a coupon's redemptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// To the partner whose signed share code brought the coupon about.
    ToPartner,
    /// To nobody.
    ToNobody,
}

/// By whose link a claim came about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Share {
    /// A partner (合伙人): the stack has signed the share code for it, and owes it the commission.
    Partner(PartnerId),
    /// A text that the stack has not signed. It is kept with the coupon, and earns nothing.
    Unverified(ShareCode),
}

impl Share {
    /// The partner that a commission is owed to; `None` for a text that is not signed.
    pub fn partner(&self) -> Option<&PartnerId> {
        match self {
            Share::Partner(partner) => Some(partner),
            Share::Unverified(_) => None,
        }
    }

    /// The text that is not signed; `None` for a partner.
    pub fn unverified(&self) -> Option<&ShareCode> {
        match self {
            Share::Partner(_) => None,
            Share::Unverified(code) => Some(code),
        }
    }

    /// The partner's id, or the text as it was sent.
    pub fn as_str(&self) -> &str {
        match self {
            Share::Partner(partner) => partner.as_str(),
            Share::Unverified(code) => code.as_str(),
        }
    }
}
