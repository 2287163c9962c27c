#![doc = include_str!("../README.md")]

pub mod benefit;
pub mod campaign;
pub mod code;
pub mod coupon;
pub mod eligibility;
pub mod hours;
pub mod idempotency;
pub mod ids;
pub mod limits;
mod locator;
pub mod member;
pub mod merchant;
pub mod money;
pub mod province;
pub mod redemption;
pub mod stock;
pub mod terms;
pub mod text;
pub mod timestamp;
pub mod validity;

pub use benefit::{Benefit, Percent};
pub use campaign::{Campaign, CampaignState, ClaimRefusal};
pub use code::{CodeError, CodeKey, CodeKeyRing, CouponCode, IdCipher};
pub use coupon::{Coupon, CouponKey, CouponStatus, Hold, Redemption, Reversal};
pub use idempotency::{Fingerprint, IdempotencyKey, KeyHash};
pub use ids::{BenefitId, CampaignNo, HoldId, MemberNo, MerchantId, Ordinal, StoreId};
pub use member::{MemberAttributes, Phone, PhoneError};
pub use merchant::{Merchant, Store};
pub use money::Fen;
pub use province::Province;
pub use redemption::{Order, RedeemDecision, RedeemRefusal, RedeemRequest, ReverseDecision, ReverseRefusal};
pub use stock::LeaseId;
pub use terms::{Price, ReversalPolicy, StoreScope, Terms, TermsHash};
pub use text::{Cashier, Channel, OrderNo, Reason, ShareCode};
pub use timestamp::{ProvinceDay, Timestamp};
pub use validity::Validity;
