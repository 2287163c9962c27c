//! The code (券码) that a member shows, and the public ids made the same way.
//!
//! A code is the coupon's key, enciphered: province, then sixteen symbols. It is stored nowhere. It is made
//! when it is shown, and leads back to the coupon when it is typed. So a till's request reads one item and no
//! index.
//!
//! ```text
//! 44-ABCD-EFGH-JKMN-PQRS      a code of Guangdong, as it is shown
//! 44abcdefghjkmnpqrs          the same, as somebody may type it
//! ```

use super::locator::{LocatorCipher, SYMBOLS, TAG_SYMBOLS, TagCipher};
use crate::{
    coupon::{CouponKey, HoldTag},
    ids::{CampaignNo, IdError, MemberNo, Ordinal},
    limits::REDEMPTIONS_MAX,
    province::Province,
};
use std::{fmt, str::FromStr};

/// A coupon's code, like `44-ABCD-EFGH-JKMN-PQRS`. Whoever holds it may redeem the coupon.
///
/// `Debug` is redacted and there is no `Display`. [`CouponCode::expose`] is for the wire alone.
#[derive(Clone, PartialEq, Eq)]
pub struct CouponCode {
    province: Province,
    symbols: [u8; SYMBOLS],
}

/// One variant per way for a typed code to be wrong. It says nothing of whether a coupon has the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not eighteen symbols once spaces and dashes are gone.
    #[error("a code has a two-digit province and sixteen symbols")]
    Length,
    /// The first two are not a province of GB/T 2260.
    #[error("a code begins with a province")]
    Province,
    /// A symbol that is not in Crockford's alphabet, even after O is read as 0 and I and L as 1.
    #[error("a code holds digits and letters other than U")]
    Symbol,
}

/// Bytes of typed text that are looked at: 18 symbols and room for generous spacing. More is refused unread.
const TYPED_BYTES_MAX: usize = 64;

impl CouponCode {
    /// The code as its holder sees it: province, four groups of four, dashes between them. Never log or store
    /// it.
    pub fn expose(&self) -> String {
        let mut text = self.province.code().to_owned();
        for group in self.symbols.chunks(4) {
            text.push('-');
            text.extend(group.iter().copied().map(char::from));
        }
        text
    }

    /// The province that issued it: the first two digits. Another province's stack cannot read the rest.
    pub fn province(&self) -> Province {
        self.province
    }
}

impl FromStr for CouponCode {
    type Err = CodeError;
    /// Reads what a person typed. It forgives case, O for 0, I and L for 1, and spaces and dashes anywhere.
    ///
    /// It checks the form alone. [`CodeKeyRing::locate`] says whether the code was made here.
    fn from_str(typed: &str) -> Result<Self, CodeError> {
        if typed.len() > TYPED_BYTES_MAX {
            return Err(CodeError::Length);
        }
        let clean: Vec<char> = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{3000}' | '–' | '—')).collect();
        let (province, rest) = clean.split_at_checked(2).ok_or(CodeError::Length)?;
        if rest.len() != SYMBOLS {
            return Err(CodeError::Length);
        }
        let province = province.iter().map(|c| forgiven(*c)).collect::<String>();
        let province = province.parse().map_err(|_| CodeError::Province)?;
        let mut symbols = [0; SYMBOLS];
        for (symbol, typed) in symbols.iter_mut().zip(rest) {
            *symbol = u8::try_from(forgiven(*typed)).map_err(|_| CodeError::Symbol)?;
            if !crate::ids::CROCKFORD.contains(symbol) {
                return Err(CodeError::Symbol);
            }
        }
        Ok(CouponCode { province, symbols })
    }
}

/// The symbol that a person meant by a character: Crockford's own reading of O, I and L.
fn forgiven(typed: char) -> char {
    match typed.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

impl fmt::Debug for CouponCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CouponCode([REDACTED])")
    }
}

