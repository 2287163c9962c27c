//! By whose link a member came to a campaign (C6): **only a partner whose share code was verified earns.**

use crate::{ids::PartnerId, text::ShareCode};

/// Whether a commission is owed for what a coupon comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// To the partner whose signed share code brought the coupon about.
    ToPartner,
    /// To nobody.
    ToNobody,
}

/// Who brought a claim about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Share {
    /// A partner: the stack has signed the share code for it. A commission is owed to it.
    Partner(PartnerId),
    /// A text that the stack has not signed. It is kept for attribution, and earns nothing.
    Unverified(ShareCode),
}

impl Share {
    /// The partner that a commission is owed to.
    pub fn partner(&self) -> Option<&PartnerId> {
        match self {
            Share::Partner(partner) => Some(partner),
            Share::Unverified(_) => None,
        }
    }

    /// The text that nobody has signed.
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
