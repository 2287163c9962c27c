//! A coupon's key, enciphered into sixteen symbols of base 32: the code finds its own coupon and is never
//! stored.
//!
//! `member (7 symbols) ‖ campaign (4) ‖ ordinal (2) ‖ zeros (3)` are 80 bits, of which 20 are redundant. They
//! are one of the member's 35, four of the ordinal's ten, and the fifteen zeros.
//!
//! The cipher is FF1 (NIST SP 800-38G) with AES-256. A guessed or mistyped text passes the check once in 2²⁰.
//! It hits a live coupon with probability live / 2⁸⁰.

use crate::{
    coupon::CouponKey,
    ids::{CROCKFORD, CampaignNo, MemberNo, Ordinal},
};
use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};

/// Symbols of a locator, enciphered or not.
pub(crate) const SYMBOLS: usize = 16;
/// Numerals of FF1: one for each symbol of Crockford's base 32.
const RADIX: u32 = 32;
/// Bits to the right of the member, the campaign and the ordinal.
const MEMBER_SHIFT: u32 = (4 + 2 + 3) * 5;
const CAMPAIGN_SHIFT: u32 = (2 + 3) * 5;
const ORDINAL_SHIFT: u32 = 3 * 5;

/// One key under one tweak.
pub(crate) struct LocatorCipher {
    ff1: FF1<Aes256>,
    tweak: Vec<u8>,
}

impl LocatorCipher {
    /// The tweak is the province's code followed by the purpose. So a text of one kind or province means
    /// nothing in another.
    pub(crate) fn new(key: &[u8; 32], province: &str, purpose: &str) -> Option<Self> {
        let ff1 = FF1::new(key, RADIX).ok()?;
        Some(LocatorCipher { ff1, tweak: format!("{province}{purpose}").into_bytes() })
    }

    /// The enciphered key: sixteen symbols of Crockford's base 32, in capitals.
    pub(crate) fn encipher(&self, key: CouponKey) -> String {
        let packed = u128::from(key.member.get()) << MEMBER_SHIFT
            | u128::from(key.campaign.get()) << CAMPAIGN_SHIFT
            | u128::from(key.ordinal.get()) << ORDINAL_SHIFT;
        let numerals: Vec<u16> = (0..SYMBOLS).rev().map(|i| (packed >> (i * 5)) as u16 & 31).collect();
        let sealed = self.ff1.encrypt(&self.tweak, &FlexibleNumeralString::from(numerals));
        text(&sealed.map(Into::<Vec<u16>>::into).unwrap_or_default())
    }

    /// The key that these symbols name.
    ///
    /// `None` when they were not made with this cipher key and tweak: a redundant bit is set. One wrong text
    /// in 2²⁰ is not noticed here.
    pub(crate) fn decipher(&self, symbols: &[u8; SYMBOLS]) -> Option<CouponKey> {
        let sealed = FlexibleNumeralString::from(numerals(symbols)?);
        let plain: Vec<u16> = self.ff1.decrypt(&self.tweak, &sealed).ok()?.into();
        let packed = plain.iter().fold(0u128, |packed, numeral| packed << 5 | u128::from(*numeral));
        if packed & ((1 << ORDINAL_SHIFT) - 1) != 0 {
            return None;
        }
        Some(CouponKey {
            member: MemberNo::try_from((packed >> MEMBER_SHIFT) as u64).ok()?,
            campaign: CampaignNo::try_from((packed >> CAMPAIGN_SHIFT) as u32 & 0xF_FFFF).ok()?,
            ordinal: Ordinal::try_from(u8::try_from((packed >> ORDINAL_SHIFT) & 0x3FF).ok()?).ok()?,
        })
    }
}

/// Symbols of an enciphered tag: 8 × 5 bits are its 40.
pub(crate) const TAG_SYMBOLS: usize = 8;

/// Enciphers the five bytes of a tag beside a locator.
///
/// Whoever knows a locator and one tag cannot make another tag's text. It has no redundancy, but a guess hits
/// a given tag once in 2⁴⁰.
pub(crate) struct TagCipher {
    ff1: FF1<Aes256>,
    tweak: Vec<u8>,
}

impl TagCipher {
    /// See [`LocatorCipher::new`].
    pub(crate) fn new(key: &[u8; 32], province: &str, purpose: &str) -> Option<Self> {
        let ff1 = FF1::new(key, RADIX).ok()?;
        Some(TagCipher { ff1, tweak: format!("{province}{purpose}").into_bytes() })
    }

    /// The tag beside this enciphered locator, in Crockford's base 32, capitals.
    pub(crate) fn encipher(&self, locator: &str, tag: [u8; 5]) -> String {
        let packed = tag.iter().fold(0u64, |packed, byte| packed << 8 | u64::from(*byte));
        let numerals: Vec<u16> = (0..TAG_SYMBOLS).rev().map(|i| (packed >> (i * 5)) as u16 & 31).collect();
        let sealed = self.ff1.encrypt(&self.tweak_beside(locator), &FlexibleNumeralString::from(numerals));
        text(&sealed.map(Into::<Vec<u16>>::into).unwrap_or_default())
    }

    /// The tag that these symbols are beside this enciphered locator. Every text of eight symbols is some tag.
    pub(crate) fn decipher(&self, locator: &str, symbols: &[u8; TAG_SYMBOLS]) -> Option<[u8; 5]> {
        let sealed = FlexibleNumeralString::from(numerals(symbols)?);
        let plain: Vec<u16> = self.ff1.decrypt(&self.tweak_beside(locator), &sealed).ok()?.into();
        let packed = plain.iter().fold(0u64, |packed, numeral| packed << 5 | u64::from(*numeral));
        packed.to_be_bytes().last_chunk().copied()
    }

    /// The tweak of a tag: the cipher's own, followed by the locator that it stands beside.
    fn tweak_beside(&self, locator: &str) -> Vec<u8> {
        [&self.tweak, locator.as_bytes()].concat()
    }
}

/// Numerals as symbols of Crockford's base 32, in capitals.
fn text(numerals: &[u16]) -> String {
    numerals.iter().map(|n| char::from(CROCKFORD.get(usize::from(*n)).copied().unwrap_or(b'0'))).collect()
}

/// Symbols as numerals; `None` when one is not of Crockford's base 32.
fn numerals(symbols: &[u8]) -> Option<Vec<u16>> {
    let position = |byte: &u8| CROCKFORD.iter().position(|symbol| symbol == byte).and_then(|at| u16::try_from(at).ok());
    symbols.iter().map(position).collect()
}