/// A key for codes and its version, 1 to 65 535.
///
/// Each coupon names the version that its code is made with. That is a clause of every redemption.
#[derive(Clone)]
pub struct CodeKey {
    /// Which key a coupon's code was made with. It is never used again for another key.
    pub version: u16,
    /// 32 bytes for AES-256.
    pub key: [u8; 32],
}

/// The keys of codes, newest first. An old key stays until no live coupon carries its version.
pub struct CodeKeyRing {
    province: Province,
    keys: Vec<(u16, LocatorCipher)>,
}

impl CodeKeyRing {
    /// A ring of keys, newest first; `None` when there is no key or a version comes twice.
    pub fn new(province: Province, keys: &[CodeKey]) -> Option<Self> {
        let mut ring: Vec<(u16, LocatorCipher)> = Vec::new();
        for CodeKey { version, key } in keys {
            if ring.iter().any(|(known, _)| known == version) {
                return None;
            }
            ring.push((*version, LocatorCipher::new(key, province.code(), "code")?));
        }
        if ring.is_empty() { None } else { Some(CodeKeyRing { province, keys: ring }) }
    }

    /// The province whose codes these keys make.
    pub fn province(&self) -> Province {
        self.province
    }

    /// The version that new coupons get: the first of the ring.
    pub fn newest_version(&self) -> u16 {
        self.keys.first().map_or(0, |(version, _)| *version)
    }

    /// The code of a coupon under the key it was issued with.
    ///
    /// `None` when the ring no longer has that key: the coupon then has no code that anybody could show.
    pub fn code(&self, key: CouponKey, version: u16) -> Option<CouponCode> {
        let (_, cipher) = self.keys.iter().find(|(known, _)| *known == version)?;
        let symbols = cipher.encipher(key).into_bytes().try_into().ok()?;
        Some(CouponCode { province: self.province, symbols })
    }

    /// Every key that the code may name, with the version of the cipher key that says so.
    ///
    /// It is nearly always one or none. Two cipher keys can both pass the zero check, once in 2²⁰. That is
    /// why the version is a clause of the write. No table is read here: a guess fails before it costs a read.
    pub fn locate(&self, code: &CouponCode) -> Vec<(CouponKey, u16)> {
        self.keys
            .iter()
            .filter_map(|(version, cipher)| cipher.decipher(&code.symbols).map(|key| (key, *version)))
            .collect()
    }
}

/// Makes and reads public ids.
///
/// They are opaque, lead to their item without an index, and are useless as codes. Their key is never
/// rotated, because clients keep ids for ever.
pub struct IdCipher {
    member: LocatorCipher,
    coupon: LocatorCipher,
    redemption: LocatorCipher,
    reversal: LocatorCipher,
    hold: LocatorCipher,
    hold_order: TagCipher,
}

impl IdCipher {
    /// The cipher of a province's ids, each kind under a tweak of its own. `None` when the cipher does not
    /// take the key.
    pub fn new(province: Province, key: &[u8; 32]) -> Option<Self> {
        let cipher = |purpose| LocatorCipher::new(key, province.code(), purpose);
        Some(IdCipher {
            member: cipher("mem")?,
            coupon: cipher("cpn")?,
            redemption: cipher("rdm")?,
            reversal: cipher("rvs")?,
            hold: cipher("hld")?,
            hold_order: TagCipher::new(key, province.code(), "hld-order")?,
        })
    }

    /// The id of a member: `mem_` and sixteen symbols in small letters.
    pub fn member_id(&self, member: MemberNo) -> String {
        format!("mem_{}", self.member.encipher(member_key(member)).to_ascii_lowercase())
    }

    /// Whether a text has the form of a member's id: `mem_` and sixteen of Crockford's symbols in small
    /// letters.
    ///
    /// It needs no key, and says nothing of whether the member exists.
    pub fn is_member_id(text: &str) -> bool {
        let is_symbol =
            |byte: u8| !byte.is_ascii_uppercase() && crate::ids::CROCKFORD.contains(&byte.to_ascii_uppercase());
        text.strip_prefix("mem_").is_some_and(|symbols| symbols.len() == SYMBOLS && symbols.bytes().all(is_symbol))
    }

