#![doc = include_str!("../README.md")]

pub mod books;
mod campaigns;
mod claims;
mod coupons;
pub mod idempotency;
pub mod ids;
pub mod limits;
mod members;
pub mod merchant;
pub mod money;
pub mod province;
pub mod text;
pub mod timestamp;
pub mod webhook;

pub use books::{journal, rebuild, settlement, statement};
pub use campaigns::{benefit, campaign, hours, terms, validity};
pub use claims::{claim, eligibility, share, stock};
pub use coupons::{code, coupon, hold, presentation, redemption};
pub use members::{member, otp, session};
pub use webhook::{discrepancy, report};

pub use benefit::{Benefit, Percent};
pub use campaign::{Campaign, CampaignState, ClaimRefusal};
pub use claim::{ClaimDecision, ClaimRequest, FailedClause, MemberLimit};
pub use code::{CodeError, CodeKey, CodeKeyRing, CouponCode, IdCipher};
pub use coupon::{Coupon, CouponKey, CouponStatus, Hold, HoldTag, Redemption, Reversal};
pub use hold::{HoldDecision, HoldRequest, ReleaseDecision};
pub use idempotency::{Fingerprint, IdempotencyKey, KeyHash};
pub use ids::{BenefitId, CampaignNo, HoldId, MemberNo, MerchantId, Ordinal, PartnerId, StoreId};
pub use member::{MemberAttributes, Phone, PhoneError};
pub use merchant::{Merchant, Store};
pub use money::Fen;
pub use province::Province;
pub use redemption::{NamedHold, Order, RedeemDecision, RedeemRefusal, RedeemRequest, ReverseDecision, ReverseRefusal};
pub use share::Share;
pub use stock::LeaseId;
pub use terms::{Price, ReversalPolicy, StoreScope, Terms, TermsHash};
pub use text::{Cashier, Channel, DisputeReason, OrderNo, Reason, ShareCode};
pub use timestamp::{ProvinceDay, ProvinceMonth, Timestamp};
pub use validity::Validity;
