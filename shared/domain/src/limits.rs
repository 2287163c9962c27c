//! Every bound of the domain, with its arithmetic.
//!
//! `docs/ERRORS.md` lists the limits that a client can meet. A name says its unit. `MAX` and `MIN` are
//! themselves allowed; `END` is the first number that is out of range.

/// Largest amount of money in one order or benefit: 10¹² fen = 10 billion yuan.
///
/// A percentage in hundredths of a percent is at most 10⁴. So a product stays at 10¹⁶ or below, which is less
/// than 2⁶³: no overflow.
pub const AMOUNT_FEN_MAX: u64 = 1_000_000_000_000;

/// Member numbers fit 34 of the 35 bits that seven radix-32 symbols hold: 17 billion members, ten times China.
pub const MEMBER_NO_END: u64 = 1 << 34;

/// Campaign numbers fit four radix-32 symbols: 4 × 5 = 20 bits, one million campaigns a province.
pub const CAMPAIGN_NO_END: u32 = 1 << 20;

/// Coupons one member may ever hold of one campaign.
///
/// Ordinals 0–63 fit two radix-32 symbols and leave four zero bits. With the fifteen bits of the three zero
/// symbols and the member's spare bit they make the 20 redundant bits of a code.
pub const ORDINAL_END: u8 = 64;

/// Redemptions in a coupon's life, reversed ones included.
///
/// 32 × about 260 bytes keeps a usual item near 8 KB. With the longest texts it is below 16 KB, a
/// twenty-fifth of DynamoDB's limit.
pub const REDEMPTIONS_MAX: usize = 32;

/// How far back a reported redemption may lie: 72 hours. It counts at the time that the merchant says.
pub const LATE_REPORT_SECONDS_MAX: i64 = 72 * 3600;

/// How far ahead of our clock a merchant's clock may run: five minutes, as Standard Webhooks tolerates.
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

/// Bytes of an order number: the longest in the field is WeChat Pay's `out_trade_no`, 32; twice that.
pub const ORDER_NO_BYTES_MAX: usize = 64;

/// Characters of a free text: a reason, a cashier's name, an objection. Each has a bound in bytes as well.
pub const FREE_TEXT_CHARS_MAX: usize = 64;

/// Bytes of a cashier's name: 16 Chinese characters of three bytes, or 48 of ASCII.
pub const CASHIER_BYTES_MAX: usize = 48;

/// Bytes of the reason of a reversal: 15 Chinese characters, or 45 of ASCII.
///
/// The cashier has 48 bytes and the order number 64. Then a coupon with one redemption, one reversal, a hold
/// and a deactivation stays 96 bytes below 1 024, one write unit. A test of `shared/store` asserts it.
pub const REASON_BYTES_MAX: usize = 45;

/// Bytes of what a merchant objects to in a statement: 32 Chinese characters, or 64 of ASCII.
pub const DISPUTE_REASON_BYTES_MAX: usize = 96;

/// Bytes of an acquisition channel's name, like `hall_wechat`.
pub const CHANNEL_BYTES_MAX: usize = 32;

/// Bytes of a share code: short enough for a QR code that a phone reads from a poster.
pub const SHARE_CODE_BYTES_MAX: usize = 32;

/// Bytes of a partner's id after its prefix: a share code is this, a dash, and the 13 symbols of its signature.
pub const PARTNER_BYTES_MAX: usize = SHARE_CODE_BYTES_MAX - 1 - 13;

/// Bytes of a merchant's, store's or benefit's id after its prefix.
pub const SLUG_BYTES_MAX: usize = 24;

/// Bytes of a merchant's own number for a store, in visible ASCII.
pub const STORE_NO_BYTES_MAX: usize = 32;

/// Stores named in one campaign's scope: 1 000 × 28 bytes stays well inside DynamoDB's 400 KB item.
pub const STORES_IN_SCOPE_MAX: usize = 1_000;

/// Characters of a budget owner's name: the longest prefecture of China has 13.
pub const BUDGET_CHARS_MAX: usize = 16;

/// Funders of one redemption: the province, the merchant and six cities.
///
/// With the four other accounts an entry has twelve postings. A cell of a sheet has room for those of two
/// versions of the terms.
pub const FUNDERS_MAX: usize = 8;

/// Bytes of an eligibility rule: a page of text, and what the parser's stack is known to hold.
pub const RULE_BYTES_MAX: usize = 4_096;

/// Clauses of an eligibility rule, each with an explanation.
pub const RULE_CLAUSES_MAX: usize = 32;

/// Elements of a list that a rule may write out or go through: a member has at most as many tags.
pub const RULE_LIST_MAX: usize = 64;

/// Steps that one evaluation of a rule may take.
///
/// Each step is under a microsecond. So a claim waits at most two milliseconds for the worst rule that is
/// accepted.
pub const RULE_COST_MAX: usize = 2_000;

/// Characters of an explanation: what a clerk reads out in one breath.
pub const EXPLANATION_CHARS_MAX: usize = 120;

/// Windows of weekdays and hours in one campaign: three a day for each day of the week.
pub const HOUR_WINDOWS_MAX: usize = 21;

/// Uses of a multi-use coupon. Each is a redemption of its life, so it is at most [`REDEMPTIONS_MAX`].
pub const USES_MAX: u8 = 32;
const _: () = assert!(USES_MAX as usize <= REDEMPTIONS_MAX);

/// Seconds for which a till may hold a coupon: one hour (API.md).
pub const HOLD_SECONDS_MAX: i64 = 3_600;

/// Characters of the name of what a coupon is exchanged for, or grants.
pub const ITEM_CHARS_MAX: usize = 64;

/// Characters of a campaign's terms: 10 000 × 3 bytes = 30 KB, one tenth of an item.
pub const TERMS_TEXT_CHARS_MAX: usize = 10_000;

/// Stock of one campaign: ten thousand million, more than every phone in China.
pub const STOCK_MAX: u64 = 10_000_000_000;

/// Days of a relative validity: ten years.
pub const VALIDITY_DAYS_MAX: u16 = 3_660;

/// Hours in which a redemption may be reversed: 366 days, so one year whether it is a leap year or not.
pub const REVERSAL_HOURS_MAX: u16 = 8_784;

/// Fewest bytes of an idempotency key (API.md). Of a shorter one, two clients' keys could be the same by
/// chance.
pub const IDEMPOTENCY_KEY_BYTES_MIN: usize = 16;
/// Most bytes of an idempotency key (API.md).
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