    /// The member that a `mem_…` names. [`IdError`] when this province did not make the id.
    pub fn member(&self, id: &str) -> Result<MemberNo, IdError> {
        let key = read(&self.member, "mem_", id)?;
        if key == member_key(key.member) { Ok(key.member) } else { Err(IdError) }
    }

    /// The id of a coupon: `cpn_` and sixteen symbols in small letters. Merchants are sent it, and it redeems
    /// nothing.
    pub fn coupon_id(&self, coupon: CouponKey) -> String {
        format!("cpn_{}", self.coupon.encipher(coupon).to_ascii_lowercase())
    }

    /// The coupon that a `cpn_…` names. [`IdError`] when this province did not make the id.
    pub fn coupon(&self, id: &str) -> Result<CouponKey, IdError> {
        read(&self.coupon, "cpn_", id)
    }

    /// The id of a redemption: `rdm_…-n`. `index` counts a coupon's redemptions from 0, and n from 1.
    pub fn redemption_id(&self, coupon: CouponKey, index: usize) -> String {
        numbered(&self.redemption, "rdm_", coupon, index)
    }

    /// The coupon and the index, from 0, that a `rdm_…-n` names.
    ///
    /// [`IdError`] when n is 0, begins with 0, or is above [`REDEMPTIONS_MAX`].
    pub fn redemption(&self, id: &str) -> Result<(CouponKey, usize), IdError> {
        let (key, number) = id.rsplit_once('-').ok_or(IdError)?;
        let plain = !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
        let number: usize = if plain { number.parse().map_err(|_| IdError)? } else { return Err(IdError) };
        let index = number.checked_sub(1).filter(|i| *i < REDEMPTIONS_MAX).ok_or(IdError)?;
        Ok((read(&self.redemption, "rdm_", key)?, index))
    }

    /// The id of a reversal: `rvs_…-n`, where n is that of the redemption it undoes.
    pub fn reversal_id(&self, coupon: CouponKey, index: usize) -> String {
        numbered(&self.reversal, "rvs_", coupon, index)
    }

    /// The id of the hold of an order: `hld_` and 24 symbols.
    ///
    /// The last eight are the order's tag, enciphered beside the coupon. Whoever has one hold's id cannot
    /// make that of another order.
    pub fn hold_id(&self, coupon: CouponKey, tag: HoldTag) -> String {
        let locator = self.hold.encipher(coupon);
        let order = self.hold_order.encipher(&locator, tag.0);
        format!("hld_{locator}{order}").to_ascii_lowercase()
    }

    /// The coupon, and which of its holds, that a `hld_…` names. [`IdError`] when the first sixteen symbols
    /// are not ours.
    pub fn hold(&self, id: &str) -> Result<(CouponKey, HoldTag), IdError> {
        let (key, order) = id.split_at_checked(id.len().saturating_sub(TAG_SYMBOLS)).ok_or(IdError)?;
        let coupon = read(&self.hold, "hld_", key)?;
        if order.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(IdError);
        }
        let symbols = order.to_ascii_uppercase().into_bytes().try_into().map_err(|_| IdError)?;
        let tag = self.hold_order.decipher(&self.hold.encipher(coupon), &symbols).ok_or(IdError)?;
        Ok((coupon, HoldTag(tag)))
    }
}

/// An id that names the coupon and, after a dash, a number from 1.
fn numbered(cipher: &LocatorCipher, prefix: &str, coupon: CouponKey, index: usize) -> String {
    format!("{prefix}{}-{}", cipher.encipher(coupon).to_ascii_lowercase(), index + 1)
}

/// The key that a member's id enciphers: the first ordinal of campaign 0. Any other key behind a `mem_` is
/// refused.
fn member_key(member: MemberNo) -> CouponKey {
    let campaign = CampaignNo::try_from(0).unwrap_or_else(|_| unreachable!("zero is in range"));
    CouponKey { member, campaign, ordinal: Ordinal::FIRST }
}

/// The key behind an id. A capital letter is refused, so that one thing has one id.
fn read(cipher: &LocatorCipher, prefix: &str, id: &str) -> Result<CouponKey, IdError> {
    let text = id.strip_prefix(prefix).ok_or(IdError)?;
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(IdError);
    }
    let symbols = text.to_ascii_uppercase().into_bytes().try_into().map_err(|_| IdError)?;
    cipher.decipher(&symbols).ok_or(IdError)
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([REDACTED])"))
            }
        }
    )*};
}
redacted!(CodeKey, CodeKeyRing, IdCipher);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guangdong() -> Province {
        "44".parse().unwrap()
    }

    fn ring(versions: &[u16]) -> CodeKeyRing {
        let keys: Vec<CodeKey> =
            versions.iter().map(|v| CodeKey { version: *v, key: [u8::try_from(*v).unwrap(); 32] }).collect();
        CodeKeyRing::new(guangdong(), &keys).unwrap()
    }

    fn coupon_key(member: u64, campaign: u32, ordinal: u8) -> CouponKey {
        CouponKey {
            member: member.try_into().unwrap(),
            campaign: campaign.try_into().unwrap(),
            ordinal: ordinal.try_into().unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_code_names_its_coupon_however_it_is_typed(member in 0..1u64 << 34, campaign in 0..1u32 << 20, ordinal in 0..64u8) {
            let ring = ring(&[2, 1]);
            let key = coupon_key(member, campaign, ordinal);
            for version in [1, 2] {
                let shown = ring.code(key, version).unwrap().expose();
                let typed = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
                for text in [shown.clone(), shown.replace('-', ""), typed] {
                    let code: CouponCode = text.parse().unwrap();
                    prop_assert!(ring.locate(&code).contains(&(key, version)));
                }
            }
        }

        #[test]
        fn an_id_names_its_row_and_is_no_code(member in 0..1u64 << 34, campaign in 0..1u32 << 20, ordinal in 0..64u8, index in 0..32usize) {
            let ids = IdCipher::new(guangdong(), &[7; 32]).unwrap();
            let key = coupon_key(member, campaign, ordinal);
            prop_assert_eq!(ids.coupon(&ids.coupon_id(key)), Ok(key));
            prop_assert_eq!(ids.member(&ids.member_id(key.member)), Ok(key.member));
            prop_assert_eq!(ids.redemption(&ids.redemption_id(key, index)), Ok((key, index)));
            let tag = HoldTag([ordinal, 0, 255, 7, 9]);
            prop_assert_eq!(ids.hold(&ids.hold_id(key, tag)), Ok((key, tag)));
            prop_assert_ne!(&ids.coupon_id(key)[4..], &ids.redemption_id(key, 0)[4..20]);
            let as_code = format!("44{}", &ids.coupon_id(key)[4..]);
            prop_assert!(as_code.parse::<CouponCode>().is_ok_and(|code| !ring(&[7]).locate(&code).contains(&(key, 7))));
        }

        #[test]
        fn any_text_at_all_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = text.parse::<CouponCode>();
            let ids = IdCipher::new(guangdong(), &[7; 32]).unwrap();
            let _ = (ids.coupon(&text), ids.member(&text), ids.redemption(&text), ids.hold(&text));
        }
    }

    #[test]
    fn every_single_typo_of_a_code_is_noticed_but_for_one_in_a_million() {
        let ring = ring(&[1]);
        let shown = ring.code(coupon_key(123_456, 77, 3), 1).unwrap().expose();
        let mut reached = 0;
        for at in 3..shown.len() {
            for symbol in CROCKFORD_TEXT.chars() {
                let mut typed: Vec<char> = shown.chars().collect();
                if typed[at] == '-' || typed[at] == symbol {
                    continue;
                }
                typed[at] = symbol;
                let code: CouponCode = typed.into_iter().collect::<String>().parse().unwrap();
                reached += ring.locate(&code).len();
            }
        }
        assert_eq!(reached, 0, "of 496 typos");
    }

    const CROCKFORD_TEXT: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    #[test]
    fn a_hundred_thousand_guesses_reach_the_table_at_most_a_few_times() {
        let ring = ring(&[1]);
        let mut state = 1u64;
        let mut reached = 0;
        for _ in 0..100_000 {
            let symbols = std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                CROCKFORD_TEXT.as_bytes()[(state >> 59) as usize]
            });
            reached += ring.locate(&CouponCode { province: guangdong(), symbols }).len();
        }
        // Expected 100 000 / 2²⁰ ≈ 0.1; five or more has a probability below 10⁻⁷.
        assert!(reached < 5, "{reached}");
    }

    #[test]
    fn a_code_of_a_dropped_key_or_another_province_names_nothing_here() {
        let key = coupon_key(1, 2, 3);
        let code = ring(&[1]).code(key, 1).unwrap();
        assert!(ring(&[2]).locate(&code).is_empty());
        assert_eq!(ring(&[2]).code(key, 1), None);
        let hunan = CodeKeyRing::new("43".parse().unwrap(), &[CodeKey { version: 1, key: [1; 32] }]).unwrap();
        assert!(hunan.locate(&code).is_empty());
    }

    #[test]
    fn the_id_of_one_hold_does_not_give_that_of_another_order_or_coupon() {
        let ids = IdCipher::new(guangdong(), &[7; 32]).unwrap();
        let (coupon, other) = (coupon_key(1, 2, 3), coupon_key(1, 2, 4));
        let tag = |order: &str| HoldTag::of(crate::KeyHash::of_order(&order.parse().unwrap()));
        let id = ids.hold_id(coupon, tag("A-1"));
        let plain: String = tag("A-1").0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!id.contains(&plain[..8]), "{id} shows the hash of its order");
        // The difference between two orders' ids on one coupon is another one on another coupon.
        assert_ne!(id[20..], ids.hold_id(other, tag("A-1"))[20..]);
        let moved = format!("{}{}", &ids.hold_id(other, tag("A-1"))[..20], &id[20..]);
        assert_ne!(ids.hold(&moved).map(|(_, tag)| tag), Ok(tag("A-1")));
        for at in 20..28 {
            for symbol in CROCKFORD_TEXT.to_ascii_lowercase().chars().filter(|symbol| !id[at..].starts_with(*symbol)) {
                let guess = format!("{}{symbol}{}", &id[..at], &id[at + 1..]);
                assert_ne!(ids.hold(&guess), Ok((coupon, tag("A-1"))), "{guess}");
                assert_ne!(ids.hold(&guess), Ok((coupon, tag("A-2"))), "{guess}");
            }
        }
    }

    #[test]
    fn every_defect_of_a_typed_code_has_its_error() {
        let shown = ring(&[1]).code(coupon_key(1, 2, 3), 1).unwrap().expose();
        let long = "4".repeat(10_000);
        for (typed, error) in [
            ("", CodeError::Length),
            ("4", CodeError::Length),
            (&shown[..shown.len() - 1], CodeError::Length),
            (long.as_str(), CodeError::Length),
            ("99-ABCD-EFGH-JKMN-PQRS", CodeError::Province),
            ("44-ABCD-EFGH-JKMN-PQRU", CodeError::Symbol),
            ("44-ABCD-EFGH-JKMN-PQR券", CodeError::Symbol),
            ("44-ABCD-EFGH-JKMN-PQR\0", CodeError::Symbol),
        ] {
            assert_eq!(typed.parse::<CouponCode>(), Err(error), "{typed}");
        }
    }

    #[test]
    fn a_ring_needs_a_key_and_each_version_once() {
        assert!(CodeKeyRing::new(guangdong(), &[]).is_none());
        let key = CodeKey { version: 1, key: [0; 32] };
        assert!(CodeKeyRing::new(guangdong(), &[key.clone(), key]).is_none());
    }

    #[test]
    fn a_code_never_prints_itself() {
        let ring = ring(&[1]);
        let code = ring.code(coupon_key(1, 2, 3), 1).unwrap();
        assert_eq!(format!("{code:?} {ring:?}"), "CouponCode([REDACTED]) CodeKeyRing([REDACTED])");
    }
}
